"""Legal holds: while one is in force, nothing that it is about is erased, by nobody and not by age."""

from uuid import UUID

from nsl.compliance import store
from nsl.compliance.errors import HoldUnknown
from nsl.compliance.model import Hold
from nsl.identity.model import Caller
from nsl.identity.service import actor_of, note
from nsl.kit.clock import now
from nsl.kit.db import Database
from nsl.kit.ids import new_id


class Holds:
    """Those of the caller's tenant. Each is set and lifted with a reason, and has a leaf in the audit log for both."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(self, caller: Caller, subject: UUID | None, reason: str) -> Hold:
        """Hold what there is about a person, or None: about all of the tenant. An erasure under way is waited for."""
        async with self._database.transaction(caller.tenant) as connection:
            await store.lock_erasure(connection)
            made = await store.insert_hold(
                connection, caller.tenant, new_id(), subject, reason, actor_of(caller), now()
            )
            await note(connection, caller, "hold.set", str(subject or caller.tenant), hold=str(made.id), reason=reason)
        return made

    async def lift(self, caller: Caller, hold: UUID, because: str) -> Hold:
        """Let erasure go on. Raises HoldUnknown."""
        async with self._database.transaction(caller.tenant) as connection:
            lifted = await store.lift_hold(connection, hold, because, actor_of(caller), now())
            if lifted is None:
                raise HoldUnknown("There is no such hold in force: `nsl compliance holds` lists them.")
            target = str(lifted.subject or caller.tenant)
            await note(connection, caller, "hold.lifted", target, hold=str(hold), reason=because)
        return lifted

    async def page(
        self, caller: Caller, *, in_force: bool, before: UUID | None, limit: int
    ) -> tuple[list[Hold], UUID | None]:
        """Newest first, and where the next page begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.holds(connection, in_force=in_force, before=before, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None
