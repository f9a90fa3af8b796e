"""What happened, for those who must know."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from nsl.identity.store.clients import QUERIES
from nsl.kit.db import Connection, fetch_all


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act: by whom, on what. ``action`` is ``thing.done``."""

    id: UUID
    at: datetime
    action: str
    actor: str
    target: str
    detail: Mapping[str, Any]


async def insert_audit_event(
    connection: Connection, event: UUID, tenant: UUID, action: str, actor: str, target: str, detail: Mapping[str, Any]
) -> None:
    """Write one down."""
    parameters = {"id": event, "tenant_id": tenant, "action": action, "actor": actor, "target": target}
    await connection.execute(QUERIES["insert_audit_event"], parameters | {"detail": Jsonb(detail)})


async def audit_events(
    connection: Connection, *, action: str | None, actor: str | None, before: UUID | None, limit: int
) -> list[AuditEvent]:
    """The present tenant's, newest first."""
    parameters = {"action": action, "actor": actor, "before": before, "limit": limit}
    rows = await fetch_all(connection, QUERIES["audit_events"], parameters)
    return [AuditEvent(row["id"], row["at"], row["action"], row["actor"], row["target"], row["detail"]) for row in rows]
