"""The emergency stop of a tenant: each of its keys is frozen by the enclave, and none is made until it is lifted.

That it is to be done is written down first. Whoever asked then freezes key after key, those that sign first; what is
left when the time is up, or after a crash, the worker freezes. Lifting it unfreezes no key: each may take the
signatures of its own approvers, and may have been frozen for a reason of its own.
"""

from typing import Final
from uuid import UUID

from nsl.identity.model import Caller
from nsl.identity.service import actor_of
from nsl.identity.service import note as note_act
from nsl.keys.errors import TenantFrozen
from nsl.keys.service.lifecycle import Lifecycle
from nsl.keys.store import freezes
from nsl.keys.store.freezes import Freeze
from nsl.kit.clock import monotonic, now
from nsl.kit.db import Database
from nsl.kit.errors import Conflict, Denied
from nsl_protocol.enclave.lifecycle import KeyChange

#: for so long a request freezes; the worker does the rest
SECONDS_MAX: Final = 5.0
_KEYS_AT_ONCE: Final = 64


class Freezing:
    """Of all tenants, one tenant at a time."""

    def __init__(self, database: Database, lifecycle: Lifecycle) -> None:
        self._database = database
        self._lifecycle = lifecycle

    async def freeze(self, caller: Caller) -> Freeze | None:
        """Freeze every key of the caller's tenant; what is left is said, and done by the worker.

        Raises:
            Unavailable: no key enclave; it was written down, and is done when one answers.
        """
        tenant, ends = caller.tenant, monotonic() + SECONDS_MAX
        async with self._database.transaction(tenant) as connection:
            if await freezes.freeze(connection, tenant, actor_of(caller), now()):
                await note_act(connection, caller, "tenant.frozen", str(tenant))
        but: list[UUID] = []
        while monotonic() < ends:
            async with self._database.transaction(tenant) as connection:
                found = await freezes.to_freeze(connection, but, _KEYS_AT_ONCE)
            if not found:
                break
            for _, key in found:
                if monotonic() >= ends:
                    break
                try:
                    await self._lifecycle.change(tenant, actor_of(caller), key, KeyChange.FREEZE)
                except (Conflict, Denied):
                    but.append(key)  # destroyed meanwhile, or its row was tampered with: the worker says so
        return await self.of(tenant)

    async def lift(self, caller: Caller) -> None:
        """Keys may be made again, and be unfrozen one by one."""
        async with self._database.transaction(caller.tenant) as connection:
            if await freezes.lift(connection, caller.tenant):
                await note_act(connection, caller, "tenant.unfrozen", str(caller.tenant))

    async def of(self, tenant: UUID) -> Freeze | None:
        """None: it is not frozen."""
        async with self._database.transaction(tenant) as connection:
            return await freezes.freeze_of(connection, tenant)


async def insist_on_no_freeze(database: Database, tenant: UUID) -> None:
    """Raises TenantFrozen."""
    async with database.transaction(tenant) as connection:
        found = await freezes.freeze_of(connection, tenant)
    if found is not None:
        raise TenantFrozen(
            f"All keys of this tenant were frozen at {found.frozen_at:%Y-%m-%d %H:%M:%S} UTC by {found.frozen_by}: no "
            "key is made or unfrozen until somebody with the scope keys:unfreeze lifts that: POST /v1/unfreeze, or "
            "`nsl keys unfreeze-all`."
        )
