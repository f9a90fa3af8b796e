"""A process that ends at any step of what it does to keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from nsl.kit.db import Connection
from tests.service.keys.carried import Bench


class Crash(Exception):
    """The process ends here."""


class Crashing:
    """Counts what a process does, and ends it before or after the ``at``-th time."""

    def __init__(self, bench: Bench, at: int, *, after: bool) -> None:
        self._bench, self._at, self._after, self._count = bench, at, after, 0

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        self._count += 1
        now = self._count == self._at
        if now and not self._after:
            raise Crash
        yield
        if now:
            raise Crash

    @asynccontextmanager
    async def transaction(self, tenant: UUID | None = None) -> AsyncIterator[Connection]:
        async with self.step(), self._bench.app.transaction(tenant) as connection:
            yield connection

    async def change_key(self, *arguments: Any) -> Any:
        async with self.step():
            return await self._bench.enclave.change_key(*arguments)

    async def change_policy(self, *arguments: Any) -> Any:
        async with self.step():
            return await self._bench.enclave.change_policy(*arguments)

    async def enter_key(self, *arguments: Any) -> None:
        async with self.step():
            await self._bench.enclave.enter_key(*arguments)
