"""What happened, for those who must know, and the leaves that it has in the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from nsl.identity.errors import LeafTaken
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


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """A leaf of the audit log. ``id``: of what it tells of; ``mac``, ``run`` and ``number``: of one by an enclave."""

    id: UUID
    tenant: UUID
    content: bytes
    salt: bytes
    mac: bytes | None = None
    run: bytes | None = None
    number: int | None = None


async def insert_leaves(connection: Connection, leaves: Sequence[StoredLeaf]) -> None:
    """Write leaves down, in the transaction that does what they tell of."""
    columns = {
        "ids": [each.id for each in leaves],
        "tenants": [each.tenant for each in leaves],
        "contents": [each.content for each in leaves],
        "salts": [each.salt for each in leaves],
        "macs": [each.mac for each in leaves],
        "runs": [each.run for each in leaves],
        "numbers": [each.number for each in leaves],
    }
    try:
        await connection.execute(QUERIES["insert_leaves"], columns)
    except UniqueViolation as error:
        raise LeafTaken("The answer came too late to be written down; repeat the request.") from error


async def insert_audit_event(connection: Connection, tenant: UUID, event: AuditEvent, leaf: StoredLeaf) -> None:
    """Write one down, with its leaf."""
    parameters = {
        "id": event.id,
        "tenant_id": tenant,
        "at": event.at,
        "action": event.action,
        "actor": event.actor,
        "target": event.target,
        "detail": Jsonb(event.detail),
        "content": leaf.content,
        "salt": leaf.salt,
    }
    await connection.execute(QUERIES["insert_audit_event"], parameters)


async def audit_events(
    connection: Connection, *, action: str | None, actor: str | None, before: UUID | None, limit: int
) -> list[AuditEvent]:
    """The present tenant's, newest first."""
    parameters = {"action": action, "actor": actor, "before": before, "limit": limit}
    rows = await fetch_all(connection, QUERIES["audit_events"], parameters)
    return [AuditEvent(row["id"], row["at"], row["action"], row["actor"], row["target"], row["detail"]) for row in rows]
