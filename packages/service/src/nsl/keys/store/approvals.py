"""Approvals in PostgreSQL. Every function works inside the caller's database transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from nsl.kit.db import Connection, fetch_all, load_queries
from nsl_protocol.policy.document import Kind

_QUERIES = load_queries("nsl.keys")


@dataclass(frozen=True, slots=True)
class ApproverDecision:
    """``signature``: 64 bytes over the approval or the rejection. ``brought_by``: whose token it came with."""

    approver: str
    approved: bool
    signature: bytes
    brought_by: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """``request``: what is to be signed, as msgpack. ``public_key``: of the key below it, where that signs."""

    id: UUID
    key: UUID
    kind: Kind
    request: bytes
    policy_hash: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    decisions: tuple[ApproverDecision, ...] = ()
    public_key: bytes | None = None


async def insert(connection: Connection, tenant: UUID, new: ApprovalRequest) -> None:
    """Write a request down."""
    parameters = {
        "id": new.id,
        "tenant_id": tenant,
        "key_id": new.key,
        "kind": new.kind.value,
        "request": new.request,
        "policy_hash": new.policy_hash,
        "requested_by": new.requested_by,
        "requested_at": new.requested_at,
        "expires_at": new.expires_at,
        "public_key": new.public_key,
    }
    await connection.execute(_QUERIES["insert_approval"], parameters)


async def page(
    connection: Connection,
    tenant: UUID,
    *,
    now: datetime,
    limit: int,
    id_: UUID | None = None,
    key: UUID | None = None,
    after: UUID | None = None,
    open_: bool = False,
) -> list[ApprovalRequest]:
    """The tenant's, newest first; ``open_``: those that may still be decided and used."""
    parameters = {
        "tenant_id": tenant, "id": id_, "key_id": key, "after": after, "open": open_, "now": now, "limit": limit,
    }  # fmt: skip
    return [_request(row) for row in await fetch_all(connection, _QUERIES["approvals"], parameters)]


async def insert_decision(connection: Connection, tenant: UUID, approval: UUID, made: ApproverDecision) -> bool:
    """False: this approver has decided before, or it was revoked."""
    parameters = {
        "approval_id": approval,
        "approver": made.approver,
        "tenant_id": tenant,
        "approved": made.approved,
        "signature": made.signature,
        "brought_by": made.brought_by,
        "decided_at": made.decided_at,
    }
    return (await connection.execute(_QUERIES["insert_decision"], parameters)).rowcount == 1


async def revoke(connection: Connection, id_: UUID, at: datetime) -> bool:
    """False: it was used or revoked before."""
    return (await connection.execute(_QUERIES["revoke_approval"], {"id": id_, "at": at})).rowcount == 1


async def use(connection: Connection, id_: UUID, at: datetime) -> bool:
    """False: it was revoked."""
    return (await connection.execute(_QUERIES["use_approval"], {"id": id_, "at": at})).rowcount == 1


def _request(row: Mapping[str, Any]) -> ApprovalRequest:
    decisions = tuple(
        ApproverDecision(
            each["approver"],
            each["approved"],
            bytes.fromhex(each["signature"]),
            each["brought_by"],
            datetime.fromisoformat(each["decided_at"]),
        )
        for each in row["decisions"]
    )
    return ApprovalRequest(
        id=row["id"],
        key=row["key_id"],
        kind=Kind(row["kind"]),
        request=row["request"],
        policy_hash=row["policy_hash"],
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        used_at=row["used_at"],
        decisions=decisions,
        public_key=row["public_key"],
    )
