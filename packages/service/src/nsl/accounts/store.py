"""People, their secrets and their sessions in PostgreSQL. Every function works inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from nsl.accounts.model import Passkey, RefreshToken, Session, User
from nsl.identity.model import Binding
from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries
from nsl.kit.ids import new_id

_QUERIES = load_queries("nsl.accounts")


async def one(connection: Connection, query: str, **parameters: Any) -> dict[str, Any] | None:
    """The only row of one of the named statements, or None."""
    return await fetch_one(connection, _QUERIES[query], parameters)


async def every(connection: Connection, query: str, **parameters: Any) -> list[dict[str, Any]]:
    """All rows of one of the named statements."""
    return await fetch_all(connection, _QUERIES[query], parameters)


async def do(connection: Connection, query: str, **parameters: Any) -> None:
    """One of the named statements, without rows."""
    await connection.execute(_QUERIES[query], parameters)


async def insert_user(
    connection: Connection, user: UUID, email: str | None, display_name: str, *, verified: bool
) -> User | None:
    """As this person; None when the address is taken."""
    row = await one(connection, "insert_user", id=user, email=email, display_name=display_name, verified=verified)
    return None if row is None else _user(row)


async def user(connection: Connection, wanted: UUID) -> User | None:
    """A person, where row-level security shows them: to themselves, and to their tenants."""
    row = await one(connection, "user", id=wanted)
    return None if row is None else _user(row)


async def user_by(connection: Connection, query: str, **parameters: Any) -> UUID | None:
    """Whose an address, passkey, wallet or external identity is, by its exact value."""
    row = await one(connection, f"user_by_{query}", **parameters)
    return None if row is None else row["id"]


async def memberships(connection: Connection, wanted: UUID) -> list[UUID]:
    """The tenants in which a person may work, oldest first; as that person."""
    return [row["tenant_id"] for row in await every(connection, "memberships", id=wanted)]


async def passkeys(connection: Connection, owner: UUID) -> list[Passkey]:
    """A person's passkeys, as that person."""
    return [
        Passkey(
            row["id"],
            row["credential_id"],
            row["name"],
            row["public_key"],
            row["sign_count"],
            row["created_at"],
            row["used_at"],
        )
        for row in await every(connection, "passkeys", id=owner)
    ]


async def insert_session(
    connection: Connection,
    made: Session,
    *,
    cookie_sha256: bytes | None,
    seconds: int,
) -> Session:
    """A new one, in the tenant that the transaction works for."""
    row = await one(
        connection,
        "insert_session",
        id=made.id,
        tenant_id=made.tenant,
        user_id=made.user,
        cookie_sha256=cookie_sha256,
        amr=list(made.amr),
        authenticated_at=made.authenticated_at,
        address=made.address,
        agent=made.agent,
        seconds=seconds,
    )
    return _session(row or {})


async def session(connection: Connection, wanted: UUID) -> Session | None:
    """One that is neither revoked nor expired."""
    row = await one(connection, "session", id=wanted)
    return None if row is None else _session(row)


async def sessions(connection: Connection, owner: UUID, *, after: UUID | None, limit: int) -> list[Session]:
    """A person's sessions that go on."""
    return list(map(_session, await every(connection, "sessions", user_id=owner, after=after, limit=limit)))


async def insert_refresh_token(connection: Connection, made: RefreshToken) -> None:
    """A new one."""
    binding = None if made.binding is None else Jsonb({made.binding.kind: made.binding.thumbprint})
    await do(
        connection,
        "insert_refresh_token",
        sha256=made.sha256,
        tenant_id=made.tenant,
        family=made.family,
        user_id=made.user,
        client_id=made.client,
        session_id=made.session,
        scopes=list(made.scopes),
        binding=binding,
        expires_at=made.expires_at,
    )


async def refresh_token(connection: Connection, sha256: bytes) -> tuple[RefreshToken, datetime] | None:
    """One, locked until the transaction ends, and when it was made."""
    row = await one(connection, "refresh_token", sha256=sha256)
    if row is None:
        return None
    binding = None if row["binding"] is None else Binding(*next(iter(row["binding"].items())))
    found = RefreshToken(
        sha256=row["sha256"],
        tenant=row["tenant_id"],
        family=row["family"],
        user=row["user_id"],
        client=row["client_id"],
        session=row["session_id"],
        scopes=tuple(row["scopes"]),
        binding=binding,
        used_at=row["used_at"],
        revoked=row["revoked_at"] is not None or row["session_revoked"],
        expires_at=row["expires_at"],
    )
    return found, row["created_at"]


async def insert_mail(connection: Connection, recipient: str, subject: str, body: str) -> None:
    """Put a mail into the outbox."""
    await do(connection, "insert_mail", id=new_id(), recipient=recipient, subject=subject, body=body)


async def set_recovery_codes(connection: Connection, owner: UUID, digests: Sequence[bytes]) -> None:
    """In place of those that are there."""
    await do(connection, "delete_recovery_codes", id=owner)
    for digest in digests:
        await do(connection, "insert_recovery_code", id=owner, sha256=digest)


def _user(row: Mapping[str, Any]) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        email_verified=row["email_verified_at"] is not None,
        display_name=row["display_name"],
        disabled=row["disabled_at"] is not None,
        created_at=row["created_at"],
    )


def _session(row: Mapping[str, Any]) -> Session:
    return Session(
        id=row["id"],
        tenant=row["tenant_id"],
        user=row["user_id"],
        amr=tuple(row["amr"]),
        authenticated_at=row["authenticated_at"],
        address=row["address"],
        agent=row["agent"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
