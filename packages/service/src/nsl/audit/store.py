"""The audit log in PostgreSQL. Every function works inside the caller's database transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from nsl.audit.model import Batch, Evidence, Head, Leaf, LogPlace, SignatureMade
from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries
from nsl_protocol.audit.heads import Line, parse_signed_head
from nsl_protocol.enclave.fields import MarkedLeaf

_QUERIES = load_queries("nsl.audit")


@dataclass(frozen=True, slots=True)
class KeptLeaf:
    """A leaf of the present tenant. ``position`` is None until it is in the log; ``salt`` once it was erased."""

    id: UUID
    content: bytes
    salt: bytes | None
    position: int | None


@dataclass(frozen=True, slots=True)
class FetchedLeaf:
    """A leaf that an enclave still had and the database had not."""

    id: UUID
    tenant: UUID
    leaf: MarkedLeaf
    run: bytes
    number: int


async def place(connection: Connection, *, lock: bool = False) -> LogPlace:
    """Where the log is; with ``lock``, nobody else moves it until the transaction ends."""
    row = await fetch_one(connection, _QUERIES["lock_place" if lock else "place"], {})
    if row is None:
        raise RuntimeError("audit_log has its one row since it was made")
    cursor = row["tx"], row["sequence"]
    return LogPlace(row["wrapped"], row["size"], cursor, tuple(row["held"]), row["next_wrapped"], row["next_size"])


async def waiting(connection: Connection, at: LogPlace, limit: int) -> tuple[list[Leaf], list[Leaf]]:
    """The leaves that are held, by run and number, and those that follow the cursor."""
    held = await fetch_all(connection, _QUERIES["held"], {"ids": list(at.held)}) if at.held else []
    tx, sequence = at.cursor
    parameters = {"tx": str(tx), "sequence": sequence, "limit": limit}
    return list(map(_leaf, held)), list(map(_leaf, await fetch_all(connection, _QUERIES["written"], parameters)))


async def all_taken(connection: Connection, at: LogPlace) -> bool:
    """Whether everything that is written down is in the log."""
    tx, sequence = at.cursor
    row = await fetch_one(connection, _QUERIES["all_taken"], {"tx": str(tx), "sequence": sequence})
    return not at.held and row is not None and bool(row["taken"])


async def missing(connection: Connection, following: Mapping[bytes, int], limit: int) -> list[Leaf]:
    """By run, the leaves that come next, as far as they are there; also those that were fetched since."""
    if not following:
        return []
    parameters = {"runs": list(following), "following": list(following.values()), "limit": limit}
    return list(map(_leaf, await fetch_all(connection, _QUERIES["missing"], parameters)))


async def moved(connection: Connection) -> bool:
    """Whether the database has come into another cluster, since when what was written before stands before all."""
    row = await fetch_one(connection, _QUERIES["moved"], {})
    return row is not None and bool(row["moved"])


async def following(connection: Connection, runs: Sequence[bytes] | None = None) -> dict[bytes, int]:
    """By run, the number of the leaf that the log takes next; None: of every run."""
    query, parameters = ("latest_runs", {}) if runs is None else ("runs", {"runs": list(runs)})
    rows = await fetch_all(connection, _QUERIES[query], parameters)
    return {row["run"]: row["following"] for row in rows}


async def append(
    connection: Connection,
    size: int,
    hashes: Sequence[bytes],
    ids: Sequence[UUID | None],
    contents: Sequence[bytes | None],
) -> None:
    """Write the next positions; they hold when the log's size is beyond them."""
    columns = {"hashes": list(hashes), "ids": list(ids), "contents": list(contents), "size": size}
    await connection.execute(_QUERIES["append"], columns)


async def write_ahead(
    connection: Connection, wrapped: bytes, size: int, taken: Batch, runs: Mapping[bytes, int]
) -> None:
    """The edition of the log that is about to be entered, and how far it has come with what was written."""
    tx, sequence = taken.cursor
    parameters = {"wrapped": wrapped, "size": size, "tx": str(tx), "sequence": sequence, "held": list(taken.held)}
    await connection.execute(_QUERIES["write_ahead"], parameters)
    columns = {"runs": list(runs), "following": list(runs.values())}
    await connection.execute(_QUERIES["keep_runs"], columns)


async def move_cursor(connection: Connection, taken: Batch) -> None:
    """What was written is held for now, all of it."""
    tx, sequence = taken.cursor
    await connection.execute(_QUERIES["move_cursor"], {"tx": str(tx), "sequence": sequence, "held": list(taken.held)})


async def take_over(connection: Connection) -> None:
    """What was written ahead holds."""
    await connection.execute(_QUERIES["take_over"])


async def hashes(connection: Connection, level: int, first: int, count: int) -> list[bytes]:
    """Of perfect subtrees of 2^level leaves, in a row; ``level`` is 0 or that of kept nodes."""
    parameters = {"level": level, "first": first, "count": count}
    rows = await fetch_all(connection, _QUERIES["nodes" if level else "hashes"], parameters)
    return [row["hash"] for row in rows]


async def insert_node(connection: Connection, level: int, index: int, hash_: bytes) -> None:
    """Keep the root of a perfect subtree."""
    await connection.execute(_QUERIES["insert_node"], {"level": level, "index": index, "hash": hash_})


async def insert_head(connection: Connection, size: int, root: bytes, log_key: bytes, note: str) -> None:
    """Keep a head; one of that size that is there stays."""
    parameters = {"size": size, "root": root, "log_key": log_key, "note": note}
    await connection.execute(_QUERIES["insert_head"], parameters)


async def add_line(connection: Connection, size: int, line: Line) -> None:
    """A witness has put its name to the head of that size."""
    row = await fetch_one(connection, _QUERIES["lock_note"], {"size": size})
    if row is not None:
        note = parse_signed_head(row["note"]).with_line(line).note
        await connection.execute(_QUERIES["replace_note"], {"size": size, "note": note})


async def evidence(connection: Connection, log_key: bytes, at: datetime) -> Evidence | None:
    """The newest of that log key that was there then; the first after it where there was none."""
    row = await fetch_one(connection, _QUERIES["evidence"], {"log_key": log_key, "at": at})
    if row is None:
        return None
    return Evidence(log_key, row["at"], row["nonce"], row["manifest_version"], row["quote"], row["collateral"])


async def evidence_at(connection: Connection, log_key: bytes) -> datetime | None:
    """When the newest of that log key was taken."""
    row = await fetch_one(connection, _QUERIES["evidence_at"], {"log_key": log_key})
    return None if row is None else row["at"]


async def insert_evidence(connection: Connection, new: Evidence) -> None:
    """Keep it for those who ask for receipts."""
    parameters = {
        "log_key": new.log_key,
        "at": new.at,
        "nonce": new.nonce,
        "manifest_version": new.manifest_version,
        "quote": new.quote,
        "collateral": new.collateral,
    }
    await connection.execute(_QUERIES["insert_evidence"], parameters)


async def head(connection: Connection, size: int | None = None) -> Head | None:
    """The newest head, or that of a size."""
    return _head(await fetch_one(connection, _QUERIES["head"], {"size": size}))


async def head_with(connection: Connection, position: int) -> Head | None:
    """The first head that has a position in it."""
    return _head(await fetch_one(connection, _QUERIES["head_with"], {"position": position}))


async def insert_fetched(connection: Connection, leaves: Sequence[FetchedLeaf]) -> int:
    """Write down what enclaves still had; those that have come meanwhile are left alone. How many were new."""
    columns = {
        "ids": [each.id for each in leaves],
        "tenants": [each.tenant for each in leaves],
        "contents": [each.leaf.content for each in leaves],
        "salts": [each.leaf.salt for each in leaves],
        "macs": [each.leaf.mac for each in leaves],
        "runs": [each.run for each in leaves],
        "numbers": [each.number for each in leaves],
    }
    return (await connection.execute(_QUERIES["insert_fetched"], columns)).rowcount


async def leaf(connection: Connection, id_: UUID) -> KeptLeaf | None:
    """A leaf of the present tenant."""
    row = await fetch_one(connection, _QUERIES["leaf"], {"id": id_})
    return None if row is None else KeptLeaf(row["id"], row["content"], row["salt"], row["position"])


async def is_platform(connection: Connection) -> bool:
    """Whether the present tenant is the platform's own."""
    row = await fetch_one(connection, _QUERIES["is_platform"], {})
    return row is not None and bool(row["platform"])


async def leaves_from(connection: Connection, first: int, count: int) -> list[tuple[int, bytes]]:
    """Position and content; of all tenants, where the present one is the platform's."""
    rows = await fetch_all(connection, _QUERIES["leaves_from"], {"first": first, "count": count})
    return [(row["position"], row["content"]) for row in rows]


async def signature(connection: Connection, id_: UUID) -> SignatureMade | None:
    """A signature of the present tenant."""
    row = await fetch_one(connection, _QUERIES["signature"], {"id": id_})
    return None if row is None else SignatureMade(**row)


def _leaf(row: Mapping[str, Any]) -> Leaf:
    return Leaf(row["id"], row["content"], row["mac"], row["run"], row["number"], row["tx"], row["sequence"])


def _head(row: Mapping[str, Any] | None) -> Head | None:
    return None if row is None else Head(**row)
