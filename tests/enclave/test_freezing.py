"""The emergency stop: a frozen key does nothing on any replica, whatever a host brings back, until who may lifts it."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from nsl_protocol.enclave.lifecycle import ChangeKey, KeyChange, KeyChanged, KeyState
from nsl_protocol.enclave.messages import Refused
from nsl_protocol.enclave.policies import PolicyChanged, SettlePolicy
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.policy.changing import Unfreezing
from nsl_protocol.policy.document import Policy
from tests.enclave.approved import changed
from tests.enclave.host import NAME, Host
from tests.enclave.replica import client
from tests.enclave.test_governing import POLICY, Key
from tests.enclave.test_lifecycle import refused

DAY = 86_400


class Frozen:
    """A key under a policy that two of three approvers change, frozen."""

    def __init__(self, host: Host, policy: Policy = POLICY) -> None:
        self.host, self.policy = host, policy
        self.before = Key(host, policy).wrapped
        self.made = host.change_key(self.before, KeyChange.FREEZE)

    def statement(self, **changes: object) -> Unfreezing:
        replica = self.host.replicas[0].cluster
        made = Unfreezing(
            cluster=replica.identifier.hex(),
            tenant=UUID(bytes=NAME.tenant),
            key=UUID(bytes=NAME.key),
            policy=self.policy.hash,
            frozen_at=self.made.frozen_at,
            expires_at=int(replica.now()) + DAY,
        )
        return replace(made, **changes)

    def unfreeze(self, *by: str, signed: Unfreezing | None = None, expires_at: int | None = None) -> KeyChanged | str:
        """What the enclave makes of it, or the code of its refusal. Nothing is entered."""
        statement = signed or self.statement()
        return changed(self.host, self.made.wrapped, KeyChange.UNFREEZE, statement, by, expires_at=expires_at)


def test_a_frozen_key_signs_nowhere_not_even_where_it_was_open_or_by_what_was_before(host: Host) -> None:
    made = host.make_key()
    for replica in host.replicas:
        assert host.public_key_of(replica, made.wrapped) == made.public_key
    frozen = host.change_key(made.wrapped, KeyChange.FREEZE)
    assert frozen.state is KeyState.FROZEN
    assert refused(host, frozen.wrapped) == {"NOT_SHOWN", "KEY_FROZEN"}
    assert refused(host, made.wrapped) == {"NOT_SHOWN", "NOT_REGISTERED"}
    for change in (KeyChange.ENABLE, KeyChange.DISABLE, KeyChange.DESTROY_LATER, KeyChange.FREEZE):
        order = ChangeKey(NAME, frozen.wrapped, change, 7 * DAY)
        assert host.replicas[0].refusal(order, client()).startswith("KEY_STATE_CONFLICT"), "no way around"
    thawed = host.change_key(frozen.wrapped, KeyChange.UNFREEZE)
    assert thawed.state is KeyState.ACTIVE
    assert host.public_key_of(host.replicas[2], thawed.wrapped) == made.public_key


def test_what_did_not_sign_before_does_not_sign_after(host: Host) -> None:
    made = host.make_key()
    waiting = host.change_key(made.wrapped, KeyChange.DESTROY_LATER, wait_seconds=7 * DAY)
    frozen = host.change_key(waiting.wrapped, KeyChange.FREEZE)
    assert frozen.destroys_at == 0, "a key that is evidence is kept"
    assert host.change_key(frozen.wrapped, KeyChange.UNFREEZE).state is KeyState.DISABLED


@pytest.mark.parametrize("by", [("ann", "bob"), ("bob", "cat"), ("ann", "bob", "cat")])
def test_enough_approvers_lift_it(host: Host, by: tuple[str, ...]) -> None:
    thawed = Frozen(host).unfreeze(*by)
    assert isinstance(thawed, KeyChanged)
    assert thawed.state is KeyState.ACTIVE


def test_a_host_that_was_taken_over_cannot_lift_it(host: Host) -> None:
    key = Frozen(host)
    assert key.unfreeze() == key.unfreeze("ann") == "TOO_FEW_APPROVALS"
    now = int(host.replicas[0].cluster.now())
    for change in (
        {"cluster": "00" * 16},
        {"tenant": UUID(int=1)},
        {"key": UUID(int=1)},
        {"policy": Policy().hash},
        {"frozen_at": key.made.frozen_at - 1},
    ):
        assert key.unfreeze("ann", "bob", signed=key.statement(**change)) == "TOO_FEW_APPROVALS", change
    signed = key.statement()
    assert key.unfreeze("ann", "bob", signed=signed, expires_at=signed.expires_at + 1) == "TOO_FEW_APPROVALS"
    for expires_at in (now - 1, now + 31 * DAY):
        assert key.unfreeze("ann", "bob", signed=key.statement(expires_at=expires_at)) == "APPROVALS_EXPIRED"


def test_an_approval_lifts_one_freeze(host: Host) -> None:
    key = Frozen(host)
    signed = key.statement()
    thawed = key.unfreeze("ann", "bob", signed=signed)
    assert isinstance(thawed, KeyChanged)
    host.enter(WrappedKey(NAME, thawed.wrapped))
    key.made = host.change_key(thawed.wrapped, KeyChange.FREEZE)
    assert key.unfreeze("ann", "bob", signed=signed) == "TOO_FEW_APPROVALS"


def test_its_policy_does_not_change_meanwhile(host: Host) -> None:
    key = Frozen(host)
    order = SettlePolicy(NAME, key.made.wrapped, True)
    answer = host.replicas[0].call(order, client())
    assert not isinstance(answer, PolicyChanged)
    assert isinstance(answer, Refused)
    assert answer.code == "KEY_NOT_ACTIVE"
