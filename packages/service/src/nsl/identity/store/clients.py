"""Tenants and clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from nsl.identity.model import AuthMethod, Client, ClientDraft, GrantType, Plan, Scope, Tenant, TenantStatus
from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries

QUERIES = load_queries("nsl.identity")


async def client(connection: Connection, wanted: UUID) -> Client | None:
    """An active client by its exact id, before its tenant is known."""
    row = await fetch_one(connection, QUERIES["client_by_id"], {"id": wanted})
    return None if row is None else _client(row)


async def insert_tenant(connection: Connection, tenant: UUID, name: str, limits: Plan) -> Tenant:
    """Raises nothing of its own: the id is new."""
    row = await fetch_one(connection, QUERIES["insert_tenant"], _limits(limits) | {"id": tenant, "name": name})
    return _tenant(row or {})


async def insert_platform_tenant(connection: Connection, tenant: UUID, name: str, limits: Plan) -> Tenant | None:
    """By the owner. None when the platform has its tenant."""
    parameters = _limits(limits) | {"id": tenant, "name": name}
    row = await fetch_one(connection, QUERIES["insert_platform_tenant"], parameters)
    return None if row is None else _tenant(row)


async def tenants(connection: Connection, *, after: UUID | None, limit: int) -> list[Tenant]:
    """Those that row-level security shows."""
    rows = await fetch_all(connection, QUERIES["tenants"], {"after": after, "limit": limit})
    return list(map(_tenant, rows))


async def tenant(connection: Connection, wanted: UUID) -> Tenant | None:
    """A tenant, if row-level security shows it."""
    row = await fetch_one(connection, QUERIES["tenant"], {"id": wanted})
    return None if row is None else _tenant(row)


async def is_platform(connection: Connection, wanted: UUID) -> bool:
    """Whether this is the platform's own tenant, if row-level security shows it."""
    row = await fetch_one(connection, QUERIES["tenant"], {"id": wanted})
    return row is not None and bool(row["platform"])


async def platform_tenant(connection: Connection) -> UUID | None:
    """By the owner: the platform's own tenant."""
    row = await fetch_one(connection, QUERIES["platform_tenant"], {})
    return None if row is None else row["id"]


async def set_tenant_status(connection: Connection, wanted: UUID, status: TenantStatus) -> Tenant | None:
    """None when there is no such tenant, it is deleted, or it is the platform's own."""
    row = await fetch_one(connection, QUERIES["set_tenant_status"], {"id": wanted, "status": status})
    return None if row is None else _tenant(row)


async def set_plan(connection: Connection, tenant: UUID, limits: Plan) -> Tenant | None:
    """None when there is no such tenant."""
    row = await fetch_one(connection, QUERIES["set_plan"], _limits(limits) | {"id": tenant})
    return None if row is None else _tenant(row)


async def insert_client(
    connection: Connection,
    identifier: UUID,
    tenant: UUID,
    draft: ClientDraft,
    *,
    secret_sha256: bytes,
    expires_at: datetime | None = None,
) -> Client:
    """A client with its secret's digest."""
    parameters = {
        "id": identifier,
        "tenant_id": tenant,
        "name": draft.name,
        "secret_sha256": secret_sha256,
        "scopes": sorted(draft.scopes),
        "auth_method": draft.auth_method,
        "grant_types": list(draft.grant_types),
        "redirect_uris": list(draft.redirect_uris),
        "post_logout_redirect_uris": list(draft.post_logout_redirect_uris),
        "backchannel_logout_uri": draft.backchannel_logout_uri,
        "jwks": None if draft.jwks is None else Jsonb(draft.jwks),
        "tls_subject_dn": draft.tls_subject_dn,
        "require_pushed_requests": draft.require_pushed_requests,
        "require_dpop": draft.require_dpop,
        "expires_at": expires_at,
    }
    return _client(await fetch_one(connection, QUERIES["insert_client"], parameters) or {})


async def clients(connection: Connection, tenant: UUID, *, after: UUID | None, limit: int) -> list[Client]:
    """A tenant's clients."""
    parameters = {"tenant_id": tenant, "after": after, "limit": limit}
    return list(map(_client, await fetch_all(connection, QUERIES["clients"], parameters)))


async def set_client_plan(connection: Connection, client: UUID, limits: Plan) -> Client | None:
    """None when there is no such client."""
    row = await fetch_one(connection, QUERIES["set_client_plan"], _limits(limits) | {"id": client})
    return None if row is None else _client(row)


async def deactivate_client(connection: Connection, client: UUID) -> None:
    """It stays for what refers to it, and gets no token."""
    await connection.execute(QUERIES["deactivate_client"], {"id": client})


def _limits(limits: Plan) -> dict[str, Any]:
    return {
        "requests_per_minute": limits.requests_per_minute,
        "key_requests_per_minute": limits.key_requests_per_minute,
    }


def _plan(row: Mapping[str, Any]) -> Plan:
    return Plan(row["requests_per_minute"], row["key_requests_per_minute"])


def _tenant(row: Mapping[str, Any]) -> Tenant:
    return Tenant(row["id"], row["name"], _plan(row), row["created_at"], TenantStatus(row["status"]))


def _client(row: Mapping[str, Any]) -> Client:
    return Client(
        id=row["id"],
        tenant=row["tenant_id"],
        name=row["name"],
        scopes=tuple(map(Scope, row["scopes"])),
        auth_method=None if row["auth_method"] is None else AuthMethod(row["auth_method"]),
        plan=None if row["requests_per_minute"] is None else _plan(row),
        created_at=row["created_at"],
        secret_sha256=row["secret_sha256"],
        grant_types=tuple(map(GrantType, row["grant_types"])),
        redirect_uris=tuple(row["redirect_uris"]),
        post_logout_redirect_uris=tuple(row["post_logout_redirect_uris"]),
        backchannel_logout_uri=row["backchannel_logout_uri"],
        jwks=row["jwks"],
        tls_subject_dn=row["tls_subject_dn"],
        require_pushed_requests=row["require_pushed_requests"],
        require_dpop=row["require_dpop"],
        expires_at=row["expires_at"],
    )
