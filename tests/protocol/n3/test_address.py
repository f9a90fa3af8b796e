"""Addresses and script hashes against neo-go's published key cases, neo-mamba and neon-js."""

import pytest
from neo3.core import types
from neo3.wallet import utils as mamba

from nsl_protocol.errors import ChecksumError, CodecError, WrongVersionError
from nsl_protocol.n3 import verification
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from tests.protocol.n3.vectors import KEYS, KeyCase
from tests.support.neon import Neon

# N3 native contracts: the hash as every node and explorer shows it.
GAS = "0xd2a4cff31913016155e38e474a2c06d08be276cf"


@pytest.mark.parametrize("case", KEYS, ids=lambda case: case.address)
def test_published_public_keys_have_their_published_addresses(case: KeyCase) -> None:
    account = verification.account(PublicKey.parse(case.public_key))
    assert account.address == case.address
    assert ScriptHash.from_address(case.address) == account


def test_addresses_agree_with_mamba_and_neon(neon_js: Neon) -> None:
    for number in range(64):
        account = ScriptHash(bytes((number * 37 + place * 11) % 256 for place in range(20)))
        text = str(account)
        assert mamba.script_hash_to_address(types.UInt160(account.raw)) == account.address
        assert str(mamba.address_to_script_hash(account.address)) == text.removeprefix("0x")
        assert neon_js.ask("address", scriptHash=text.removeprefix("0x")) == account.address


def test_text_is_big_endian_and_reads_back() -> None:
    gas = ScriptHash.parse(GAS)
    assert gas.raw == bytes.fromhex(GAS[2:])[::-1]
    assert str(gas) == GAS
    assert ScriptHash.parse(GAS.upper().replace("X", "x")) == gas


@pytest.mark.parametrize("text", ["", GAS[2:], GAS[:-1], GAS + "0", "0x" + "g" * 40, " " + GAS, GAS + "\n"])
def test_other_text_is_no_script_hash(text: str) -> None:
    with pytest.raises(CodecError):
        ScriptHash.parse(text)


@pytest.mark.parametrize("size", [0, 19, 21])
def test_a_script_hash_has_twenty_bytes(size: int) -> None:
    with pytest.raises(CodecError):
        ScriptHash(bytes(size))


def test_a_wrong_character_is_a_wrong_checksum() -> None:
    good = KEYS[0].address
    for place in range(1, len(good)):
        wrong = good[:place] + ("2" if good[place] != "2" else "3") + good[place + 1 :]
        with pytest.raises(ChecksumError, match="checksum"):
            ScriptHash.from_address(wrong)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("AK2nJJpJr6o664CWJKi1QRXjqeic2zRp8y", "Neo Legacy"),  # neow3j SignerTest, Neo 2
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "another chain"),  # Bitcoin's genesis block
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "Neo X"),  # EIP-55
    ],
)
def test_addresses_of_other_chains_say_so(text: str, reason: str) -> None:
    with pytest.raises(WrongVersionError, match=reason):
        ScriptHash.from_address(text)


@pytest.mark.parametrize(
    "text", ["", "N", "1111", "N" * 200, "N0OIl" * 6, "Nö", KEYS[0].address + "1", "1" + KEYS[0].address, KEYS[0].wif]
)
def test_other_text_is_no_address(text: str) -> None:
    with pytest.raises(CodecError):
        ScriptHash.from_address(text)
