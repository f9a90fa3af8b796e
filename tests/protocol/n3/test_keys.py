"""Keys, WIF and NEP-2 against neo-go's published cases and neon-js."""

import pytest
from neo3.core import cryptography as mamba

from nsl_protocol.errors import ChecksumError, CodecError, LimitError, WrongVersionError
from nsl_protocol.n3 import nep2
from nsl_protocol.n3.address import base58check_encode
from nsl_protocol.n3.keys import ORDER, PublicKey, wif_decode, wif_encode
from nsl_protocol.n3.nep2 import ScryptParameters
from tests.protocol.n3.vectors import INVALID_NEP2, INVALID_WIF, KEYS, KeyCase
from tests.support.neon import Neon

FAST = ScryptParameters(2, 1, 1)


@pytest.mark.parametrize("case", KEYS, ids=lambda case: case.address)
def test_published_private_keys_have_their_published_forms(case: KeyCase) -> None:
    private = bytes.fromhex(case.private_key)
    assert str(PublicKey.of(private)) == case.public_key
    assert wif_encode(private) == case.wif
    assert wif_decode(case.wif) == private


@pytest.mark.parametrize("case", KEYS, ids=lambda case: case.address)
def test_published_nep2_texts_are_made_and_opened(case: KeyCase) -> None:
    private = bytes.fromhex(case.private_key)
    assert nep2.encrypt(private, case.passphrase) == case.nep2
    assert nep2.decrypt(case.nep2, case.passphrase) == private


def test_keys_agree_with_mamba_and_neon(neon_js: Neon) -> None:
    for number in range(3, 35):
        private = (number**31 % ORDER).to_bytes(32, "big")
        key = PublicKey.of(private)
        assert mamba.KeyPair(private).public_key.encode_point(compressed=True) == key.raw
        said = neon_js.ask("account", wif=wif_encode(private))
        assert said["privateKey"] == private.hex()
        assert said["publicKey"] == str(key)


def test_uncompressed_points_are_read() -> None:
    key = PublicKey.parse(KEYS[0].public_key)
    x, y = key.order
    assert PublicKey.from_bytes(b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")) == key


@pytest.mark.parametrize(
    "text",
    ["", "00", "zz", "02" + "00" * 31, "02" + "ff" * 32, "05" + KEYS[0].public_key[2:], "04" + "11" * 64, "00" * 33],
)
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(CodecError, match="public key"):
        PublicKey.parse(text)


@pytest.mark.parametrize("private", [bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, bytes(31), bytes(33)])
def test_what_is_no_private_key_is_refused(private: bytes) -> None:
    for use in (PublicKey.of, wif_encode, lambda private: nep2.encrypt(private, "x", FAST)):
        with pytest.raises(CodecError, match="private key"):
            use(private)


def test_wrong_wif_says_why() -> None:
    private = bytes.fromhex(KEYS[0].private_key)
    with pytest.raises(ChecksumError):
        wif_decode(INVALID_WIF)
    with pytest.raises(WrongVersionError):
        wif_decode(base58check_encode(b"\x81" + private + b"\x01"))
    with pytest.raises(WrongVersionError):
        wif_decode(base58check_encode(b"\x80" + private + b"\x02"))
    with pytest.raises(CodecError, match="34 bytes"):
        wif_decode(base58check_encode(b"\x80" + private))  # the uncompressed form of Bitcoin
    with pytest.raises(CodecError, match="curve"):
        wif_decode(base58check_encode(b"\x80" + bytes(32) + b"\x01"))


def test_nep2_says_what_is_wrong() -> None:
    text = nep2.encrypt(bytes.fromhex(KEYS[0].private_key), "right", FAST)
    with pytest.raises(ChecksumError, match="passphrase"):
        nep2.decrypt(text, "wrong", FAST)
    with pytest.raises(ChecksumError, match="checksum"):
        nep2.decrypt(text[:-1] + ("1" if text[-1] != "1" else "2"), "right", FAST)
    with pytest.raises(CodecError):
        nep2.decrypt(INVALID_NEP2, "invalid_pass_but_valid_wif", FAST)
    with pytest.raises(CodecError, match="39 bytes"):
        nep2.decrypt(KEYS[0].wif, "right", FAST)
    with pytest.raises(WrongVersionError):
        nep2.decrypt(base58check_encode(bytes(39)), "right", FAST)


def test_a_passphrase_is_normalised() -> None:
    private = bytes.fromhex(KEYS[0].private_key)
    assert nep2.decrypt(nep2.encrypt(private, "e\u0301", FAST), "\u00e9", FAST) == private


@pytest.mark.parametrize(
    "numbers", [(0, 8, 8), (3, 8, 8), (1 << 19, 8, 8), (2, 0, 1), (2, 1, 0), (2, 9, 1), (2, 1, 17)]
)
def test_scrypt_that_no_one_should_run_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(LimitError):
        ScryptParameters(*numbers)
