"""A key whose policy names who changes it is destroyed by them alone, and each agreement of theirs is good for once."""

import hashlib
from uuid import UUID

import pytest
from msgspec.structs import replace

from nsl_protocol.enclave.lifecycle import ChangeApproval, ChangeKey, KeyChange, KeyChanged, KeyState
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.policy.changing import Destruction
from nsl_protocol.policy.document import Policy
from tests.enclave.approved import changed
from tests.enclave.host import NAME, Host
from tests.enclave.replica import client
from tests.enclave.test_governing import POLICY, SIGN, Key

DAY = 86_400
WAIT = 7 * DAY


class Doomed:
    """A key under a policy that two of three approvers change."""

    def __init__(self, host: Host, policy: Policy = POLICY) -> None:
        self.host, self.policy = host, policy
        self.wrapped = Key(host, policy).wrapped

    def statement(self, **changes: object) -> Destruction:
        replica = self.host.replicas[0].cluster
        made = Destruction(
            cluster=replica.identifier.hex(),
            tenant=UUID(bytes=NAME.tenant),
            key=UUID(bytes=NAME.key),
            policy=self.policy.hash,
            edition=hashlib.sha256(self.wrapped).hexdigest(),
            wait_seconds=WAIT,
            expires_at=int(replica.now()) + DAY,
        )
        return replace(made, **changes)

    def destroy(self, *by: str, signed: Destruction | None = None, wait_seconds: int = WAIT) -> KeyChanged | str:
        """What the enclave makes of it, or the code of its refusal. Nothing is entered."""
        statement = signed or self.statement()
        return changed(self.host, self.wrapped, KeyChange.DESTROY_LATER, statement, by, wait_seconds=wait_seconds)

    def entered(self, made: KeyChanged) -> None:
        self.host.enter(WrappedKey(NAME, made.wrapped))
        self.wrapped = made.wrapped


@pytest.mark.parametrize("by", [("ann", "bob"), ("bob", "cat"), ("ann", "bob", "cat")])
def test_enough_approvers_destroy_it(host: Host, by: tuple[str, ...]) -> None:
    waiting = Doomed(host).destroy(*by)
    assert isinstance(waiting, KeyChanged)
    assert waiting.state is KeyState.DESTROYING


def test_a_host_that_was_taken_over_cannot_begin_it(host: Host) -> None:
    key = Doomed(host)
    assert key.destroy() == key.destroy("ann") == "TOO_FEW_APPROVALS"
    now = int(host.replicas[0].cluster.now())
    for change in (
        {"cluster": "00" * 16},
        {"tenant": UUID(int=1)},
        {"key": UUID(int=1)},
        {"policy": Policy().hash},
        {"edition": "00" * 32},
        {"wait_seconds": WAIT + 1},
    ):
        assert key.destroy("ann", "bob", signed=key.statement(**change)) == "TOO_FEW_APPROVALS", change
    assert key.destroy("ann", "bob", wait_seconds=WAIT + DAY) == "TOO_FEW_APPROVALS", "they agreed to another wait"
    for expires_at in (now - 1, now + 31 * DAY):
        assert key.destroy("ann", "bob", signed=key.statement(expires_at=expires_at)) == "APPROVALS_EXPIRED"


def test_an_agreement_is_good_for_one_destruction_and_undoing_it_takes_none(host: Host) -> None:
    key = Doomed(host)
    signed = key.statement()
    waiting = key.destroy("ann", "bob", signed=signed)
    assert isinstance(waiting, KeyChanged)
    key.entered(waiting)
    key.entered(host.replicas[0].ask(KeyChanged, ChangeKey(NAME, key.wrapped, KeyChange.ENABLE, 0), client()))
    assert key.destroy("ann", "bob", signed=signed) == "TOO_FEW_APPROVALS"


def test_approvals_of_unfreezing_are_none_of_destroying(host: Host) -> None:
    key = Doomed(host)
    tagged = key.statement().signed.replace(b"nsl-key-destruction-v1", b"nsl-key-unfreeze-v1")
    approval = ChangeApproval(key.statement().expires_at, {name: SIGN[name](tagged) for name in ("ann", "bob")})
    order = ChangeKey(NAME, key.wrapped, KeyChange.DESTROY_LATER, WAIT, approval)
    assert host.replicas[0].refusal(order, client()).startswith("TOO_FEW_APPROVALS")
