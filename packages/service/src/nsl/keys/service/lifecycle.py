"""The life of a key: disabled, enabled, destroyed after a wait. The enclave decides; here its editions are carried.

A change is four steps, each of which may be the last before a crash: the enclave makes the next edition; it is written
down; the register of keys takes it, from when on it holds; it becomes the stored one, with its record. Whoever finds a
change that was written down carries it to its end: the next request on that key, or the worker.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from nsl.identity.service import Note, keep_leaves, note_by
from nsl.keys import store
from nsl.keys.errors import (
    ApprovalsExpired,
    KeyStateConflict,
    KeyUnknown,
    RotationsExhausted,
    RotationUnsuitable,
    TooFewApprovals,
)
from nsl.keys.model import Key, WrappedKey
from nsl.keys.ports import KeyChanger
from nsl.keys.store import PendingChange
from nsl.kit.clock import now
from nsl.kit.db import Database
from nsl.kit.errors import Denied, Unavailable
from nsl.kit.ids import new_id
from nsl_protocol.enclave.fields import MarkedLeaf
from nsl_protocol.enclave.lifecycle import ChangeApproval, KeyChange, KeyState
from nsl_protocol.enclave.wrapped import KeyName

#: a key whose changes others make faster than this is not waited for
_ATTEMPTS: Final = 5
#: in these states there is nothing left to do
_DONE: Final = {
    KeyChange.DISABLE: {KeyState.DISABLED},
    KeyChange.ENABLE: {KeyState.ACTIVE},
    KeyChange.DESTROY_LATER: {KeyState.DESTROYING, KeyState.DESTROYED},
    KeyChange.DESTROY: {KeyState.DESTROYED},
    KeyChange.FREEZE: {KeyState.FROZEN},
    KeyChange.UNFREEZE: {KeyState.ACTIVE, KeyState.DISABLED},
    KeyChange.ROTATE: set(),
}
_ACTIONS: Final = {
    KeyState.DISABLED: "key.disabled",
    KeyState.ACTIVE: "key.enabled",
    KeyState.DESTROYING: "key.destruction_scheduled",
    KeyState.DESTROYED: "key.destroyed",
    KeyState.FROZEN: "key.frozen",
}
_ACTS: Final = {KeyChange.UNFREEZE: "key.unfrozen", KeyChange.ROTATE: "key.rotated"}
_REFUSALS: Final = {
    each.code: each
    for each in (KeyStateConflict, TooFewApprovals, ApprovalsExpired, RotationUnsuitable, RotationsExhausted)
}

#: the next edition of a key, with its leaf; None: it is as it should be
type Maker = Callable[[WrappedKey], Awaitable[tuple[PendingChange, MarkedLeaf] | None]]


class Lifecycle:
    """Changes keys of all tenants, one tenant at a time; as the application's role or the worker's."""

    def __init__(self, database: Database, enclave: KeyChanger) -> None:
        self._database = database
        self._enclave = enclave

    async def change(
        self,
        tenant: UUID,
        by: str,
        key_id: UUID,
        change: KeyChange,
        *,
        wait_seconds: int = 0,
        approval: ChangeApproval | None = None,
        when_due: bool = False,
        note: Note[Key] | None = None,
    ) -> Key:
        """Change a key; on return it holds, on every replica of the enclave that is reached. What is done stays so.

        Args:
            by: who asks for it, for the record.
            wait_seconds: for ``DESTROY_LATER``.
            approval: for ``UNFREEZE``, where the key's policy names approvers.
            when_due: nothing is done where the key's ``rotates_at`` has not come, or does not stand any more.

        Raises:
            KeyUnknown: no such key, or another tenant's.
            TooFewApprovals, ApprovalsExpired: of an ``UNFREEZE``.
            RotationUnsuitable, RotationsExhausted: of a ``ROTATE``.
            KeyStateConflict: the change does not follow the state that the key is in.
            Unavailable: the change may come to hold yet, and is carried on.
        """

        async def make(found: WrappedKey) -> tuple[PendingChange, MarkedLeaf] | None:
            if found.key.state in _DONE[change] or (when_due and found.key.rotates_at > now()):
                return None
            return await self._made(tenant, by, found, change, wait_seconds, approval)

        return await self.carried(tenant, key_id, make, note)

    async def carried(self, tenant: UUID, key_id: UUID, make: Maker, note: Note[Key] | None) -> Key:
        """Bring a key's next edition to its end; on return it holds. Nothing is done where there is none to make.

        Raises: as ``change``.
        """
        for _ in range(_ATTEMPTS):
            await self.carry(tenant, key_id)
            async with self._database.transaction(tenant) as connection:
                found = await store.by_id(connection, key_id)
            if found is None:
                raise KeyUnknown("There is no such key.")
            made = await make(found)
            if made is None:
                if note is not None:
                    async with self._database.transaction(tenant) as connection:
                        await note(connection, found.key)
                return found.key
            pending, leaf = made
            if await self._written(tenant, found, pending, leaf):
                return await self._ended(tenant, pending, note)
        raise Unavailable("Others are changing this key all the time; the request can be repeated.")

    async def carry(self, tenant: UUID, key_id: UUID) -> bool:
        """Bring the change of a key that was left half done to its end. False: there is none."""
        async with self._database.transaction(tenant) as connection:
            pending = await store.change_of(connection, key_id)
        if pending is None:
            return False
        await self._ended(tenant, pending, None)
        return True

    async def _made(
        self,
        tenant: UUID,
        by: str,
        found: WrappedKey,
        change: KeyChange,
        wait_seconds: int,
        approval: ChangeApproval | None,
    ) -> tuple[PendingChange, MarkedLeaf]:
        key = found.key
        try:
            made = await self._enclave.change_key(
                _name(tenant, key.id, key.version), found.wrapped, change, wait_seconds, approval
            )
        except Denied as refused:
            if refused.code in _REFUSALS:
                raise _REFUSALS[refused.code](refused.detail) from refused
            raise
        destroys_at = datetime.fromtimestamp(made.destroys_at, UTC) if made.destroys_at else None
        pending = PendingChange(
            id=new_id(),
            key=key.id,
            version=key.version,
            wrapped=made.wrapped,
            state=made.state,
            destroys_at=destroys_at,
            by=by,
            act=_ACTS.get(change) or _ACTIONS[made.state],
            policies=key.policies,
            frozen_at=datetime.fromtimestamp(made.frozen_at, UTC) if made.state is KeyState.FROZEN else None,
            secret_version=made.version,
        )
        return pending, made.leaf

    async def _written(self, tenant: UUID, found: WrappedKey, pending: PendingChange, leaf: MarkedLeaf) -> bool:
        """False: somebody else was faster, so that this one would take the place of an edition that is gone."""
        async with self._database.transaction(tenant) as connection:
            stored = await store.lock(connection, pending.key)
            if stored is None or stored.wrapped != found.wrapped:
                return False
            if not await store.insert_change(connection, tenant, pending, now()):
                return False
            await keep_leaves(connection, [(pending.id, tenant, leaf)])
            return True

    async def _ended(self, tenant: UUID, pending: PendingChange, note: Note[Key] | None) -> Key:
        try:
            await self._enclave.enter_key(_name(tenant, pending.key, pending.version), pending.wrapped)
        except Denied:
            # Refused as out of date where somebody else has carried it, and another one after it.
            async with self._database.transaction(tenant) as connection:
                still = await store.change_of(connection, pending.key)
            if still is not None and still.id == pending.id:
                raise
        async with self._database.transaction(tenant) as connection:
            # Taken first by all who write here, so that none waits for another in a circle.
            await store.lock(connection, pending.key)
            if await store.take_over(connection, pending.id, now()):
                detail = {} if pending.destroys_at is None else {"destroys_at": pending.destroys_at.isoformat()}
                await note_by(connection, tenant, pending.act, pending.by, str(pending.key), **detail)
            found = await store.by_id(connection, pending.key)
            if found is None:
                raise KeyUnknown("There is no such key.")
            if note is not None:
                await note(connection, found.key)
        return found.key


def _name(tenant: UUID, key: UUID, version: int) -> KeyName:
    return KeyName(tenant.bytes, key.bytes, version)
