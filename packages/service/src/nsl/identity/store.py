"""Tenants, clients and token keys in PostgreSQL. Every function works inside the caller's database transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from nsl.identity.model import AuthMethod, Client, ClientSecret, Plan, Scope, Tenant
from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries

_QUERIES = load_queries("nsl.identity")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """``public_key`` is DER SubjectPublicKeyInfo; ``wrapped`` is for the enclave that made it."""

    kid: str
    public_key: bytes
    wrapped: bytes


async def client_secret(connection: Connection, client: UUID) -> ClientSecret | None:
    """What the token endpoint compares, by a client's exact id."""
    row = await fetch_one(connection, _QUERIES["client_by_id"], {"id": client})
    if row is None:
        return None
    method = None if row["auth_method"] is None else AuthMethod(row["auth_method"])
    return ClientSecret(row["id"], row["tenant_id"], row["secret_sha256"], tuple(row["scopes"]), method)


async def plan(connection: Connection, client: UUID) -> Plan | None:
    """A client's limits; None when it is not there or not active."""
    row = await fetch_one(connection, _QUERIES["plan"], {"id": client})
    return None if row is None else _plan(row)


async def insert_tenant(connection: Connection, tenant: UUID, name: str, limits: Plan) -> Tenant:
    """Raises nothing of its own: the id is new."""
    row = await fetch_one(connection, _QUERIES["insert_tenant"], _limits(limits) | {"id": tenant, "name": name})
    return _tenant(row or {})


async def insert_platform_tenant(connection: Connection, tenant: UUID, name: str, limits: Plan) -> Tenant | None:
    """By the owner. None when the platform has its tenant."""
    parameters = _limits(limits) | {"id": tenant, "name": name}
    row = await fetch_one(connection, _QUERIES["insert_platform_tenant"], parameters)
    return None if row is None else _tenant(row)


async def tenants(connection: Connection, *, after: UUID | None, limit: int) -> list[Tenant]:
    """Those that row-level security shows."""
    rows = await fetch_all(connection, _QUERIES["tenants"], {"after": after, "limit": limit})
    return list(map(_tenant, rows))


async def tenant_exists(connection: Connection, tenant: UUID) -> bool:
    """Whether row-level security shows it."""
    return await fetch_one(connection, _QUERIES["tenant_exists"], {"id": tenant}) is not None


async def set_plan(connection: Connection, tenant: UUID, limits: Plan) -> Tenant | None:
    """None when there is no such tenant."""
    row = await fetch_one(connection, _QUERIES["set_plan"], _limits(limits) | {"id": tenant})
    return None if row is None else _tenant(row)


async def insert_client(
    connection: Connection,
    client: UUID,
    tenant: UUID,
    *,
    name: str,
    secret_sha256: bytes,
    scopes: Collection[str],
    auth_method: AuthMethod | None,
) -> Client:
    """A client with its secret's digest."""
    parameters = {
        "id": client,
        "tenant_id": tenant,
        "name": name,
        "secret_sha256": secret_sha256,
        "scopes": sorted(scopes),
        "auth_method": auth_method,
    }
    return _client(await fetch_one(connection, _QUERIES["insert_client"], parameters) or {})


async def clients(connection: Connection, tenant: UUID, *, after: UUID | None, limit: int) -> list[Client]:
    """A tenant's clients."""
    parameters = {"tenant_id": tenant, "after": after, "limit": limit}
    return list(map(_client, await fetch_all(connection, _QUERIES["clients"], parameters)))


async def set_client_plan(connection: Connection, client: UUID, limits: Plan) -> Client | None:
    """None when there is no such client."""
    row = await fetch_one(connection, _QUERIES["set_client_plan"], _limits(limits) | {"id": client})
    return None if row is None else _client(row)


async def deactivate_client(connection: Connection, client: UUID) -> None:
    """It stays for what refers to it, and gets no token."""
    await connection.execute(_QUERIES["deactivate_client"], {"id": client})


async def lock_token_keys(connection: Connection) -> None:
    """Let others wait who would make the first token key too, until this transaction ends."""
    await connection.execute(_QUERIES["lock_token_keys"])


async def token_keys(connection: Connection) -> list[TokenKey]:
    """Newest first."""
    rows = await fetch_all(connection, _QUERIES["token_keys"], {})
    return [TokenKey(row["kid"], row["public_key"], row["wrapped"]) for row in rows]


async def insert_token_key(connection: Connection, key: TokenKey) -> None:
    """Keep a new token key."""
    parameters = {"kid": key.kid, "public_key": key.public_key, "wrapped": key.wrapped}
    await connection.execute(_QUERIES["insert_token_key"], parameters)


async def recall(connection: Connection, tenant: UUID, key: str) -> tuple[bytes, bytes] | None:
    """The request's digest and the answer that an Idempotency-Key was given in the last seven days."""
    row = await fetch_one(connection, _QUERIES["recall"], {"tenant_id": tenant, "key": key})
    return None if row is None else (row["request_sha256"], row["answer"])


async def remember(connection: Connection, tenant: UUID, key: str, request_sha256: bytes, answer: bytes) -> bool:
    """Keep an answer; False when somebody else's came first."""
    parameters = {"tenant_id": tenant, "key": key, "request_sha256": request_sha256, "answer": answer}
    await connection.execute(_QUERIES["forget_old"], parameters)
    return await fetch_one(connection, _QUERIES["remember"], parameters) is not None


def _limits(limits: Plan) -> dict[str, Any]:
    return {
        "requests_per_minute": limits.requests_per_minute,
        "key_requests_per_minute": limits.key_requests_per_minute,
    }


def _plan(row: Mapping[str, Any]) -> Plan:
    return Plan(row["requests_per_minute"], row["key_requests_per_minute"])


def _tenant(row: Mapping[str, Any]) -> Tenant:
    return Tenant(row["id"], row["name"], _plan(row), row["created_at"])


def _client(row: Mapping[str, Any]) -> Client:
    return Client(
        id=row["id"],
        tenant=row["tenant_id"],
        name=row["name"],
        scopes=tuple(map(Scope, row["scopes"])),
        auth_method=None if row["auth_method"] is None else AuthMethod(row["auth_method"]),
        plan=None if row["requests_per_minute"] is None else _plan(row),
        created_at=row["created_at"],
    )
