"""A policy is changed by those whom it names, as they have signed, and by nobody else: neither now nor later."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated, Refused
from nsl_protocol.enclave.policies import ChangePolicy, PolicyChanged, SettlePolicy
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.approvers import Approver, ApproverAlgorithm, ChangeRule
from nsl_protocol.policy.changing import PolicyChange
from nsl_protocol.policy.document import DOCUMENT_BYTES_MAX, Book, Kind, Policy, checked, read_policy
from tests.enclave.host import NAME, Host, restarted
from tests.enclave.replica import Founders, client

ANN, BOB = Ed25519PrivateKey.from_private_bytes(b"a" * 32), Ed25519PrivateKey.from_private_bytes(b"b" * 32)
CAT = ec.derive_private_key(7, ec.SECP256R1())
APPROVERS = {
    "ann": Approver(ApproverAlgorithm.ED25519, ANN.public_key().public_bytes_raw().hex()),
    "bob": Approver(ApproverAlgorithm.ED25519, BOB.public_key().public_bytes_raw().hex()),
    "cat": Approver(
        ApproverAlgorithm.SECP256R1,
        CAT.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex(),
    ),
}
POLICY = Policy(kinds=(Kind.MESSAGE,), approvers=APPROVERS, change=ChangeRule(2))
WIDER = replace(POLICY, kinds=(Kind.MESSAGE, Kind.DIGEST), blind_signing=True)
DAY = 86_400


def cat_signs(content: bytes) -> bytes:
    r, s = decode_dss_signature(CAT.sign(content, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


SIGN: dict[str, Callable[[bytes], bytes]] = {"ann": ANN.sign, "bob": BOB.sign, "cat": cat_signs}


class Key:
    """Under ``POLICY``; ``wrapped`` is the present edition."""

    def __init__(self, host: Host, policy: Policy = POLICY) -> None:
        self.host, self.policy, self.number = host, policy, 1
        order = CreateKey(NAME, Curve.ED25519, policy.canonical)
        self.wrapped = host.replicas[0].ask(KeyCreated, order, client()).wrapped
        host.enter(WrappedKey(NAME, self.wrapped))

    @property
    def now(self) -> int:
        return int(self.host.replicas[0].cluster.now())

    def statement(self, to: Policy, **changes: object) -> PolicyChange:
        made = PolicyChange(
            cluster=self.host.replicas[0].cluster.identifier.hex(),
            tenant=UUID(bytes=NAME.tenant),
            key=UUID(bytes=NAME.key),
            number=self.number,
            from_=self.policy.hash,
            to=to.hash,
            expires_at=self.now + DAY,
        )
        return replace(made, **changes)

    def order(self, to: Policy, *by: str, signed: PolicyChange | None = None) -> ChangePolicy:
        statement = signed or self.statement(to)
        approvals = {name: SIGN[name](statement.signed) for name in by}
        return ChangePolicy(NAME, self.wrapped, to.canonical, statement.expires_at, approvals)

    def change(self, order: ChangePolicy | SettlePolicy) -> PolicyChanged | str:
        """The code of a refusal; else it is entered."""
        answer = self.host.replicas[0].call(order, client())
        if isinstance(answer, Refused):
            return answer.code
        assert isinstance(answer, PolicyChanged)
        self.host.enter(WrappedKey(NAME, answer.wrapped))
        self.wrapped, self.number, self.policy = answer.wrapped, answer.number, read_policy(answer.policy)
        return answer


@pytest.mark.parametrize("by", [("ann", "bob"), ("bob", "cat"), ("ann", "bob", "cat")])
def test_enough_approvers_change_it(host: Host, by: tuple[str, ...]) -> None:
    key = Key(host)
    former = key.wrapped
    changed = key.change(key.order(WIDER, *by))
    assert isinstance(changed, PolicyChanged)
    assert (changed.number, read_policy(changed.policy), changed.following) == (2, WIDER, None)
    assert key.change(replace(key.order(POLICY, *by), wrapped=former)) == "TOO_FEW_APPROVALS", "that was number 1"
    host.replicas[0].call(key.order(POLICY, *by), client())
    with pytest.raises(Exception, match="not the present edition"):
        host.show(host.replicas[0], WrappedKey(NAME, former))


def test_a_policy_that_names_nobody_stays(host: Host) -> None:
    key = Key(host, Policy())
    assert key.change(key.order(WIDER, "ann", "bob")) == "POLICY_FIXED"


def test_approvers_are_replaced_by_the_former_ones(host: Host) -> None:
    key = Key(host)
    only_ann = replace(POLICY, approvers={"ann": APPROVERS["ann"]}, change=ChangeRule(1))
    assert isinstance(key.change(key.order(only_ann, "ann", "cat")), PolicyChanged)
    assert key.change(key.order(WIDER, "bob", "cat")) == "TOO_FEW_APPROVALS"
    assert isinstance(key.change(key.order(replace(only_ann, change=None), "ann")), PolicyChanged)
    assert key.change(key.order(WIDER, "ann")) == "POLICY_FIXED", "for good"


def test_a_time_lock_is_kept_and_what_waits_can_be_withdrawn(host: Host, founders: Founders, tmp_path: Path) -> None:
    locked = replace(POLICY, change=ChangeRule(2, time_lock_seconds=DAY))
    key = Key(host, locked)
    assert key.change(SettlePolicy(NAME, key.wrapped, False)) == "NO_POLICY_WAITS"
    announced = key.change(key.order(WIDER, "ann", "bob"))
    assert isinstance(announced, PolicyChanged)
    assert (announced.number, read_policy(announced.policy), announced.following) == (1, locked, WIDER.canonical)
    assert key.change(SettlePolicy(NAME, key.wrapped, False)) == "POLICY_WAITS"
    assert isinstance(key.change(SettlePolicy(NAME, key.wrapped, True)), PolicyChanged)
    assert isinstance(key.change(key.order(WIDER, "ann", "bob")), PolicyChanged), "the same approvals, once more"
    restarted(host, founders, tmp_path, 1)
    host.attend()
    for replica in host.replicas:
        replica.cluster.agree(replica.cluster.now() + DAY)
    settled = key.change(SettlePolicy(NAME, key.wrapped, False))
    assert isinstance(settled, PolicyChanged)
    assert (settled.number, read_policy(settled.policy), settled.following) == (2, WIDER, None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"change": ChangeRule(4)}, "4 of 3 approvers can never sign"),
        ({"approvers": {**APPROVERS, "dan": APPROVERS["ann"]}}, "one person counts once"),
        (
            {"approvers": {"ann": replace(APPROVERS["ann"], algorithm=ApproverAlgorithm.SECP256R1)}},
            "no key of secp256r1",
        ),
    ],
)
def test_what_can_never_be_changed_is_no_policy(change: dict[str, object], says: str) -> None:
    with pytest.raises(CodecError, match=says):
        checked(replace(POLICY, **change))


def test_a_policy_too_long_to_wait_beside_the_present_one_is_refused(host: Host) -> None:
    books = {f"b{number}": Book(entries={f"0x{number:040x}": since() for number in range(20)}) for number in range(3)}
    long = replace(POLICY, books=books, change=ChangeRule(2, time_lock_seconds=DAY))
    assert len(long.canonical) < DOCUMENT_BYTES_MAX
    key = Key(host, long)
    assert key.change(key.order(long, "ann", "bob")) == "POLICIES_TOO_LONG"
    assert isinstance(key.change(key.order(WIDER, "ann", "bob")), PolicyChanged)


def since() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)
