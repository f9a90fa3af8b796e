"""What ends authority reaches every replica within a second.

A revocation is a numbered row, committed with what it tells of. Whoever commits one then calls the others over the bus,
which makes them look at once; the bus may fail. What counts is PostgreSQL: a replica that has not seen its newest
number within ``CONFIRMED_SECONDS`` believes nothing that it remembers and asks PostgreSQL for each request.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from prometheus_client import Gauge

from nsl.identity import store
from nsl.kit.clock import monotonic, pause
from nsl.kit.db import Connection, Database
from nsl.kit.errors import Unavailable
from nsl.kit.replicas import Bus

CONFIRMED_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.3
TOPIC: Final = "revocations"

_log = structlog.get_logger("nsl.identity")
_unconfirmed = Gauge(
    "nsl_revocations_unconfirmed", "1 while this replica cannot confirm revocations and asks for each request."
)

type Listener = Callable[[frozenset[str]], None]


class Revocations:
    """Follows the numbered revocations. Use ``watching()`` for as long as the process serves."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._generation = -1
        self._confirmed_at = float("-inf")
        self._called = asyncio.Event()
        self._listeners: list[Listener] = []

    @property
    def generation(self) -> int:
        """The newest number seen."""
        return self._generation

    def confirmed(self) -> bool:
        """Whether everything that was revoked up to a second ago is known here."""
        return monotonic() - self._confirmed_at < CONFIRMED_SECONDS

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with the targets of new revocations."""
        self._listeners.append(listener)

    async def revoke(self, connection: Connection, targets: Iterable[str]) -> None:
        """Number these targets inside the transaction that ends them, as its last statement."""
        await store.revoke(connection, sorted(targets))

    async def announce(self) -> None:
        """After that transaction's commit: here and everywhere, look now."""
        with suppress(Unavailable):
            await self._look()
        await self._bus.publish(TOPIC, b"look")

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follow until the block ends."""
        tasks = [asyncio.create_task(self._poll()), asyncio.create_task(self._hear())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            try:
                await self._look()
            except Unavailable:
                _unconfirmed.set(0 if self.confirmed() else 1)
            self._called.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), POLL_SECONDS)

    async def _hear(self) -> None:
        while True:
            try:
                async with self._bus.subscribe(TOPIC) as messages:
                    async for _ in messages:
                        self._called.set()
            except Unavailable:
                _log.warning("revocation calls are not heard; polling alone")
            await pause(POLL_SECONDS)

    async def _look(self) -> None:
        began = monotonic()
        async with self._database.transaction() as connection:
            newest, targets = await store.revocations_after(connection, self._generation)
        if newest > self._generation:
            self._generation = newest
            for listener in self._listeners:
                listener(frozenset(targets))
        self._confirmed_at = max(self._confirmed_at, began)
        _unconfirmed.set(0)
