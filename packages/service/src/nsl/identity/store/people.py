"""Who belongs to a tenant, and what they may do there."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from nsl.identity.model import CustomRole, Delegation, Grant, Group, Member, Scope
from nsl.identity.store.clients import QUERIES
from nsl.identity.store.tokens import custom_role
from nsl.kit.db import Connection, fetch_all, fetch_one


async def members(
    connection: Connection,
    tenant: UUID,
    *,
    after: UUID | None = None,
    offset: int = 0,
    limit: int,
    email: str | None = None,
    external_id: str | None = None,
) -> list[Member]:
    """A tenant's people in the order of their ids."""
    parameters = {
        "tenant_id": tenant,
        "after": after,
        "offset": offset,
        "limit": limit,
        "email": email,
        "external_id": external_id,
    }
    return list(map(_member, await fetch_all(connection, QUERIES["members"], parameters)))


async def count_members(
    connection: Connection, tenant: UUID, *, email: str | None = None, external_id: str | None = None
) -> int:
    """How many there are in all."""
    parameters = {"tenant_id": tenant, "email": email, "external_id": external_id}
    row = await fetch_one(connection, QUERIES["count_members"], parameters) or {}
    return int(row["count"])


async def member(connection: Connection, tenant: UUID, user: UUID) -> Member | None:
    """One of them."""
    row = await fetch_one(connection, QUERIES["member"], {"tenant_id": tenant, "id": user})
    return None if row is None else _member(row)


async def insert_membership(
    connection: Connection, tenant: UUID, user: UUID, roles: Sequence[str], external_id: str | None = None
) -> bool:
    """False when the person belongs to the tenant already."""
    parameters = {"tenant_id": tenant, "user_id": user, "roles": list(roles), "external_id": external_id}
    return await fetch_one(connection, QUERIES["insert_membership"], parameters) is not None


async def update_membership(
    connection: Connection,
    tenant: UUID,
    user: UUID,
    *,
    roles: Sequence[str] | None = None,
    active: bool | None = None,
    external_id: str | None = None,
) -> bool:
    """Change what is given; False when there is no such member."""
    parameters = {
        "tenant_id": tenant,
        "user_id": user,
        "roles": None if roles is None else list(roles),
        "active": active,
        "external_id": external_id,
    }
    return await fetch_one(connection, QUERIES["update_membership"], parameters) is not None


async def delete_membership(connection: Connection, tenant: UUID, user: UUID) -> bool:
    """False when there is no such member."""
    return await fetch_one(connection, QUERIES["delete_membership"], {"tenant_id": tenant, "user_id": user}) is not None


async def insert_role(connection: Connection, tenant: UUID, role: CustomRole) -> bool:
    """False when there is one of this name."""
    parameters = _role(role) | {"tenant_id": tenant}
    return await fetch_one(connection, QUERIES["insert_role"], parameters) is not None


async def update_role(connection: Connection, role: CustomRole) -> CustomRole | None:
    """None when there is none of this name."""
    row = await fetch_one(connection, QUERIES["update_role"], _role(role))
    return None if row is None else custom_role(row)


async def delete_role(connection: Connection, name: str) -> bool:
    """False when there is none of this name."""
    return await fetch_one(connection, QUERIES["delete_role"], {"name": name}) is not None


async def insert_grant(connection: Connection, tenant: UUID, grant: Grant) -> Grant | None:
    """None when the subject holds it already."""
    parameters = {
        "id": grant.id,
        "tenant_id": tenant,
        "subject": grant.subject,
        "scope": grant.scope,
        "resource": grant.resource,
        "expires_at": grant.expires_at,
    }
    row = await fetch_one(connection, QUERIES["insert_grant"], parameters)
    return None if row is None else _grant(row)


async def grants(connection: Connection, *, subject: UUID | None, after: UUID | None, limit: int) -> list[Grant]:
    """The present tenant's grants, those of one subject where one is given."""
    parameters = {"subject": subject, "after": after, "limit": limit}
    return list(map(_grant, await fetch_all(connection, QUERIES["grants"], parameters)))


async def delete_grant(connection: Connection, grant: UUID) -> UUID | None:
    """Whose it was; None when there is none."""
    row = await fetch_one(connection, QUERIES["delete_grant"], {"id": grant})
    return None if row is None else row["subject"]


async def insert_delegation(connection: Connection, tenant: UUID, made: Delegation) -> Delegation:
    """A new one."""
    parameters = {
        "id": made.id,
        "tenant_id": tenant,
        "from_user": made.from_user,
        "to_user": made.to_user,
        "scopes": list(made.scopes),
        "expires_at": made.expires_at,
    }
    return _delegation(await fetch_one(connection, QUERIES["insert_delegation"], parameters) or {})


async def delegations(connection: Connection, user: UUID, *, after: UUID | None, limit: int) -> list[Delegation]:
    """Those that stand and that a person gave or was given."""
    parameters = {"user": user, "after": after, "limit": limit}
    return list(map(_delegation, await fetch_all(connection, QUERIES["delegations"], parameters)))


async def delegation(connection: Connection, wanted: UUID, to_user: UUID) -> Delegation | None:
    """One that stands and was given to this person."""
    found = await delegations(connection, to_user, after=None, limit=1000)
    return next((each for each in found if each.id == wanted and each.to_user == to_user), None)


async def revoke_delegation(connection: Connection, wanted: UUID, from_user: UUID) -> bool:
    """False when the person gave no such delegation."""
    return await fetch_one(connection, QUERIES["revoke_delegation"], {"id": wanted, "user": from_user}) is not None


async def groups(
    connection: Connection,
    tenant: UUID,
    *,
    group: UUID | None = None,
    name: str | None = None,
    offset: int = 0,
    limit: int = 1,
) -> list[Group]:
    """A tenant's groups with their members."""
    parameters = {"tenant_id": tenant, "id": group, "name": name, "offset": offset, "limit": limit}
    return list(map(_group, await fetch_all(connection, QUERIES["groups"], parameters)))


async def count_groups(connection: Connection, tenant: UUID, name: str | None = None) -> int:
    """How many there are in all."""
    row = await fetch_one(connection, QUERIES["count_groups"], {"tenant_id": tenant, "name": name}) or {}
    return int(row["count"])


async def insert_group(
    connection: Connection, tenant: UUID, group: UUID, name: str, external_id: str | None, roles: Sequence[str]
) -> bool:
    """False when there is one of this name."""
    parameters = {
        "id": group,
        "tenant_id": tenant,
        "name": name,
        "external_id": external_id,
        "roles": list(roles),
    }
    return await fetch_one(connection, QUERIES["insert_group"], parameters) is not None


async def update_group(
    connection: Connection,
    group: UUID,
    *,
    name: str | None = None,
    external_id: str | None = None,
    roles: Sequence[str] | None = None,
) -> bool:
    """Change what is given; False when there is no such group."""
    parameters = {
        "id": group,
        "name": name,
        "external_id": external_id,
        "roles": None if roles is None else list(roles),
    }
    return await fetch_one(connection, QUERIES["update_group"], parameters) is not None


async def set_group_members(
    connection: Connection, tenant: UUID, group: UUID, *, add: Sequence[UUID], remove: Sequence[UUID]
) -> None:
    """Raises psycopg's ForeignKeyViolation for somebody who is no member of the tenant."""
    for user in add:
        parameters = {"tenant_id": tenant, "group_id": group, "user_id": user}
        await connection.execute(QUERIES["insert_group_member"], parameters)
    for user in remove:
        await connection.execute(QUERIES["delete_group_member"], {"group_id": group, "user_id": user})


async def delete_group(connection: Connection, group: UUID) -> bool:
    """False when there is none."""
    return await fetch_one(connection, QUERIES["delete_group"], {"id": group}) is not None


def _role(role: CustomRole) -> dict[str, Any]:
    return {
        "name": role.name,
        "description": role.description,
        "scopes": [Scope(scope).value for scope in role.scopes],
        "inherits": list(role.inherits),
    }


def _member(row: Mapping[str, Any]) -> Member:
    return Member(
        id=row["id"],
        email=row["email"],
        display_name=row["display_name"],
        roles=tuple(row["roles"]),
        active=row["active"] and row["disabled_at"] is None,
        external_id=row["external_id"],
        created_at=row["created_at"],
    )


def _group(row: Mapping[str, Any]) -> Group:
    return Group(
        id=row["id"],
        name=row["name"],
        external_id=row["external_id"],
        roles=tuple(row["roles"]),
        members=tuple(row["members"]),
        created_at=row["created_at"],
    )


def _grant(row: Mapping[str, Any]) -> Grant:
    return Grant(
        id=row["id"],
        subject=row["subject"],
        scope=row["scope"],
        resource=row["resource"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )


def _delegation(row: Mapping[str, Any]) -> Delegation:
    return Delegation(
        id=row["id"],
        from_user=row["from_user"],
        to_user=row["to_user"],
        scopes=tuple(row["scopes"]),
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )
