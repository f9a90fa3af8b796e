"""The register of keys in memory: what `PostgresRegister` is in PostgreSQL, by the same contract suite."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from nsl.adapters.enclave.register_store import Change, Kept, KeptLedger
from nsl_protocol.cluster.register import Node, Path, path_to
from nsl_protocol.enclave.agreement import Certificate, Record
from nsl_protocol.enclave.wrapped import KeyName, WrappedLedger


class MemoryRegister:
    """Of one process."""

    def __init__(self) -> None:
        self._kept = Kept(None, None)
        self._nodes: dict[bytes, Node] = {}
        self._ledgers: dict[bytes, KeptLedger] = {}
        self._lock = asyncio.Lock()

    def __copy__(self) -> "MemoryRegister":
        """A backup of it."""
        made = MemoryRegister()
        made._kept, made._nodes, made._ledgers = self._kept, dict(self._nodes), dict(self._ledgers)
        return made

    @property
    def certificate(self) -> Certificate | None:
        """The newest."""
        return self._kept.certificate

    async def kept(self) -> Kept:
        return self._kept

    async def path(self, index: bytes) -> tuple[Kept, Path]:
        return self._kept, path_to(index, self._nodes)

    async def ledger(self, name: KeyName) -> KeptLedger:
        return self._ledgers.get(name.key, KeptLedger())

    async def write_ledger_ahead(self, present: bytes | None, following: WrappedLedger) -> bool:
        kept = self._ledgers.get(following.key, KeptLedger())
        if kept != KeptLedger(present):
            return False
        self._ledgers[following.key] = KeptLedger(present, following.wrapped)
        return True

    async def take_over_ledger(self, following: WrappedLedger) -> None:
        if self._ledgers[following.key].following == following.wrapped:
            self._ledgers[following.key] = KeptLedger(following.wrapped)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Change]:
        async with self._lock:
            change = _MemoryChange(self._kept, dict(self._nodes))
            yield change
            self._kept, self._nodes = change.after, change.nodes


class _MemoryChange:
    def __init__(self, kept: Kept, nodes: dict[bytes, Node]) -> None:
        self.kept = self.after = kept
        self.nodes = nodes

    async def path(self, index: bytes) -> Path:
        return path_to(index, self.nodes)

    async def hold(self, seconds: int) -> None:
        self.after = Kept(self.after.certificate, self.after.pending, held=seconds > 0)

    async def propose(self, record: Record) -> None:
        self.after = Kept(self.after.certificate, record)

    async def settle(self, certificate: Certificate, nodes: Sequence[Node]) -> None:
        self.after = Kept(certificate, None)
        self.nodes |= {node.position: node for node in nodes}
