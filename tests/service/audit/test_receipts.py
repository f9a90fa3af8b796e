"""Receipts of a real enclave program, log and database: they verify against what is pinned, and nothing else does."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsl.audit.api import _bundle
from nsl.audit.errors import NotInLogYet, ReceiptUnknown
from nsl.audit.service import Log, LogKeeper, Witnessing
from nsl.cli.up.postgres import Postgres
from nsl.identity.model import Caller
from nsl.keys.model import Kind, Labels, Usage
from nsl.keys.service import Made, ToSign
from nsl.kit.clock import unix_seconds
from nsl_protocol.attestation.trust import PinnedTrust
from nsl_protocol.audit.heads import SignedHead, Witness, cosign, origin, parse_signed_head
from nsl_protocol.enclave.messages import SIGNING_CURVES, Curve
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import Policy, read_policy
from nsl_protocol.receipt import EVIDENCE_SECONDS_MAX, Receipt, Verdict, holds, read_receipt, verify_receipt
from tests.enclave.replica import MRENCLAVE, PROVISIONING
from tests.service.audit.payloads import PAYLOADS, payload
from tests.service.keys.carried import Bench, benched, caller
from tests.support.approving import governed, signed_by_ann
from tests.support.long import examples

pytestmark = pytest.mark.asyncio(loop_scope="module")
SIMULATION = PROVISIONING.root_der.hex()
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
WITNESS = Witness("witness.example", WITNESS_KEY.public_key().public_bytes_raw())


async def receipts(bench: Bench) -> dict[str, Receipt]:
    """One of each kind, cosigned."""
    cluster = bench.enclave.replicas[0].cluster.identifier
    keeper = LogKeeper(bench.worker, bench.enclave, Witnessing(bench.worker, []), origin(cluster))
    made = {}
    for curve in SIGNING_CURVES:
        policy = governed(Policy(blind_signing=curve is not Curve.ED25519))
        key = await bench.keys.create(
            bench.caller, labels=Labels("k"), curve=curve, usages=(Usage.SIGN,), policy=policy, rotation_days=90
        )
        for kind in PAYLOADS[curve]:
            (result,) = await bench.keys.sign(bench.caller, key.id, [payload(kind, key.public_key)])
            assert isinstance(result, Made), result
            made[f"{curve} {kind}"] = result
        # The policy is another one by the time the receipts are asked for.
        until = unix_seconds() + 60
        approvals = signed_by_ann(cluster, bench.tenant, key, Policy(), until)
        await bench.governing.change(bench.caller, key.id, Policy(), expires_at=until, approvals=approvals)
    await keeper.step()
    found = {}
    for name, each in made.items():
        receipt = _bundle(each.receipt, await Log(bench.app).receipt(bench.tenant, each.receipt))
        found[name] = cosigned(receipt, receipt.evidence.unix_seconds + 5)
    return found


def cosigned(receipt: Receipt, unix_seconds: int) -> Receipt:
    """With the witness' line of that time, in place of any other."""
    head = parse_signed_head(receipt.checkpoint)
    line = cosign(WITNESS, WITNESS_KEY, head.head, unix_seconds)
    return msgspec.structs.replace(receipt, checkpoint=SignedHead(head.head, (head.lines[0], line)).note)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Receipt]:
    """Receipts, and one of another cluster under ``other``."""
    async with benched(server, tmp_path_factory.mktemp("one"), 1) as (bench, _):
        made = await receipts(bench)
        await unknown(bench)
    async with benched(server, tmp_path_factory.mktemp("two"), 1) as (bench, _):
        made["other"] = next(iter((await receipts(bench)).values()))
    return made


async def unknown(bench: Bench) -> None:
    """What is none, is not there yet, or is another's."""
    log = Log(bench.app)
    key = await bench.new_key()
    (result,) = await bench.keys.sign(bench.caller, key.id, [ToSign(Kind.MESSAGE, b"m")])
    assert isinstance(result, Made)
    with pytest.raises(NotInLogYet):
        await log.receipt(bench.tenant, result.receipt)
    stranger: Caller = caller(key.id)
    with pytest.raises(ReceiptUnknown):
        await log.receipt(stranger.tenant, result.receipt)
    with pytest.raises(ReceiptUnknown):
        await log.receipt(bench.tenant, key.id)


def trust(receipt: Receipt, **changes: Any) -> PinnedTrust:
    pinned = PinnedTrust(
        cluster=receipt.cluster, measurements=(MRENCLAVE.hex(),), roots=(SIMULATION,), witnesses=(WITNESS.text,)
    )
    return msgspec.structs.replace(pinned, **changes)


def verdicts(receipt: Receipt, pinned: PinnedTrust) -> dict[str, Verdict]:
    return {step.name: step.verdict for step in verify_receipt(receipt, pinned)}


async def test_each_kind_verifies_against_what_is_pinned(found: dict[str, Receipt]) -> None:
    assert len(found) > 8
    for name, receipt in found.items():
        steps = verify_receipt(receipt, trust(receipt))
        assert holds(steps), (name, [step for step in steps if step.verdict is Verdict.FAILED])
        expected = Verdict.OK if "transaction" in name else Verdict.ABSENT
        assert steps[-1].verdict is expected or name == "other"


async def test_without_pinned_trust_nothing_rests_on_anything(found: dict[str, Receipt]) -> None:
    receipt = found["secp256r1 message"]
    nothing = verdicts(receipt, PinnedTrust())
    assert {name for name, verdict in nothing.items() if verdict is Verdict.UNANCHORED} == {
        "cluster",
        "evidence",
        "head",
        "witnesses",
    }
    assert not holds(verify_receipt(receipt, PinnedTrust()))


PINNED: dict[str, tuple[dict[str, Any], str]] = {
    "another cluster": ({"cluster": "00" * 32}, "cluster"),
    "another enclave": ({"measurements": ("11" * 32,)}, "evidence"),
    "only Intel's root": ({"roots": ("intel",)}, "evidence"),
    "another log key": ({"log_key": "00" * 32}, "head"),
    "another witness": ({"witnesses": (Witness("w2", b"k" * 32).text,)}, "witnesses"),
    "two witnesses": ({"witnesses_needed": 2}, "witnesses"),
}


@pytest.mark.parametrize("what", PINNED)
async def test_what_is_pinned_otherwise_fails_where_it_says(found: dict[str, Receipt], what: str) -> None:
    receipt = found["secp256k1 message"]
    changes, step = PINNED[what]
    assert verdicts(receipt, trust(receipt, **changes))[step] is Verdict.FAILED


async def test_a_receipt_of_another_cluster_agrees_with_itself_and_is_refused(found: dict[str, Receipt]) -> None:
    other, pinned = found["other"], trust(found["secp256r1 message"])
    assert holds(verify_receipt(other, trust(other)))
    assert verdicts(other, pinned)["cluster"] is Verdict.FAILED


async def test_who_goes_without_witnesses_says_so(found: dict[str, Receipt]) -> None:
    receipt = found["secp256k1 message"]
    forgotten = verify_receipt(receipt, trust(receipt, witnesses=()))
    assert [step.name for step in forgotten if step.verdict is Verdict.UNANCHORED] == ["witnesses"]
    assert not holds(forgotten)
    for witnesses in ((), (WITNESS.text,)):
        without = verify_receipt(receipt, trust(receipt, witnesses=witnesses, witnesses_needed=0))
        assert [step.name for step in without if step.verdict is Verdict.ABSENT] == ["witnesses", "transaction"]
        assert holds(without)


async def test_evidence_is_of_the_time_when_the_witnesses_saw_the_head(found: dict[str, Receipt]) -> None:
    """Whoever makes a receipt chooses when its quote is judged: years ago nothing was known against his platform."""
    receipt = found["secp256k1 message"]
    at = receipt.evidence.unix_seconds
    for seconds in (-EVIDENCE_SECONDS_MAX, 0, EVIDENCE_SECONDS_MAX):
        assert holds(verify_receipt(cosigned(receipt, at + seconds), trust(receipt)))
    for seconds in (-EVIDENCE_SECONDS_MAX - 1, EVIDENCE_SECONDS_MAX + 1):
        assert verdicts(cosigned(receipt, at + seconds), trust(receipt))["witnesses"] is Verdict.FAILED


async def test_the_quote_binds_all_of_its_evidence(found: dict[str, Receipt]) -> None:
    """No signature covers how certificates are written, the root among them, or what else is there."""
    receipt = found["secp256k1 message"]
    collateral, quote = receipt.evidence.collateral, base64.b64decode(receipt.evidence.quote)
    chain = collateral["pck_crl_issuer_chain"]
    others: list[dict[str, Any]] = [
        {"collateral": collateral | {"pck_crl_issuer_chain": "nothing"}},
        {"collateral": collateral | {"pck_crl_issuer_chain": chain + "\n"}},
        {"collateral": collateral | {"root_ca_crl": collateral["root_ca_crl"].upper()}},
        {"collateral": collateral | {"note": "more"}},
        {"quote": base64.b64encode(quote[:-1] + b" ").decode()},
    ]
    for changes in others:
        evidence = msgspec.structs.replace(receipt.evidence, **changes)
        steps = verify_receipt(msgspec.structs.replace(receipt, evidence=evidence), trust(receipt))
        (failed,) = [step for step in steps if step.verdict is Verdict.FAILED]
        assert (failed.name, "nonce is over" in failed.detail) == ("evidence", True), changes


@pytest.mark.parametrize("text", ['{"a": ' + "[" * 100_000, "[]", "", "{", '{"salt": {}}'], ids=range(5))
async def test_what_is_no_meaning_is_a_verdict(found: dict[str, Receipt], text: str) -> None:
    receipt = found["secp256r1 message"]
    assert verdicts(msgspec.structs.replace(receipt, decoded=text), trust(receipt))["meaning"] is Verdict.FAILED


async def test_the_policy_is_there_as_the_leaf_names_it(found: dict[str, Receipt]) -> None:
    receipt = found["secp256r1 digest"]
    assert receipt.policy is not None
    assert read_policy(receipt.policy.encode()).blind_signing
    other = Policy(blind_signing=False).canonical.decode()
    for policy, said in ((None, "is not there"), (other, "not what the leaf states"), ("", "not what the leaf states")):
        steps = verify_receipt(msgspec.structs.replace(receipt, policy=policy), trust(receipt))
        (failed,) = [step for step in steps if step.verdict is Verdict.FAILED]
        assert (failed.name, said in failed.detail) == ("policy", True)


async def test_a_witness_line_of_another_head_does_not_count(found: dict[str, Receipt]) -> None:
    receipt = found["ed25519 message"]
    head = parse_signed_head(receipt.checkpoint)
    forged = SignedHead(head.head, (head.lines[0], parse_signed_head(found["other"].checkpoint).lines[1]))
    changed = msgspec.structs.replace(receipt, checkpoint=forged.note)
    assert verdicts(changed, trust(receipt))["witnesses"] is Verdict.FAILED


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything that is no object and no list; and to each list, from which something may go."""
    if isinstance(value, dict):
        return [each for name, inner in value.items() for each in _leaves(inner, (*path, name))]
    if isinstance(value, list):
        return [path, *(each for place, inner in enumerate(value) for each in _leaves(inner, (*path, place)))]
    return [path]


@st.composite
def changed(draw: st.DrawFn, documents: list[Any]) -> tuple[int, Any]:
    """Which receipt, and that receipt with one field changed."""
    which = draw(st.integers(0, len(documents) - 1))
    document = msgspec.json.decode(msgspec.json.encode(documents[which]))
    path = draw(st.sampled_from(_leaves(document)))
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = _other(draw, inner[path[-1]])
    return which, document


def _other(draw: st.DrawFn, value: Any) -> Any:
    match value:
        case str() if value:
            place = draw(st.integers(0, len(value) - 1))
            put = draw(st.sampled_from("0123456789abcdefAF+/= \n\N{EM DASH}").filter(lambda each: each != value[place]))
            return value[:place] + put + value[place + draw(st.integers(0, 1)) :]
        case int():
            return draw(st.integers(0, 2**40).filter(lambda each: each != value))
        case list():
            return value[1:] if draw(st.booleans()) and value else [*value, "00" * 32]
        case None:
            return {"chain": "neo-n3", "hash": "0x" + "00" * 32}
        case _:
            raise AssertionError(value)


STEPS = {
    "form", "cluster", "evidence", "head", "witnesses", "inclusion", "identity", "request", "meaning", "policy",
    "outcome", "signature", "transaction",
}  # fmt: skip


def _difference(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [each for name in one for each in _difference(one[name], other[name], f"{path}.{name}")]
    if one == other:
        return []
    return [f"{path}: {one!r} is now {other!r}"]


async def test_a_receipt_with_any_field_changed_is_refused(found: dict[str, Receipt]) -> None:
    whole = {name: each for name, each in found.items() if name != "other"}
    documents = [msgspec.json.decode(msgspec.json.encode(each)) for each in whole.values()]
    pinned = trust(next(iter(whole.values())))
    refusals: dict[str, int] = {}

    @settings(
        max_examples=examples(10_000, 1_500), deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(changed(documents))
    def check(made: tuple[int, Any]) -> None:
        try:
            receipt = read_receipt(msgspec.json.encode(made[1]))
        except CodecError:
            refusals["form"] = refusals.get("form", 0) + 1
            return
        steps = verify_receipt(receipt, pinned)
        assert not holds(steps), _difference(documents[made[0]], made[1])
        for step in steps:
            if step.verdict is Verdict.FAILED:
                refusals[step.name] = refusals.get(step.name, 0) + 1

    run: Callable[[], None] = check
    run()
    assert set(refusals) >= STEPS, refusals
