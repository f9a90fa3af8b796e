"""Acts that somebody may have to answer for, written down in the transaction that does them, and logged."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter

from nsl.identity import store
from nsl.identity.model import Caller
from nsl.identity.store import AuditEvent, StoredLeaf
from nsl.kit.clock import now, random_bytes
from nsl.kit.db import Connection, Database
from nsl.kit.ids import new_id
from nsl_protocol.audit.leaves import SALT_BYTES, HostLeaf, commitment, encode_leaf, place_of
from nsl_protocol.enclave.fields import MarkedLeaf

_log = structlog.get_logger("nsl.audit")
_events = Counter("nsl_audit_events_total", "Acts written down, by action.", ["action"])


async def note(
    connection: Connection, caller: Caller, action: str, target: str, *, tenant: UUID | None = None, **detail: Any
) -> None:
    """Write down what ``caller`` does to ``target``, in the tenant that the transaction works for."""
    await note_by(connection, tenant or caller.tenant, action, actor_of(caller), target, **detail)


def actor_of(caller: Caller) -> str:
    """Who that is in a record."""
    return caller.subject if caller.actor is None else f"{caller.actor} for {caller.subject}"


async def note_by(connection: Connection, tenant: UUID, action: str, actor: str, target: str, **detail: Any) -> None:
    """The same for an actor without a token, such as the database's owner or somebody who signs in."""
    event = AuditEvent(new_id(), now(), action, actor, target, detail)
    await store.insert_audit_event(connection, tenant, event, _leaf_of(event, tenant))
    _events.labels(action).inc()
    _log.info("audit", action=action, tenant=str(tenant), actor=actor, target=target)


async def keep_leaves(connection: Connection, leaves: Iterable[tuple[UUID, UUID, MarkedLeaf]]) -> None:
    """Write down what an enclave has made for the audit log: id of what it tells of, tenant, leaf.

    Raises:
        LeafTaken: it is in the log already, without what it tells of, which must not leave any more.
    """
    kept = []
    for id_, tenant, leaf in leaves:
        place = place_of(leaf.content)
        run = bytes.fromhex(place.run)
        kept.append(StoredLeaf(id_, tenant, leaf.content, leaf.salt, leaf.mac, run, place.number))
    if kept:
        await store.insert_leaves(connection, kept)


def committed(actor: str, target: str, detail: Mapping[str, Any]) -> bytes:
    """The text that an act's leaf commits to: JSON without spaces, its names sorted."""
    return msgspec.json.encode({"actor": actor, "target": target, "detail": detail}, order="sorted")


def _leaf_of(event: AuditEvent, tenant: UUID) -> StoredLeaf:
    salt = random_bytes(SALT_BYTES)
    text = committed(event.actor, event.target, event.detail)
    at = int(event.at.timestamp() * 1000)
    leaf = HostLeaf(event.id, at, tenant, event.action, commitment(salt, text))
    return StoredLeaf(event.id, tenant, encode_leaf(leaf), salt)


class Audit:
    """Reads what was written down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def records(
        self, caller: Caller, *, action: str | None, actor: str | None, before: UUID | None, limit: int
    ) -> tuple[list[AuditEvent], UUID | None]:
        """A page of the caller's tenant's, newest first, and where the next one begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.audit_events(connection, action=action, actor=actor, before=before, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None
