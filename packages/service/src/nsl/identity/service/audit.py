"""Acts that somebody may have to answer for, written down in the transaction that does them, and logged."""

from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter

from nsl.identity import store
from nsl.identity.model import Caller
from nsl.identity.store import AuditEvent
from nsl.kit.db import Connection, Database
from nsl.kit.ids import new_id

_log = structlog.get_logger("nsl.audit")
_events = Counter("nsl_audit_events_total", "Acts written down, by action.", ["action"])


async def note(
    connection: Connection, caller: Caller, action: str, target: str, *, tenant: UUID | None = None, **detail: Any
) -> None:
    """Write down what ``caller`` does to ``target``, in the tenant that the transaction works for."""
    await note_by(connection, tenant or caller.tenant, action, actor_of(caller), target, **detail)


def actor_of(caller: Caller) -> str:
    """Who that is in a record."""
    return caller.subject if caller.actor is None else f"{caller.actor} for {caller.subject}"


async def note_by(connection: Connection, tenant: UUID, action: str, actor: str, target: str, **detail: Any) -> None:
    """The same for an actor without a token, such as the database's owner or somebody who signs in."""
    await store.insert_audit_event(connection, new_id(), tenant, action, actor, target, detail)
    _events.labels(action).inc()
    _log.info("audit", action=action, tenant=str(tenant), actor=actor, target=target)


class Audit:
    """Reads what was written down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def records(
        self, caller: Caller, *, action: str | None, actor: str | None, before: UUID | None, limit: int
    ) -> tuple[list[AuditEvent], UUID | None]:
        """A page of the caller's tenant's, newest first, and where the next one begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.audit_events(connection, action=action, actor=actor, before=before, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None
