"""Where the register of keys is kept for the enclaves: its newest certificate, the change under way, and its nodes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from msgspec.msgpack import decode, encode

from nsl.kit.db import Connection, Database, fetch_all, fetch_one, load_queries
from nsl_protocol.cluster.register import Leaf, Node, Path, path_to, positions
from nsl_protocol.enclave.agreement import Certificate, Record
from nsl_protocol.enclave.wrapped import KeyName, WrappedLedger

_QUERIES = load_queries("nsl.adapters.enclave", "register_store.sql")
_INDEX_BYTES = 32


@dataclass(frozen=True, slots=True)
class Kept:
    """``certificate`` is None before the first key; ``pending`` is a change that may hold already.

    ``held``: another epoch is about to begin, and no change may.
    """

    certificate: Certificate | None
    pending: Record | None
    held: bool = False


@dataclass(frozen=True, slots=True)
class KeptLedger:
    """A key's ledger as it is, and the next edition where one was written down."""

    present: bytes | None = None
    following: bytes | None = None


class Change(Protocol):
    """The register while nobody else can change it. What is written is durable when the block has ended."""

    kept: Kept

    async def path(self, index: bytes) -> Path: ...

    async def propose(self, record: Record) -> None:
        """Write a change down, before any replica is asked to accept it."""

    async def hold(self, seconds: int) -> None:
        """Let no change begin for so long, or until another epoch is settled."""

    async def settle(self, certificate: Certificate, nodes: Sequence[Node]) -> None:
        """The change under way holds, or another epoch has begun: nothing is pending any more."""


class RegisterStore(Protocol):
    """Raises DatabaseDown."""

    async def kept(self) -> Kept: ...

    async def path(self, index: bytes) -> tuple[Kept, Path]:
        """The way to an index, and the certificate of exactly that moment."""

    def changing(self) -> AbstractAsyncContextManager[Change]:
        """One change at a time, over all processes."""

    async def ledger(self, name: KeyName) -> KeptLedger: ...

    async def write_ledger_ahead(self, present: bytes | None, following: WrappedLedger) -> bool:
        """False: another one follows already, or the present one is another."""

    async def take_over_ledger(self, following: WrappedLedger) -> None:
        """It is the present one. When it is already, that is well."""


class PostgresRegister:
    """In PostgreSQL, by any of the service's roles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def kept(self) -> Kept:
        async with self._database.transaction() as connection:
            row = await fetch_one(connection, _QUERIES["read"], {})
        return _kept_in(row)

    async def path(self, index: bytes) -> tuple[Kept, Path]:
        async with self._database.transaction() as connection:
            return await _read(connection, index)

    async def ledger(self, name: KeyName) -> KeptLedger:
        async with self._database.transaction(UUID(bytes=name.tenant)) as connection:
            row = await fetch_one(connection, _QUERIES["ledger"], {"key_id": UUID(bytes=name.key)})
        return KeptLedger() if row is None else KeptLedger(row["wrapped"], row["next_wrapped"])

    async def write_ledger_ahead(self, present: bytes | None, following: WrappedLedger) -> bool:
        tenant = UUID(bytes=following.tenant)
        parameters = _of_ledger(following) | {"tenant_id": tenant, "present": present}
        async with self._database.transaction(tenant) as connection:
            return (await connection.execute(_QUERIES["write_ledger_ahead"], parameters)).rowcount == 1

    async def take_over_ledger(self, following: WrappedLedger) -> None:
        async with self._database.transaction(UUID(bytes=following.tenant)) as connection:
            await connection.execute(_QUERIES["take_over_ledger"], _of_ledger(following))

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Change]:
        async with self._database.transaction() as connection:
            await connection.execute(_QUERIES["give_back"])
            kept = _kept_in(await fetch_one(connection, _QUERIES["lock"], {}))
            yield _PostgresChange(connection, kept)


class _PostgresChange:
    def __init__(self, connection: Connection, kept: Kept) -> None:
        self._connection = connection
        self.kept = kept

    async def path(self, index: bytes) -> Path:
        return (await _read(self._connection, index))[1]

    async def propose(self, record: Record) -> None:
        await self._connection.execute(_QUERIES["propose"], {"pending": encode(record)})

    async def hold(self, seconds: int) -> None:
        await self._connection.execute(_QUERIES["hold"], {"seconds": seconds})

    async def settle(self, certificate: Certificate, nodes: Sequence[Node]) -> None:
        await self._connection.execute(_QUERIES["settle"], {"certificate": encode(certificate)})
        if nodes:
            columns = {
                "positions": [each.position for each in nodes],
                "hashes": [each.hash for each in nodes],
                "leaves": [None if each.leaf is None else each.leaf.index + each.leaf.edition for each in nodes],
            }
            await self._connection.execute(_QUERIES["write_nodes"], columns)


async def _read(connection: Connection, index: bytes) -> tuple[Kept, Path]:
    rows = await fetch_all(connection, _QUERIES["path"], {"positions": positions(index)})
    nodes = {row["position"]: Node(row["position"], row["hash"], _leaf(row["leaf"])) for row in rows if row["hash"]}
    return _kept_in(rows[0]), path_to(index, nodes)


def _kept_in(row: Mapping[str, Any] | None) -> Kept:
    if row is None:
        raise RuntimeError("key_register has its one row since it was made")
    certificate, pending = row["certificate"], row["pending"]
    return Kept(
        None if certificate is None else decode(certificate, type=Certificate),
        None if pending is None else decode(pending, type=Record),
        row["held"],
    )


def _of_ledger(item: WrappedLedger) -> dict[str, Any]:
    return {"key_id": UUID(bytes=item.key), "following": item.wrapped}


def _leaf(stored: bytes | None) -> Leaf | None:
    return None if stored is None else Leaf(stored[:_INDEX_BYTES], stored[_INDEX_BYTES:])
