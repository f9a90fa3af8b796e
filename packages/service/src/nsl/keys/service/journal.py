"""Signatures are written down before they leave: all that wait at a moment, of one tenant, in one database transaction.

Under load a commit serves many requests, and a request that is alone waits for nobody.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from nsl.identity.service import keep_leaves
from nsl.keys import store
from nsl.keys.store import NotedSignature
from nsl.kit.clock import now
from nsl.kit.db import Connection, Database, DatabaseDown
from nsl_protocol.enclave.fields import MarkedLeaf

#: requests in one transaction; a request may bring 256 signatures
_TOGETHER_MAX: Final = 64

type Also = Callable[[Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Page:
    """What a request has to have written down. ``also``: is done in the same transaction."""

    leaves: Sequence[tuple[UUID, UUID, MarkedLeaf]]
    signatures: Sequence[NotedSignature]
    also: Also | None


@dataclass(slots=True)
class _Waiting:
    page: Page
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Journal:
    """Of all tenants, each for itself: a transaction works for one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: defaultdict[UUID, list[_Waiting]] = defaultdict(list)
        self._writers: dict[UUID, asyncio.Task[None]] = {}

    async def keep(self, tenant: UUID, page: Page) -> None:
        """Durable on return. Raises what writing it raises; then nothing of it is written."""
        waiting = _Waiting(page)
        self._waiting[tenant].append(waiting)
        if tenant not in self._writers:
            self._writers[tenant] = asyncio.create_task(self._write(tenant))
        await waiting.done

    async def _write(self, tenant: UUID) -> None:
        """Until nothing of this tenant waits any more."""
        try:
            while self._waiting[tenant]:
                some = self._waiting[tenant][:_TOGETHER_MAX]
                del self._waiting[tenant][:_TOGETHER_MAX]
                await self._written(tenant, some)
        finally:
            del self._writers[tenant]
            for left in self._waiting.pop(tenant, ()):
                left.done.cancel()

    async def _written(self, tenant: UUID, some: Sequence[_Waiting]) -> None:
        """One that cannot be written spoils no other: each is then tried alone."""
        try:
            await self._transaction(tenant, [each.page for each in some])
        except Exception as error:  # noqa: BLE001 - whoever waits for it is told
            if len(some) > 1 and not isinstance(error, DatabaseDown):
                for each in some:
                    await self._written(tenant, [each])
                return
            for each in some:
                if not each.done.done():
                    each.done.set_exception(error)
            return
        for each in some:
            if not each.done.done():
                each.done.set_result(None)

    async def _transaction(self, tenant: UUID, pages: Sequence[Page]) -> None:
        async with self._database.transaction(tenant) as connection:
            await keep_leaves(connection, [leaf for page in pages for leaf in page.leaves])
            signatures = [each for page in pages for each in page.signatures]
            if signatures:
                await store.note_signatures(connection, tenant, signatures, now())
            for page in pages:
                if page.also is not None:
                    await page.also(connection)
