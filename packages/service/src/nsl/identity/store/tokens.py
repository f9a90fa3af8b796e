"""Token keys, what holds of a token now, what was revoked, and answers that are given once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from nsl.identity.model import Caller, CustomRole, Plan, Scope, TenantStatus
from nsl.identity.store.clients import QUERIES
from nsl.kit.db import Connection, fetch_all, fetch_one

#: of a token whose standing was not read yet
NO_PLAN = Plan(0, 0)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """``public_key`` is DER SubjectPublicKeyInfo; ``wrapped`` is for the enclave that made it."""

    kid: str
    public_key: bytes
    wrapped: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds now of everything that a token rests on. ``client_scopes`` None: no such client of the tenant.

    ``changes_in``: seconds until some of it ends by itself, None when nothing does.
    """

    tenant_status: TenantStatus
    client_scopes: frozenset[str] | None
    plan: Plan
    token_revoked: bool
    subject_active: bool
    delegation_active: bool
    roles: tuple[str, ...]
    custom_roles: Mapping[str, CustomRole]
    grants: tuple[tuple[str, UUID], ...]
    changes_in: float | None


async def standing(connection: Connection, said: Caller, jti: str, delegation: UUID | None) -> Standing:
    """Read it all, in the token's tenant."""
    parameters = {"tenant": said.tenant, "client": said.client, "subject": said.id, "session": said.session}
    row = await fetch_one(connection, QUERIES["client_standing"], parameters | {"jti": jti})
    if row is None:
        return _NOTHING
    active, roles, delegated, custom = True, tuple(said.roles), True, dict[str, CustomRole]()
    if said.person:
        # A delegate acts in a session of their own.
        session = said.session if delegation is None else None
        person = await _person(connection, parameters | {"session": session})
        active, roles = person is not None, () if person is None else person
        custom = await custom_roles(connection)
    if delegation is not None:
        delegated = await _delegated(connection, said, delegation, parameters)
    seconds = [float(row[name]) for name in ("client_expires_in", "grants_expire_in") if row[name] is not None]
    return Standing(
        tenant_status=TenantStatus(row["tenant_status"]),
        client_scopes=None if row["client_scopes"] is None else frozenset(row["client_scopes"]),
        plan=Plan(row["requests_per_minute"], row["key_requests_per_minute"]),
        token_revoked=row["token_revoked"],
        subject_active=active,
        delegation_active=delegated,
        roles=roles,
        custom_roles=custom,
        grants=tuple((scope, UUID(resource)) for scope, resource in row["grants"]),
        changes_in=min(seconds, default=None),
    )


_NOTHING = Standing(
    tenant_status=TenantStatus.DELETED,
    client_scopes=None,
    plan=NO_PLAN,
    token_revoked=True,
    subject_active=False,
    delegation_active=False,
    roles=(),
    custom_roles={},
    grants=(),
    changes_in=None,
)


async def person_roles(connection: Connection, tenant: UUID, user: UUID) -> tuple[str, ...] | None:
    """The roles of a person who may work in this tenant, their groups' with them; None for anybody else."""
    return await _person(connection, {"tenant": tenant, "subject": user, "session": None})


async def _person(connection: Connection, parameters: Mapping[str, Any]) -> tuple[str, ...] | None:
    row = await fetch_one(connection, QUERIES["person_standing"], parameters)
    return None if row is None or not row["active"] else tuple(dict.fromkeys(row["roles"]))


async def _delegated(connection: Connection, said: Caller, delegation: UUID, parameters: Mapping[str, Any]) -> bool:
    """The delegation stands, and whoever acts by it may still work in the tenant."""
    row = await fetch_one(connection, QUERIES["delegation_standing"], {"id": delegation})
    if row is None or not row["active"] or str(row["to_user"]) != said.actor or row["from_user"] != said.id:
        return False
    actor = {"tenant": parameters["tenant"], "subject": row["to_user"], "session": said.session}
    return await _person(connection, actor) is not None


async def custom_roles(connection: Connection) -> dict[str, CustomRole]:
    """The present tenant's own roles, by name."""
    rows = await fetch_all(connection, QUERIES["custom_roles"], {})
    return {row["name"]: custom_role(row) for row in rows}


def custom_role(row: Mapping[str, Any]) -> CustomRole:
    """From a row."""
    return CustomRole(row["name"], row["description"], tuple(map(Scope, row["scopes"])), tuple(row["inherits"]))


async def revoke(connection: Connection, targets: Sequence[str]) -> None:
    """Number what is ended; others wait for this transaction who end something too."""
    await connection.execute(QUERIES["revoke"], {"targets": list(targets)})


async def revocations_after(connection: Connection, generation: int) -> tuple[int, list[str]]:
    """The newest number, and what was ended after ``generation``; nothing for a negative one."""
    row = await fetch_one(connection, QUERIES["revocations_after"], {"after": generation}) or {}
    return row["newest"], row["targets"]


async def revoke_token(connection: Connection, tenant: UUID, jti: str, expires: int) -> None:
    """Note that an access token is revoked, until it would have expired."""
    await connection.execute(QUERIES["revoke_token"], {"tenant_id": tenant, "jti": jti, "expires": expires})


async def withdraw_token_key(connection: Connection, kid: str) -> bool:
    """False when there is no such key."""
    return await fetch_one(connection, QUERIES["withdraw_token_key"], {"kid": kid}) is not None


async def lock_token_keys(connection: Connection) -> None:
    """Let others wait who would make the first token key too, until this transaction ends."""
    await connection.execute(QUERIES["lock_token_keys"])


async def token_keys(connection: Connection, *, made_after: datetime) -> list[TokenKey]:
    """Those that were not withdrawn, newest first."""
    rows = await fetch_all(connection, QUERIES["token_keys"], {"made_after": made_after})
    return [TokenKey(row["kid"], row["public_key"], row["wrapped"], row["created_at"]) for row in rows]


async def insert_token_key(connection: Connection, kid: str, public_key: bytes, wrapped: bytes) -> None:
    """Keep a new token key."""
    parameters = {"kid": kid, "public_key": public_key, "wrapped": wrapped}
    await connection.execute(QUERIES["insert_token_key"], parameters)


async def recall(connection: Connection, tenant: UUID, key: str) -> tuple[bytes, bytes] | None:
    """The request's digest and the answer that an Idempotency-Key was given in the last seven days."""
    row = await fetch_one(connection, QUERIES["recall"], {"tenant_id": tenant, "key": key})
    return None if row is None else (row["request_sha256"], row["answer"])


async def remember(connection: Connection, tenant: UUID, key: str, request_sha256: bytes, answer: bytes) -> bool:
    """Keep an answer; False when somebody else's came first."""
    parameters = {"tenant_id": tenant, "key": key, "request_sha256": request_sha256, "answer": answer}
    await connection.execute(QUERIES["forget_old"], parameters)
    return await fetch_one(connection, QUERIES["remember"], parameters) is not None
