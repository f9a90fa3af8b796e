"""Keys in PostgreSQL. Every function works inside the caller's database transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from nsl.keys.model import (
    ROTATED_CURVES,
    Enclave,
    Key,
    KeyFilter,
    Labels,
    Policies,
    Usage,
    WrappedKey,
    addresses_of,
)
from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries
from nsl_protocol.attestation.keys import Origin
from nsl_protocol.enclave.lifecycle import KeyState
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.policy.document import Kind, Policy, read_policy

_QUERIES = load_queries("nsl.keys")
_ROTATED = [curve.value for curve in ROTATED_CURVES]


@dataclass(frozen=True, slots=True)
class PendingChange:
    """The next edition of a key, written down before the register of keys has it.

    ``by``: who asked for it; ``act``: what it is, for the record; ``policies``: those that it has.
    """

    id: UUID
    key: UUID
    version: int
    wrapped: bytes
    state: KeyState
    destroys_at: datetime | None
    by: str
    act: str
    policies: Policies
    frozen_at: datetime | None = None
    secret_version: int = 1


@dataclass(frozen=True, slots=True)
class HeldPolicy:
    """One that a key has or had."""

    number: int
    hash: str
    held_from: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class NotedSignature:
    """What is kept of a signature. ``request``: what the enclave was asked, as msgpack; ``decoded`` is JSON text.

    ``public_key``: of the key below that signed; None: the key itself.
    """

    id: UUID
    key: UUID
    key_version: int
    signed_by: str
    kind: Kind
    request: bytes
    decoded: str
    signature: bytes
    public_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class LatestSignature:
    """Its receipt, and what was asked, as msgpack. ``public_key``: as in ``NotedSignature``."""

    id: UUID
    kind: Kind
    request: bytes
    public_key: bytes | None


async def insert(connection: Connection, tenant: UUID, new: WrappedKey, created_by: str) -> None:
    """Write a key and its first version."""
    key = new.key
    parameters = {
        "id": key.id,
        "tenant_id": tenant,
        "name": key.labels.name,
        "alias": key.labels.alias,
        "tags": Jsonb(key.labels.tags),
        "curve": key.curve.value,
        "usages": [usage.value for usage in key.usages],
        "policy": Jsonb(msgspec.to_builtins(key.policy)),
        "rotation_days": key.rotation_days,
        "rotates_at": key.rotates_at,
        "created_by": created_by,
        "created_at": key.created_at,
        "public_key": key.public_key,
        "wrapped": new.wrapped,
        "enclave_mode": key.enclave.mode,
        "enclave_measurement": key.enclave.measurement,
        "origin": key.origin.value,
        "export_recipients": list(key.recipients),
        "policy_text": key.policy.canonical.decode(),
        "policy_hash": key.policy.hash,
    }
    await connection.execute(_QUERIES["insert"], parameters)


async def by_id(connection: Connection, key: UUID) -> WrappedKey | None:
    """One of the tenant's keys, in its current version."""
    row = await fetch_one(connection, _QUERIES["by_id"], {"id": key})
    return None if row is None else _key(row)


async def lock(connection: Connection, key: UUID) -> WrappedKey | None:
    """The same, and nobody else replaces its wrapped form until the transaction ends."""
    row = await fetch_one(connection, _QUERIES["lock"], {"id": key})
    return None if row is None else _key(row)


async def insert_change(connection: Connection, tenant: UUID, change: PendingChange, changed_at: datetime) -> bool:
    """Write a change down. False: another one of this key is under way."""
    parameters = {
        "id": change.id,
        "key_id": change.key,
        "version": change.version,
        "tenant_id": tenant,
        "wrapped": change.wrapped,
        "state": change.state.value,
        "destroys_at": change.destroys_at,
        "changed_by": change.by,
        "changed_at": changed_at,
        "act": change.act,
        "policy": change.policies.present.canonical.decode(),
        "policy_hash": change.policies.present.hash,
        "policy_number": change.policies.number,
        "next_policy": None if change.policies.following is None else change.policies.following.canonical.decode(),
        "next_policy_at": change.policies.following_at,
        "frozen_at": change.frozen_at,
        "secret_version": change.secret_version,
    }
    return (await connection.execute(_QUERIES["insert_change"], parameters)).rowcount == 1


async def change_of(connection: Connection, key: UUID) -> PendingChange | None:
    """The change of a key that is under way."""
    row = await fetch_one(connection, _QUERIES["change_of"], {"key_id": key})
    if row is None:
        return None
    following = row["next_policy"]
    return PendingChange(
        id=row["id"],
        key=row["key_id"],
        version=row["version"],
        wrapped=row["wrapped"],
        state=KeyState(row["state"]),
        destroys_at=row["destroys_at"],
        by=row["changed_by"],
        act=row["act"],
        policies=Policies(
            number=row["policy_number"],
            present=read_policy(row["policy"].encode()),
            following=None if following is None else read_policy(following.encode()),
            following_at=row["next_policy_at"],
        ),
        frozen_at=row["frozen_at"],
        secret_version=row["secret_version"],
    )


async def take_over(connection: Connection, change: UUID, at: datetime) -> bool:
    """Make a change the key's own state. False: that was done before."""
    return (await connection.execute(_QUERIES["take_over"], {"id": change, "now": at})).rowcount == 1


async def policies_due(
    connection: Connection, now: datetime, but: Sequence[UUID], limit: int
) -> list[tuple[UUID, UUID]]:
    """Tenant and key of policies that have waited long enough, of all tenants; without some keys."""
    rows = await fetch_all(connection, _QUERIES["policies_due"], {"now": now, "but": list(but), "limit": limit})
    return [(row["tenant_id"], row["key_id"]) for row in rows]


async def policies_of(connection: Connection, key: UUID) -> list[HeldPolicy]:
    """The latest hundred that a key has had, the present one first."""
    return [HeldPolicy(**row) for row in await fetch_all(connection, _QUERIES["policies_of"], {"key_id": key})]


async def latest_signatures(connection: Connection, key: UUID, limit: int) -> list[LatestSignature]:
    """A key's latest signatures, as far as requests are kept; the latest first."""
    rows = await fetch_all(connection, _QUERIES["latest_signatures"], {"key_id": key, "limit": limit})
    return [LatestSignature(row["id"], Kind(row["kind"]), row["request"], row["public_key"]) for row in rows]


async def left_half_done(
    connection: Connection, before: datetime, but: Sequence[UUID], limit: int
) -> list[tuple[UUID, UUID]]:
    """Tenant and key of changes that are under way since before then, of all tenants; without some keys."""
    parameters = {"before": before, "but": list(but), "limit": limit}
    rows = await fetch_all(connection, _QUERIES["left_half_done"], parameters)
    return [(row["tenant_id"], row["key_id"]) for row in rows]


async def due(connection: Connection, now: datetime, but: Sequence[UUID], limit: int) -> list[tuple[UUID, UUID]]:
    """Tenant and key of what has waited for its destruction long enough, of all tenants; without some keys."""
    rows = await fetch_all(connection, _QUERIES["due"], {"now": now, "but": list(but), "limit": limit})
    return [(row["tenant_id"], row["key_id"]) for row in rows]


async def to_rotate(connection: Connection, now: datetime, but: Sequence[UUID], limit: int) -> list[tuple[UUID, UUID]]:
    """Tenant and key of secret keys whose time has come, of all tenants; without some keys."""
    parameters = {"now": now, "but": list(but), "limit": limit, "curves": _ROTATED}
    return [(row["tenant_id"], row["key_id"]) for row in await fetch_all(connection, _QUERIES["to_rotate"], parameters)]


async def rotations_due(connection: Connection, now: datetime) -> int:
    """How many keys, of all tenants, somebody has to replace by another one: they are not rotated by themselves."""
    row = await fetch_one(connection, _QUERIES["rotations_due"], {"now": now, "curves": _ROTATED})
    return 0 if row is None else int(row["due"])


async def page(connection: Connection, tenant: UUID, only: KeyFilter, *, after: UUID | None, limit: int) -> list[Key]:
    """Those of the tenant's keys that fit, oldest first."""
    parameters = {
        "tenant_id": tenant,
        "after": after,
        "limit": limit,
        "alias": only.alias,
        "curve": only.curve,
        "state": only.state,
        "due_at": only.rotation_due_at,
        "tags": Jsonb(only.tags),
        "tagged": list(only.tagged),
    }
    return [_key(row).key for row in await fetch_all(connection, _QUERIES["page"], parameters)]


async def relabel(connection: Connection, key: UUID, labels: Labels) -> None:
    """Other labels in place of a key's. Raises UniqueViolation: another live key has the alias."""
    parameters = {"id": key, "name": labels.name, "alias": labels.alias, "tags": Jsonb(labels.tags)}
    await connection.execute(_QUERIES["relabel"], parameters)


async def lock_labels(connection: Connection, key: UUID) -> WrappedKey | None:
    """One of the tenant's keys, whose labels nobody else replaces until the transaction ends."""
    await connection.execute(_QUERIES["lock_labels"], {"id": key})
    return await by_id(connection, key)


async def note_uses(connection: Connection, uses: Iterable[tuple[UUID, UUID]], at: datetime) -> None:
    """Write down that keys did something: key and tenant of each."""
    used = sorted(set(uses))
    parameters = {"keys": [key for key, _ in used], "tenants": [tenant for _, tenant in used], "at": at}
    await connection.execute(_QUERIES["note_uses"], parameters)


async def note_signatures(
    connection: Connection, tenant: UUID, signatures: Sequence[NotedSignature], created_at: datetime
) -> None:
    """Write down signatures before they are given out."""
    parameters = {
        "tenant_id": tenant,
        "ids": [each.id for each in signatures],
        "keys": [each.key for each in signatures],
        "versions": [each.key_version for each in signatures],
        "signed_by": [each.signed_by for each in signatures],
        "kinds": [each.kind.value for each in signatures],
        "requests": [each.request for each in signatures],
        "decoded": [each.decoded for each in signatures],
        "signatures": [each.signature for each in signatures],
        "public_keys": [each.public_key for each in signatures],
        "created_at": created_at,
    }
    await connection.execute(_QUERIES["note_signatures"], parameters)


def _key(row: Mapping[str, Any]) -> WrappedKey:
    curve = Curve(row["curve"])
    key = Key(
        id=row["id"],
        labels=Labels(row["name"], row["alias"], row["tags"]),
        curve=curve,
        version=row["version"],
        state=KeyState(row["state"]),
        usages=tuple(map(Usage, row["usages"])),
        policies=Policies(
            number=row["policy_number"],
            present=msgspec.convert(row["policy"], Policy),
            following=None if row["next_policy"] is None else msgspec.convert(row["next_policy"], Policy),
            following_at=row["next_policy_at"],
        ),
        public_key=row["public_key"],
        addresses=addresses_of(curve, row["public_key"]),
        created_at=row["created_at"],
        rotation_days=row["rotation_days"],
        rotates_at=row["rotates_at"],
        enclave=Enclave(row["enclave_mode"], row["enclave_measurement"]),
        destroys_at=row["destroys_at"],
        origin=Origin(row["origin"]),
        recipients=tuple(row["export_recipients"]),
        last_used_at=row["used_at"],
        frozen_at=row["frozen_at"],
        secret_version=row["secret_version"],
    )
    return WrappedKey(key, row["wrapped"])
