"""Signatures are written down before they leave: all that wait at a moment, of one tenant, in one database transaction.

Under load a commit serves many requests, and a request that is alone waits for nobody.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from nsl.identity.service import keep_leaves
from nsl.keys import store
from nsl.keys.store import NotedSignature
from nsl.kit.clock import monotonic, now
from nsl.kit.db import Connection, Database, DatabaseDown
from nsl_protocol.enclave.fields import MarkedLeaf

#: requests in one transaction; a request may bring 256 signatures
_TOGETHER_MAX: Final = 64
#: a key's use is written down when that was last done longer ago
_USES_SECONDS: Final = 55.0
_USES_KEPT_MAX: Final = 10_000

type Also = Callable[[Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Page:
    """What a request has to have written down. ``also``: is done in the same transaction.

    ``used``: keys that did something besides the signatures.
    """

    leaves: Sequence[tuple[UUID, UUID, MarkedLeaf]]
    signatures: Sequence[NotedSignature]
    also: Also | None
    used: Sequence[UUID] = ()


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
        self._used: OrderedDict[UUID, float] = OrderedDict()

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
        used = self._to_note(pages)
        async with self._database.transaction(tenant) as connection:
            await keep_leaves(connection, [leaf for page in pages for leaf in page.leaves])
            signatures = [each for page in pages for each in page.signatures]
            if signatures:
                await store.note_signatures(connection, tenant, signatures, now())
            if used:
                await store.note_uses(connection, [(key, tenant) for key in used], now())
            for page in pages:
                if page.also is not None:
                    await page.also(connection)
        for key in used:
            self._used[key] = monotonic()
            self._used.move_to_end(key)
        while len(self._used) > _USES_KEPT_MAX:
            self._used.popitem(last=False)

    def _to_note(self, pages: Sequence[Page]) -> set[UUID]:
        """The keys whose use has to be written down."""
        used = {signature.key for page in pages for signature in page.signatures}
        used.update(key for page in pages for key in page.used)
        return {key for key in used if monotonic() - self._used.get(key, -_USES_SECONDS) >= _USES_SECONDS}
