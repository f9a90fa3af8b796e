"""Published vectors, and what is refused."""

import pytest
from eth_account import Account

from nsl_protocol.errors import ChecksumError, CodecError, LimitError
from nsl_protocol.evm import abi, rlp
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.keccak import keccak256
from nsl_protocol.evm.messages import message_hash
from nsl_protocol.evm.transaction import (
    CHAIN_ID_MAX,
    CURVE_ORDER,
    EvmSignature,
    FeeMarketTransaction,
    LegacyTransaction,
    parse_signed,
    parse_unsigned,
)
from tests.protocol.evm.vectors import CHECKSUMMED, EIP_155_PRIVATE_KEY, SIGNED

SOMEONE = EvmAddress(bytes(19) + b"\x01")


@pytest.mark.parametrize(("what", "raw", "hash_"), SIGNED, ids=[each[0] for each in SIGNED])
def test_published_transactions_are_read_and_built(what: str, raw: str, hash_: str) -> None:
    signed = bytes.fromhex(raw)
    transaction, signature = parse_signed(signed)
    assert transaction.signed_bytes(signature) == signed
    assert transaction.signing_hash().hex() == hash_
    assert parse_unsigned(transaction.unsigned_bytes()) == transaction


def test_the_example_of_eip_155_is_signed_alike_by_eth_account() -> None:
    transaction, signature = parse_signed(bytes.fromhex(SIGNED[0][1]))
    made = Account.unsafe_sign_hash(transaction.signing_hash(), EIP_155_PRIVATE_KEY)
    assert (made.r, made.s) == (signature.r, signature.s)


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_eip_55_examples(text: str) -> None:
    assert str(EvmAddress.parse(text)) == text or text[2:] in (text[2:].lower(), text[2:].upper())
    assert EvmAddress.parse(text.lower()) == EvmAddress.parse(text)


def test_a_mistyped_letter_is_a_checksum_error() -> None:
    with pytest.raises(ChecksumError, match="mistyped"):
        EvmAddress.parse(CHECKSUMMED[4].replace("A", "a", 1))


@pytest.mark.parametrize(
    "text", ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x" + "g" * 40, "0x" + "1" * 41]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        EvmAddress.parse(text)


def test_the_address_of_a_key_is_eth_accounts() -> None:
    account = Account.from_key(EIP_155_PRIVATE_KEY)
    public = account._key_obj.public_key.to_bytes()
    assert str(EvmAddress.from_public_key(b"\x04" + public)) == account.address


def test_personal_sign_is_eth_accounts() -> None:
    from eth_account.messages import _hash_eip191_message, encode_defunct

    for text in (b"", b"hello", "günstig".encode(), bytes(300)):
        assert message_hash(text) == bytes(_hash_eip191_message(encode_defunct(text)))


def test_a_legacy_transaction_without_a_chain_id_is_refused() -> None:
    body = (b"\x09", b"\x01", b"\x52\x08", SOMEONE.raw, b"", b"")
    with pytest.raises(CodecError, match="EIP-155"):
        parse_unsigned(rlp.encode(body))
    with pytest.raises(CodecError, match="EIP-155"):
        parse_signed(rlp.encode((*body, b"\x1b", b"\x01", b"\x01")))


def test_a_high_s_is_refused() -> None:
    with pytest.raises(CodecError, match="low s"):
        EvmSignature(0, 1, CURVE_ORDER // 2 + 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": 2**64 - 1},
        {"chain_id": 0},
        {"chain_id": CHAIN_ID_MAX + 1},
        {"value": 2**256},
        {"gas_limit": 2**64},
        {"max_fee_per_gas": 1, "max_priority_fee_per_gas": 2},
    ],
)
def test_numbers_out_of_range_are_refused(changes: dict[str, int]) -> None:
    fields = {
        "chain_id": 1, "nonce": 0, "gas_limit": 21000, "to": SOMEONE, "value": 1, "data": b"",
        "max_priority_fee_per_gas": 1, "max_fee_per_gas": 2,
    }  # fmt: skip
    with pytest.raises(LimitError):
        FeeMarketTransaction(**(fields | changes))  # type: ignore[arg-type]


def test_unknown_types_and_trailing_bytes_are_refused() -> None:
    good = LegacyTransaction(1, 0, 21000, SOMEONE, 1, b"", 1).unsigned_bytes()
    for bad in (b"", b"\x03\xc0", b"\x7f", good + b"\0", b"\x02" + good[:-1], b"\x80"):
        with pytest.raises(CodecError):
            parse_unsigned(bad)


def test_erc_20_transfers_are_recognised_to_the_last_byte() -> None:
    calldata = abi.encode_transfer(SOMEONE, 7)
    assert calldata[:4] == keccak256(b"transfer(address,uint256)")[:4]
    assert abi.parse_transfer(calldata) == abi.Erc20Transfer(SOMEONE, 7)
    for other in (calldata + b"\0", calldata[:-1], b"\0" + calldata[1:], calldata[:4] + b"\1" + calldata[5:]):
        assert abi.parse_transfer(other) is None
