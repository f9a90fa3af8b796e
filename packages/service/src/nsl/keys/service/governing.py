"""Policies that change: proposed with the signatures of those whom the present one names, and what that would alter."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from nsl.identity.model import Caller
from nsl.identity.service import Note, actor_of
from nsl.keys import store
from nsl.keys.model import Key, Policies, WrappedKey
from nsl.keys.ports import PolicyEnclave
from nsl.keys.service.lifecycle import Lifecycle
from nsl.keys.service.portable import insist_on_suitable, refusals_named
from nsl.keys.service.signing import Keys
from nsl.keys.store import HeldPolicy, PendingChange
from nsl.kit.clock import unix_seconds
from nsl.kit.db import Database
from nsl.kit.ids import new_id
from nsl_protocol.enclave.fields import MarkedLeaf
from nsl_protocol.enclave.policies import PolicyChanged
from nsl_protocol.enclave.signed import read_signable
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.decision import decide, summary
from nsl_protocol.policy.document import Kind, Policy, read_policy
from nsl_protocol.policy.reading import meaning_of

CHANGED: Final = "key.policy_changed"
ANNOUNCED: Final = "key.policy_announced"
WITHDRAWN: Final = "key.policy_withdrawn"


@dataclass(frozen=True, slots=True)
class Difference:
    """A signature that was made and would not be, or would be by other rules. Codes; empty: allowed."""

    receipt: UUID
    kind: Kind
    meaning: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """``examined``: of how many signatures."""

    examined: int
    differences: tuple[Difference, ...]


class Governing:
    """Of all tenants' keys, one tenant at a time."""

    def __init__(self, database: Database, enclave: PolicyEnclave, lifecycle: Lifecycle, keys: Keys) -> None:
        self._database = database
        self._enclave = enclave
        self._lifecycle = lifecycle
        self._keys = keys

    @property
    def cluster(self) -> bytes:
        """Whose key enclaves approvals are for."""
        return self._enclave.cluster

    async def change(
        self,
        caller: Caller,
        key_id: UUID,
        policy: Policy,
        *,
        expires_at: int,
        approvals: Mapping[str, bytes],
        note: Note[Key] | None = None,
    ) -> Key:
        """Let another policy take the present one's place, now or after its time lock.

        Args:
            expires_at: of the approvals, Unix seconds.

        Raises:
            KeyUnknown, PolicyUnsuitable, KindUnsuitable
            PolicyFixed, TooFewApprovals, ApprovalsExpired: as the enclave says it.
        """
        insist_on_suitable(policy, (await self._keys.get(caller.tenant, key_id)).curve)

        async def make(found: WrappedKey) -> tuple[PendingChange, MarkedLeaf] | None:
            name = _name(caller.tenant, found.key)
            with refusals_named():
                answer = await self._enclave.change_policy(name, found.wrapped, policy, expires_at, approvals)
            return _pending(found, answer, actor_of(caller), CHANGED if answer.following is None else ANNOUNCED)

        try:
            return await self._lifecycle.carried(caller.tenant, key_id, make, note)
        finally:
            self._keys.forget(caller.tenant, key_id)

    async def withdraw(self, caller: Caller, key_id: UUID, note: Note[Key] | None = None) -> Key:
        """Let the policy that waits wait no more. Raises KeyUnknown, NoPolicyWaits."""
        return await self._settle(caller.tenant, key_id, actor_of(caller), WITHDRAWN, note)

    async def take_due(self, tenant: UUID, key_id: UUID, by: str) -> Key:
        """Let the policy that has waited long enough hold. Raises NoPolicyWaits, PolicyWaits."""
        return await self._settle(tenant, key_id, by, CHANGED, None)

    async def history(self, tenant: UUID, key_id: UUID) -> list[HeldPolicy]:
        """The policies that a key has had, the present one first. Raises KeyUnknown."""
        await self._keys.get(tenant, key_id)
        async with self._database.transaction(tenant) as connection:
            return await store.policies_of(connection, key_id)

    async def compare(self, tenant: UUID, key_id: UUID, policy: Policy, last: int) -> Compared:
        """What another policy would have said to the latest signatures, each by itself and by today's clock.

        Raises:
            KeyUnknown, PolicyUnsuitable, KindUnsuitable
        """
        key = await self._keys.get(tenant, key_id)
        insist_on_suitable(policy, key.curve)
        async with self._database.transaction(tenant) as connection:
            signatures = await store.latest_signatures(connection, key_id, last)
        now = unix_seconds()
        differences = []
        for each in signatures:
            meaning = meaning_of(read_signable(each.request), key.curve, each.public_key or key.public_key)
            before, after = (decide(one, meaning, now) for one in (key.policy, policy))
            if (before.objections, before.rules) != (after.objections, after.rules):
                said = (tuple(dict.fromkeys(one.code for one in found.objections)) for found in (before, after))
                differences.append(Difference(each.id, each.kind, summary(policy, meaning), *said))
        return Compared(len(signatures), tuple(differences))

    async def _settle(self, tenant: UUID, key_id: UUID, by: str, act: str, note: Note[Key] | None) -> Key:
        async def make(found: WrappedKey) -> tuple[PendingChange, MarkedLeaf] | None:
            name = _name(tenant, found.key)
            with refusals_named():
                answer = await self._enclave.settle_policy(name, found.wrapped, withdrawn=act == WITHDRAWN)
            return _pending(found, answer, by, act)

        try:
            return await self._lifecycle.carried(tenant, key_id, make, note)
        finally:
            self._keys.forget(tenant, key_id)


def _pending(found: WrappedKey, answer: PolicyChanged, by: str, act: str) -> tuple[PendingChange, MarkedLeaf]:
    key, following = found.key, answer.following
    pending = PendingChange(
        id=new_id(),
        key=key.id,
        version=key.version,
        secret_version=key.secret_version,
        wrapped=answer.wrapped,
        state=key.state,
        destroys_at=key.destroys_at,
        by=by,
        act=act,
        policies=Policies(
            number=answer.number,
            present=read_policy(answer.policy),
            following=None if following is None else read_policy(following),
            following_at=datetime.fromtimestamp(answer.holds_at, UTC) if answer.holds_at else None,
        ),
    )
    return pending, answer.leaf


def _name(tenant: UUID, key: Key) -> KeyName:
    return KeyName(tenant.bytes, key.id.bytes, key.version)
