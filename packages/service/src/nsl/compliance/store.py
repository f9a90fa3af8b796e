"""Holds, people and what is past its time, in PostgreSQL. Every function works inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from nsl.compliance.model import Hold, Review, floor_id
from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries

_QUERIES = load_queries("nsl.compliance")
_OF_TENANT: Final = (
    "leave_sessions", "delete_refresh_tokens", "delete_sessions", "delete_consents", "delete_grants",
    "delete_delegations", "delete_invitations", "delete_membership",
)  # fmt: skip
_OF_ACCOUNT: Final = (
    "delete_passwords", "delete_totps", "delete_recovery_codes", "delete_passkeys", "delete_wallets",
    "delete_external_identities", "erase_account",
)  # fmt: skip


type Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """``elsewhere``: belongs to another tenant too; ``held``: one that they belong or belonged to holds what it has."""

    id: UUID
    email: str | None
    roles: Sequence[str]
    elsewhere: bool
    held: bool


async def lock_erasure(connection: Connection) -> None:
    """Until the transaction ends nobody else sets a hold in the tenant, or erases there."""
    await connection.execute(_QUERIES["lock_erasure"])


async def insert_hold(
    connection: Connection, tenant: UUID, id_: UUID, subject: UUID | None, reason: str, by: str, at: datetime
) -> Hold:
    """Set it."""
    parameters = {"id": id_, "tenant_id": tenant, "subject": subject, "reason": reason, "by": by, "at": at}
    row = await fetch_one(connection, _QUERIES["insert_hold"], parameters)
    return Hold(**(row or {}))


async def holds(connection: Connection, *, in_force: bool, before: UUID | None, limit: int) -> list[Hold]:
    """The tenant's, newest first."""
    parameters = {"in_force": in_force, "before": before, "limit": limit}
    return [Hold(**row) for row in await fetch_all(connection, _QUERIES["holds"], parameters)]


async def holds_on(connection: Connection, subject: UUID) -> list[Hold]:
    """The tenant's that stand against erasing this person."""
    return [Hold(**row) for row in await fetch_all(connection, _QUERIES["holds_on"], {"subject": subject})]


async def lift_hold(connection: Connection, id_: UUID, because: str, by: str, at: datetime) -> Hold | None:
    """None: there is none in force."""
    parameters = {"id": id_, "because": because, "by": by, "at": at}
    row = await fetch_one(connection, _QUERIES["lift_hold"], parameters)
    return None if row is None else Hold(**row)


async def person(connection: Connection, tenant: UUID, id_: UUID) -> Person | None:
    """Somebody who belongs or belonged to the tenant; as that person."""
    row = await fetch_one(connection, _QUERIES["person"], {"id": id_, "tenant_id": tenant})
    return None if row is None else Person(**row)


async def export(connection: Connection, tenant: UUID, found: Person) -> dict[str, Any]:
    """What there is about a person; as that person."""
    parameters = {"id": found.id, "tenant_id": tenant, "email": found.email}
    row = await fetch_one(connection, _QUERIES["export"], parameters)
    return {} if row is None else row["found"]


async def erase_in_tenant(connection: Connection, tenant: UUID, found: Person) -> int:
    """Forget a person in the tenant, as that person; how many texts of the audit log that were."""
    parameters = {"id": found.id, "tenant_id": tenant, "email": found.email}
    row = await fetch_one(connection, _QUERIES["erase_texts"], parameters)
    for name in _OF_TENANT:
        await connection.execute(_QUERIES[name], parameters)
    return 0 if row is None else row["texts"]


async def erase_account(connection: Connection, id_: UUID) -> None:
    """Forget who somebody is and how they sign in; as that person."""
    for name in _OF_ACCOUNT:
        await connection.execute(_QUERIES[name], {"id": id_})


async def looked_to(connection: Connection) -> UUID:
    """Up to which leaf those that are past their time have been looked at; as the worker."""
    row = await fetch_one(connection, _QUERIES["looked_to"], {})
    if row is None:
        raise RuntimeError("audit_retention has its one row since it was made")
    found: UUID = row["looked_to"]
    return found


async def past_retention(connection: Connection, after: UUID, until: UUID, limit: int) -> list[tuple[UUID, UUID]]:
    """Leaf and tenant of the next texts, of all tenants; as the worker."""
    parameters = {"after": after, "until": until, "limit": limit}
    rows = await fetch_all(connection, _QUERIES["past_retention"], parameters)
    return [(row["id"], row["tenant_id"]) for row in rows]


async def erase_texts(connection: Connection, ids: Sequence[UUID]) -> int:
    """Forget what leaves of the tenant commit to, but for what is held; how many there were. As the worker."""
    row = await fetch_one(connection, _QUERIES["erase_texts_of"], {"ids": list(ids)})
    return 0 if row is None else row["texts"]


async def look_on(connection: Connection, before: UUID, id_: UUID) -> None:
    """All up to this leaf has been looked at, if nobody has moved on from ``before`` meanwhile; as the worker."""
    await connection.execute(_QUERIES["look_on"], {"before": before, "id": id_})


async def count_holds(connection: Connection) -> int:
    """In force, of all tenants; as the worker."""
    row = await fetch_one(connection, _QUERIES["count_holds"], {})
    return 0 if row is None else row["holds"]


@dataclass(frozen=True, slots=True)
class AccessRows:
    """All that a tenant's access consists of, as it is stored."""

    people: Sequence[Row]
    clients: Sequence[Row]
    grants: Sequence[Row]
    delegations: Sequence[Row]
    acted_at: Sequence[Row]


async def access(connection: Connection, tenant: UUID, acted_since: datetime) -> AccessRows:
    """Of the present tenant."""
    of_tenant = {"tenant_id": tenant}
    return AccessRows(
        await fetch_all(connection, _QUERIES["people_with_access"], of_tenant),
        await fetch_all(connection, _QUERIES["clients_with_access"], of_tenant),
        await fetch_all(connection, _QUERIES["grants_in_force"], {}),
        await fetch_all(connection, _QUERIES["delegations_in_force"], {}),
        await fetch_all(connection, _QUERIES["acted_at"], {"since": acted_since}),
    )


async def last_review(connection: Connection) -> Review | None:
    """Of the present tenant's access."""
    row = await fetch_one(connection, _QUERIES["last_review"], {})
    return None if row is None else Review(**row)


async def keys_of_tenant(connection: Connection, *, after: UUID | None, limit: int) -> Sequence[Row]:
    """Each with the policy that holds, None where it has none."""
    return await fetch_all(connection, _QUERIES["keys_of_tenant"], {"after": after, "limit": limit})


async def uses(
    connection: Connection, keys: Sequence[UUID], since: datetime, until: datetime
) -> tuple[Sequence[Row], Sequence[Row], Sequence[Row], Sequence[Row]]:
    """By ``key_id``: signatures, decisions on approvals, acts on the keys themselves, and the enclaves' leaves."""
    period, ids = {"since": since, "until": until}, {"first": floor_id(since), "end": floor_id(until)}
    targets = {"targets": [str(key) for key in keys]}
    return (
        await fetch_all(connection, _QUERIES["signatures_by"], period | {"keys": list(keys)}),
        await fetch_all(connection, _QUERIES["decisions_by"], period | {"keys": list(keys)}),
        await fetch_all(connection, _QUERIES["acts_on"], period | targets),
        await fetch_all(connection, _QUERIES["leaves_on"], ids | targets),
    )
