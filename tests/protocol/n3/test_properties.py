"""Ten thousand generated transactions against every oracle that can read them, and mutations of their bytes."""

import base64
import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsl_protocol.errors import CodecError
from nsl_protocol.n3 import script, verification
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.script import Transfer, parse_transfer
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.witness import And, Condition, Not, Or, Signer, Witness
from tests.protocol.n3.generate import COMMITTEE, FAR, GAS, SENDERS, VALIDATOR, Generator, signature
from tests.protocol.n3.oracles import mamba_agrees, neon_agrees, node_agrees
from tests.support.long import examples
from tests.support.n3_node import COMMITTEE_SCRIPT, MAGIC, N3Node, binary
from tests.support.n3_node import VALIDATOR as VALIDATOR_PUBLIC
from tests.support.neon import Neon

SEED = 3
WRITTEN, ACCEPTABLE, DUMPED = examples(6_000, 1_500), examples(3_600, 900), examples(400, 200)
LEAST = examples(200, 30)
ATTRIBUTES = ("HighPriority", "OracleResponse", "NotValidBefore", "Conflicts", "NotaryAssisted", "no attribute")
SCOPES = ("NONE", "CALLED_BY_ENTRY", "CUSTOM_CONTRACTS", "CUSTOM_GROUPS", "WITNESS_RULES", "GLOBAL")
CONDITIONS = (
    *("Boolean", "Not", "And", "Or", "CurrentContract", "CurrentGroup", "CalledByEntry"),
    *("CalledByContract", "CalledByGroup"),
)
TYPES = ("transfer script", "other script", "one signer", "several signers", "single-key witness", "multi-key witness")
ROLES = ScriptHash.parse("0x49cf4e5378ffcd4dec034fd98a174c5491e395e2")
P2P_NOTARY = 32


@pytest.fixture(scope="module")
def funded(node: N3Node) -> N3Node:
    """The node, once the open accounts have GAS and the validator is the notary."""
    made = b"".join(script.transfer_script(GAS, COMMITTEE, sender, 5_000_000 * 10**8) for sender in SENDERS)
    made += script.call(ROLES, "designateAsRole", P2P_NOTARY, (VALIDATOR_PUBLIC.raw,))
    setup = Transaction(1, 2 * 10**8, 10**8, FAR, (Signer(COMMITTEE),), made)
    proof = Witness(verification.invocation(signature(VALIDATOR, sign_data(MAGIC, setup))), COMMITTEE_SCRIPT)
    node.call("sendrawtransaction", base64.b64encode(setup.signed(proof).to_bytes()).decode())
    assert node.wait_for(setup.hash)["vmstate"] == "HALT"
    node.wait_for_height(30)
    return node


def test_generated_transactions_agree_with_every_oracle(
    funded: N3Node, neon_js: Neon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator, seen = Generator(SEED), Counter[str]()
    written = [generator.written() for _ in range(WRITTEN)]
    acceptable = [generator.acceptable(height=25) for _ in range(ACCEPTABLE)]
    dumped = [generator.unwritten_attributes() for _ in range(DUMPED)]
    for transaction in (*written, *acceptable, *dumped):
        assert Transaction.from_bytes(transaction.to_bytes()) == transaction
        assert Transaction.from_unsigned_bytes(transaction.unsigned_bytes()) == transaction.signed()
        seen.update(features(transaction))

    for transaction in written:
        mamba_agrees(transaction, MAGIC)
    # neon-js 5.9.0 writes neither attribute it knows as the nodes do.
    for_neon = [each for each in written if not each.attributes]
    neon_agrees(neon_js, for_neon, MAGIC)
    node_agrees(funded, acceptable)
    for transaction in dumped:
        dump_agrees(transaction, tmp_path / "context.json")

    oracles = {
        "neo-mamba": written,
        "neon-js": for_neon,
        "neo-go node": acceptable,
        "neo-go txdump": dumped,
    }
    with capsys.disabled():
        print(report(seen, oracles))
    assert min(len(each) for each in oracles.values()) >= LEAST
    assert not {name: seen[name] for name in (*ATTRIBUTES, *SCOPES, *CONDITIONS, *TYPES) if seen[name] < LEAST}
    checked = features_of(acceptable)
    assert not {name for name in ("NotValidBefore", "Conflicts", "NotaryAssisted") if checked[name] < LEAST}


def dump_agrees(transaction: Transaction, path: Path) -> None:
    """neo-go's own ``util txdump`` reads the unsigned bytes and names the same hash."""
    unsigned = base64.b64encode(transaction.unsigned_bytes()).decode()
    head = {"type": "Neo.Network.P2P.Payloads.Transaction", "hash": "0x" + "00" * 32, "network": MAGIC}
    path.write_text(json.dumps(head | {"data": unsigned, "items": {}}))
    ran = subprocess.run([str(binary()), "util", "txdump", str(path)], capture_output=True, text=True, check=True)
    lines = dict(line.split(":", 1) for line in ran.stdout.splitlines()[:3])
    assert "0x" + lines["Hash"].strip() == transaction.hash
    assert int(lines["ValidUntil"]) == transaction.valid_until_block


def features(transaction: Transaction) -> set[str]:
    """What of the lists above is in a transaction."""
    found = {type(each).__name__ for each in transaction.attributes} or {"no attribute"}
    for signer in transaction.signers:
        found |= {str(scope.name) for scope in signer.scopes} or {"NONE"}
        for rule in signer.rules:
            found |= {type(each).__name__ for each in conditions(rule.condition)}
    found.add("other script" if parse_transfer(transaction.script) is None else "transfer script")
    found.add("one signer" if len(transaction.signers) == 1 else "several signers")
    for witness in transaction.witnesses:
        if (parsed := verification.parse(witness.verification)) is not None:
            found.add("multi-key witness" if parsed.multisig else "single-key witness")
    return found


def conditions(condition: Condition) -> Iterator[Condition]:
    """The condition and all in it."""
    yield condition
    match condition:
        case Not(expression):
            yield from conditions(expression)
        case And(expressions) | Or(expressions):
            for each in expressions:
                yield from conditions(each)


def features_of(transactions: Sequence[Transaction]) -> Counter[str]:
    """How many of them have each feature."""
    return Counter(feature for transaction in transactions for feature in features(transaction))


def report(seen: Counter[str], oracles: dict[str, list[Transaction]]) -> str:
    """The counts, for the reader of a test run."""
    columns = {name: features_of(each) for name, each in oracles.items()}
    lines = ["", f"Neo N3, seed {SEED}: {WRITTEN + ACCEPTABLE + DUMPED} transactions round-trip"]
    lines.append(f"  {'':20}{'all':>8}" + "".join(f"{name:>15}" for name in columns))
    lines.append(f"  {'transactions':20}{'':8}" + "".join(f"{len(each):15}" for each in oracles.values()))
    for kind, names in (("attribute", ATTRIBUTES), ("scope", SCOPES), ("condition", CONDITIONS), ("type", TYPES)):
        lines.append(f"  {kind}")
        lines += [
            f"    {name:18}{seen[name]:8}" + "".join(f"{column[name]:15}" for column in columns.values())
            for name in names
        ]
    return "\n".join(lines)


_GENERATOR = Generator(11)
SAMPLES = [each for each in (_GENERATOR.unwritten_attributes() for _ in range(200)) if len(each.to_bytes()) < 2000][:40]


def fails_or_round_trips(data: bytes) -> None:
    """The one property of a strict parser: what it takes, it gives back byte for byte."""
    for read, write in (
        (Transaction.from_bytes, Transaction.to_bytes),
        (Transaction.from_unsigned_bytes, Transaction.unsigned_bytes),
    ):
        try:
            transaction = read(data)
        except CodecError:
            continue
        assert write(transaction) == data


def test_no_truncated_transaction_is_read() -> None:
    for transaction in SAMPLES[:12]:
        for data, read in (
            (transaction.to_bytes(), Transaction.from_bytes),
            (transaction.unsigned_bytes(), Transaction.from_unsigned_bytes),
        ):
            for end in range(len(data)):
                with pytest.raises(CodecError):
                    read(data[:end])


@given(st.sampled_from(SAMPLES), st.binary(min_size=1, max_size=40))
@settings(deadline=None, max_examples=200)
def test_no_extended_transaction_is_read(transaction: Transaction, more: bytes) -> None:
    with pytest.raises(CodecError):
        Transaction.from_bytes(transaction.to_bytes() + more)
    fails_or_round_trips(transaction.unsigned_bytes() + more)


@given(st.sampled_from(SAMPLES), st.data())
@settings(deadline=None, max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
def test_a_changed_transaction_fails_or_round_trips(transaction: Transaction, data: st.DataObject) -> None:
    changed = bytearray(transaction.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] ^= data.draw(st.integers(1, 255))
    fails_or_round_trips(bytes(changed))


def test_every_single_bit_of_a_transaction_matters() -> None:
    transaction = next(each for each in SAMPLES if len(each.to_bytes()) < 700)
    good = transaction.to_bytes()
    for place in range(len(good)):
        for bit in range(8):
            changed = bytearray(good)
            changed[place] ^= 1 << bit
            fails_or_round_trips(bytes(changed))


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=500)
def test_any_bytes_fail_or_round_trip(data: bytes) -> None:
    fails_or_round_trips(data)
    found = parse_transfer(data)
    assert found is None or found.script() == data
    parsed = verification.parse(data)
    assert parsed is None or parsed.keys


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**255), 2**255 - 1) | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)
ACCOUNTS = st.binary(min_size=20, max_size=20).map(ScriptHash)


@given(ACCOUNTS, ACCOUNTS, ACCOUNTS, st.integers(0, 2**255 - 1), VALUES, st.booleans(), st.data())
@settings(deadline=None, max_examples=500)
def test_transfers_parse_back_and_changed_ones_are_others(
    contract: ScriptHash,
    source: ScriptHash,
    recipient: ScriptHash,
    amount: int,
    value: script.Value,
    asserted: bool,
    data: st.DataObject,
) -> None:
    transfer = Transfer(contract, source, recipient, amount, value, asserted)
    try:
        made = transfer.script()
    except CodecError:  # nested too deep
        return
    assert parse_transfer(made) == transfer
    changed = bytearray(made)
    changed[data.draw(st.integers(0, len(made) - 1))] ^= data.draw(st.integers(1, 255))
    found = parse_transfer(bytes(changed))
    assert found is None or (found != transfer and found.script() == bytes(changed))
