"""Transactions and signers: published vectors, limits, and what the parsers refuse."""

import base64
import hashlib
from dataclasses import replace

import pytest

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3 import verification
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.attributes import (
    Attribute,
    Conflicts,
    HighPriority,
    NotaryAssisted,
    NotValidBefore,
    OracleCode,
    OracleResponse,
)
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.transaction import FEE_MAX, TRANSACTION_BYTES_MAX, Transaction, sign_data
from nsl_protocol.n3.wire import Reader
from nsl_protocol.n3.witness import (
    Action,
    And,
    Boolean,
    CalledByEntry,
    Condition,
    Not,
    Or,
    Rule,
    Scope,
    Signer,
    Witness,
)
from tests.protocol.n3 import vectors

ACCOUNT = ScriptHash(bytes(range(20)))
PLAIN = Transaction(1, 2, 3, 4, (Signer(ACCOUNT),), b"\x11", witnesses=(Witness(b"", b""),))


def test_the_csharp_transaction_has_its_published_hash() -> None:
    data = base64.b64decode(vectors.CSHARP_BASE64)
    transaction = Transaction.from_bytes(data)
    assert transaction.hash == vectors.CSHARP_HASH
    assert transaction.to_bytes() == data
    assert transaction.signers[0].scopes is Scope.CALLED_BY_ENTRY
    assert transaction.sender == ScriptHash.of(transaction.witnesses[0].verification)
    # The syscall is that of preview 3, so the script is not what verification.parse knows today.
    assert verification.parse(transaction.witnesses[0].verification) is None


def test_neow3j_unsigned_bytes() -> None:
    data = bytes.fromhex(vectors.NEOW3J_UNSIGNED)
    transaction = Transaction.from_unsigned_bytes(data)
    assert (transaction.nonce, transaction.valid_until_block) == (226292130, 2103398)
    assert (transaction.system_fee, transaction.network_fee) == (9007990, 1244390)
    assert transaction.witnesses == ()
    assert transaction.unsigned_bytes() == data


def test_neow3j_two_signers() -> None:
    first, second = (
        ScriptHash.from_address(text)
        for text in ("NZNos2WqTbu5oCgyfss9kUJgBXJqhuYAaj", "NLnyLtep7jwyq1qhNPkwXbJpurC4jUT8ke")
    )
    signers = (Signer(first, Scope.GLOBAL), Signer(second, Scope.CALLED_BY_ENTRY))
    transaction = Transaction(0x01020304, 10**8, 1, 0x01020304, signers, b"\x11")
    assert transaction.unsigned_bytes().hex() == vectors.NEOW3J_TWO_SIGNERS
    assert transaction.sender == first


def test_neow3j_high_priority() -> None:
    transaction = Transaction.from_bytes(bytes.fromhex(vectors.NEOW3J_HIGH_PRIORITY))
    assert (transaction.nonce, transaction.system_fee, transaction.network_fee) == (246070626, 9007810, 1268390)
    assert transaction.valid_until_block == 2106265
    assert str(transaction.sender) == "0x969a77db482f74ce27105f760efa139223431394"
    assert transaction.attributes == (HighPriority(),)
    assert transaction.witnesses == (Witness(b"\x00", b"\x00"),)


def test_neow3j_hash_data() -> None:
    account = ScriptHash.from_address("NZNos2WqTbu5oCgyfss9kUJgBXJqhuYAaj")
    transaction = Transaction(0, 0, 0, 0, (Signer(account, Scope.NONE),), bytes((1, 2, 3)))
    unsigned = bytes.fromhex(vectors.NEOW3J_HASH_DATA_UNSIGNED)
    assert transaction.unsigned_bytes() == unsigned
    assert sign_data(769, transaction) == bytes.fromhex("01030000") + hashlib.sha256(unsigned).digest()
    for magic in (-1, 2**32):
        with pytest.raises(LimitError, match="magic"):
            sign_data(magic, transaction)


def test_neow3j_signer_with_contracts_and_groups() -> None:
    data = bytes.fromhex(vectors.NEOW3J_SIGNER)
    reader = Reader(data)
    signer = Signer.read(reader)
    reader.end()
    assert signer.scopes == Scope.CALLED_BY_ENTRY | Scope.CUSTOM_CONTRACTS | Scope.CUSTOM_GROUPS
    assert [each.raw.hex()[:8] for each in signer.contracts] == ["47efccbc", "3ab0be86"]
    assert signer.groups[0] == PublicKey.parse("0306d3e7f18e6dd477d34ce3cfeca172a877f3c907cc6c2b66c295d1fcc76ff8f7")
    assert signer.to_bytes() == data


@pytest.mark.parametrize("scopes", [0x02, 0x04, 0x08, 0x81, 0x90, 0xA0, 0xC0, 0x03])
def test_unknown_scopes_and_global_with_others_are_refused(scopes: int) -> None:
    with pytest.raises(CodecError, match="scope"):
        Signer.read(Reader(ACCOUNT.raw + bytes((scopes, 0, 0, 0))))
    with pytest.raises(CodecError, match="scope"):
        Signer(ACCOUNT, Scope(scopes))


def test_lists_go_with_their_scopes_and_have_limits() -> None:
    key = PublicKey.parse(vectors.KEYS[0].public_key)
    rule = Rule(Action.ALLOW, CalledByEntry())
    for lists in ({"contracts": (ACCOUNT,)}, {"groups": (key,)}, {"rules": (rule,)}):
        with pytest.raises(CodecError, match="without their scope"):
            Signer(ACCOUNT, Scope.CALLED_BY_ENTRY, **lists)
    everything = Scope.CUSTOM_CONTRACTS | Scope.CUSTOM_GROUPS | Scope.WITNESS_RULES
    full = Signer(ACCOUNT, everything, (ACCOUNT,) * 16, (key,) * 16, (rule,) * 16)
    assert Signer.read(Reader(full.to_bytes())) == full
    for lists in ({"contracts": (ACCOUNT,) * 17}, {"groups": (key,) * 17}, {"rules": (rule,) * 17}):
        with pytest.raises(LimitError, match="16"):
            Signer(ACCOUNT, everything, **lists)
    for scope in (Scope.CUSTOM_CONTRACTS, Scope.CUSTOM_GROUPS, Scope.WITNESS_RULES):
        with pytest.raises(LimitError, match="16"):
            Signer.read(Reader(ACCOUNT.raw + bytes((scope, 17)) + bytes(2000)))


@pytest.mark.parametrize(
    "condition",
    [Not(Not(Not(Boolean(True)))), And((Or((Not(Boolean(True)),)),)), And(()), Or(()), And((Boolean(True),) * 17)],
)
def test_rules_too_deep_or_of_a_wrong_size_are_not_written(condition: Condition) -> None:
    with pytest.raises(LimitError):
        Signer(ACCOUNT, Scope.WITNESS_RULES, rules=(Rule(Action.DENY, condition),)).to_bytes()


@pytest.mark.parametrize(
    "rule",
    [
        "0220",  # action 2
        "010002",  # a boolean of 2
        "010101010001",  # Not(Not(Not(true)))
        "0102010301010001",  # And(Or(Not(true)))
        "010200",  # And of nothing
        "010211" + "20" * 17,
        "0104",
        "0117",
        "012a",
        "0119" + "00" * 33,  # infinity
        "0119" + "02" + "ff" * 32,
    ],
)
def test_rules_that_no_node_writes_are_refused(rule: str) -> None:
    with pytest.raises(CodecError):
        Signer.read(Reader(ACCOUNT.raw + b"\x40\x01" + bytes.fromhex(rule)))


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 1},
        {"system_fee": -1},
        {"network_fee": FEE_MAX + 1},
        {"system_fee": FEE_MAX, "network_fee": 1},
        {"signers": ()},
        {"signers": (Signer(ACCOUNT), Signer(ACCOUNT, Scope.NONE))},
        {"script": b""},
        {"script": bytes(65_536)},
        {"witnesses": (Witness(b"", b""),) * 2},
        {"attributes": (HighPriority(), HighPriority())},
        {"attributes": (NotValidBefore(1), NotValidBefore(2))},
        {"attributes": (NotaryAssisted(1), NotaryAssisted(2))},
        {"attributes": (Conflicts(bytes(32)), Conflicts(bytes(32)))},
        {"attributes": tuple(Conflicts(bytes((number,)) * 32) for number in range(16))},
    ],
)
def test_what_no_node_accepts_cannot_be_built(changed: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        replace(PLAIN, **changed)


@pytest.mark.parametrize(
    "changed", [{"nonce": 2**32}, {"nonce": -1}, {"valid_until_block": 2**32}, {"attributes": (NotValidBefore(2**32),)}]
)
def test_numbers_that_do_not_fit_cannot_be_written(changed: dict[str, object]) -> None:
    with pytest.raises(LimitError):
        replace(PLAIN, **changed).to_bytes()


def test_what_no_node_accepts_is_not_read() -> None:
    head, tail = PLAIN.unsigned_bytes()[:25], PLAIN.to_bytes()[47:]
    signer = Signer(ACCOUNT).to_bytes()
    assert Transaction.from_bytes(head + b"\x01" + signer + tail) == PLAIN
    others = [
        b"\x01" + head[1:] + b"\x01" + signer + tail,  # version 1
        head + b"\x00" + tail,  # no signer
        head + b"\x02" + signer * 2 + tail[:-3] + b"\x02" + bytes(4),  # one account twice
        head + b"\x11" + signer * 17,
        head + b"\xfd\x01\x00" + signer + tail,  # a count not in its shortest form
        head + b"\x01" + signer + b"\x10" + b"\x01" * 16 + tail[1:],  # 17 signers and attributes
        head + b"\x01" + signer + b"\x01\x02" + tail[1:],  # an unknown attribute
        head + b"\x01" + signer + b"\x02\x01\x01" + tail[1:],  # one attribute twice
        head + b"\x01" + signer + b"\x00\x00" + tail[3:],  # no script
        head + b"\x01" + signer + tail[:-3] + b"\x00",  # no witness
        head + b"\x01" + signer + tail[:-3] + b"\x02" + bytes(4),
        head + b"\x01" + signer + tail + b"\x00",
        head[:5] + b"\xff" * 8 + head[13:] + b"\x01" + signer + tail,  # a negative system fee
    ]
    for data in others:
        with pytest.raises(CodecError):
            Transaction.from_bytes(data)


def test_sizes_have_limits() -> None:
    result = OracleResponse(1, OracleCode.SUCCESS, bytes(65_535))
    big = replace(PLAIN, attributes=(result,), script=bytes(36_000))
    room = TRANSACTION_BYTES_MAX - len(big.to_bytes())
    fits = replace(big, script=bytes(36_000 + room))
    assert len(fits.to_bytes()) == TRANSACTION_BYTES_MAX
    assert Transaction.from_bytes(fits.to_bytes()) == fits
    for script in (bytes(36_000 + room + 1), bytes(65_535)):
        with pytest.raises(LimitError, match="102400"):
            replace(big, script=script).to_bytes()
    with pytest.raises(LimitError, match="102400"):
        Transaction.from_bytes(bytes(TRANSACTION_BYTES_MAX + 1))
    with pytest.raises(LimitError):
        OracleResponse(1, OracleCode.SUCCESS, bytes(65_536))
    for scripts in ((bytes(1025), b""), (b"", bytes(1025))):
        with pytest.raises(LimitError, match="1024"):
            Witness(*scripts)


def test_an_unsigned_transaction_is_not_sent() -> None:
    with pytest.raises(CodecError, match="not signed"):
        PLAIN.signed().to_bytes()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: OracleResponse(1, OracleCode.ERROR, b"x"), "Success"),
        (lambda: Conflicts(bytes(31)), "32 bytes"),
        (lambda: NotaryAssisted(256).to_bytes(), "notary keys"),
        (lambda: OracleResponse(2**64, OracleCode.SUCCESS, b"").to_bytes(), "oracle id"),
    ],
)
def test_wrong_attributes_say_why(make: object, why: str) -> None:
    with pytest.raises(CodecError, match=why):
        make()  # type: ignore[operator] # a lambda of the table above


@pytest.mark.parametrize(
    ("attribute", "wire"),
    [
        # neo-go pkg/core/transaction: attrtype.go and the fields' EncodeBinary, little-endian
        (HighPriority(), "01"),
        (OracleResponse(0x1122334455, OracleCode.SUCCESS, b"\x01\x02\x03"), "1155443322110000000003010203"),
        (NotValidBefore(123), "207b000000"),
        (Conflicts(bytes(range(32))), "21" + bytes(range(32)).hex()),
        (NotaryAssisted(3), "2203"),
    ],
)
def test_attributes_on_the_wire(attribute: Attribute, wire: str) -> None:
    assert attribute.to_bytes().hex() == wire
