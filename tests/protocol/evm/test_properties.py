"""10,000 transactions round-trip and agree with eth-account and viem; damaged ones are refused or are those bytes."""

import random
from collections import Counter

import pytest
from eth_account._utils.legacy_transactions import Transaction as OracleLegacy
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_protocol.errors import CodecError
from nsl_protocol.evm.keccak import keccak256
from nsl_protocol.evm.transaction import (
    EvmTransaction,
    LegacyTransaction,
    parse_signed,
    parse_unsigned,
    transaction_hash,
)
from tests.protocol.evm import generate
from tests.support.javascript import oracle
from tests.support.long import examples

COUNT = examples(10_000, 2_500)
VIEM_EVERY = 2


def _by_eth_account(transaction: EvmTransaction, raw: bytes) -> tuple[bytes, bytes]:
    """The signing hash and the hash, as eth-account computes them from its own reading of the signed bytes."""
    if not isinstance(transaction, LegacyTransaction):
        read = TypedTransaction.from_bytes(HexBytes(raw))
        return bytes(read.hash()), bytes(keccak256(raw))
    import rlp

    read = rlp.decode(raw, OracleLegacy)
    unsigned = [read.nonce, read.gasPrice, read.gas, read.to, read.value, read.data, (read.v - 35) // 2, 0, 0]
    return keccak256(rlp.encode(unsigned)), bytes(keccak256(rlp.encode(read)))


def test_transactions_agree_with_the_oracles(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(20261124)
    counts: Counter[tuple[str, str]] = Counter()
    asked, expected = [], []
    for index in range(COUNT):
        transaction, signature = generate.transaction(chance), generate.signature(chance)
        assert parse_unsigned(transaction.unsigned_bytes()) == transaction
        raw = transaction.signed_bytes(signature)
        assert parse_signed(raw) == (transaction, signature)
        assert _by_eth_account(transaction, raw) == (
            transaction.signing_hash(),
            bytes.fromhex(transaction_hash(raw)[2:]),
        )
        counts["eth-account", transaction.type_name] += 1
        if index % VIEM_EVERY == 0:
            asked.append({"raw": "0x" + raw.hex()})
            expected.append((transaction.type_name, "0x" + transaction.signing_hash().hex(), transaction_hash(raw)))
    with oracle("viem.mjs", "viem") as viem:
        answers = viem.ask_all("transaction", asked)
    for (type_name, signing_hash, hash_), answer, sent in zip(expected, answers, asked, strict=True):
        assert (answer["signing_hash"], answer["hash"], answer["serialized"]) == (signing_hash, hash_, sent["raw"])
        counts["viem", type_name] += 1
    with capsys.disabled():
        print("\nEVM transactions that agree, by oracle and type:", dict(sorted(counts.items())))
    for name in ("eth-account", "viem"):
        assert all(counts[name, kind] >= 200 for kind in ("legacy", "eip-2930", "eip-1559")), counts


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_damaged_bytes_are_refused_or_are_read_as_what_they_say(seed: int, data: st.DataObject) -> None:
    chance = random.Random(seed)
    raw = generate.transaction(chance).signed_bytes(generate.signature(chance))
    place = data.draw(st.integers(0, len(raw) - 1))
    flipped = bytes([*raw[:place], raw[place] ^ data.draw(st.integers(1, 255)), *raw[place + 1 :]])
    for damaged in (raw[:place], raw + data.draw(st.binary(min_size=1, max_size=4)), flipped):
        try:
            transaction, signature = parse_signed(damaged)
        except CodecError:
            continue
        assert transaction.signed_bytes(signature) == damaged


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_parsers(data: bytes) -> None:
    for parse in (parse_signed, parse_unsigned):
        try:
            parse(data)
        except CodecError:
            continue
