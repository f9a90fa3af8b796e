"""Which tenants are frozen, in PostgreSQL. Every function works inside the caller's database transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries

_QUERIES = load_queries("nsl.keys")


@dataclass(frozen=True, slots=True)
class Freeze:
    """Of a tenant. ``keys_left``: that are to be frozen yet."""

    frozen_at: datetime
    frozen_by: str
    keys_left: int


async def freeze(connection: Connection, tenant: UUID, by: str, at: datetime) -> bool:
    """From now on its keys are to be frozen. False: they were."""
    parameters = {"tenant_id": tenant, "at": at, "by": by}
    return (await connection.execute(_QUERIES["freeze_tenant"], parameters)).rowcount == 1


async def lift(connection: Connection, tenant: UUID) -> bool:
    """False: it was not frozen."""
    return (await connection.execute(_QUERIES["lift_freeze"], {"tenant_id": tenant})).rowcount == 1


async def freeze_of(connection: Connection, tenant: UUID) -> Freeze | None:
    """None: it is not frozen."""
    row = await fetch_one(connection, _QUERIES["freeze_of"], {"tenant_id": tenant})
    return None if row is None else Freeze(**row)


async def to_freeze(connection: Connection, but: Sequence[UUID], limit: int) -> list[tuple[UUID, UUID]]:
    """Tenant and key of what is to be frozen, of all tenants that are seen; without some keys."""
    rows = await fetch_all(connection, _QUERIES["to_freeze"], {"but": list(but), "limit": limit})
    return [(row["tenant_id"], row["key_id"]) for row in rows]
