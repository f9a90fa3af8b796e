"""What the replicas of the service share besides the database, as ports with stand-ins for a process that is alone.

``nsl.adapters.redis`` implements them for many replicas; ``nsl.kit.limits`` has the one for rate limits.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from nsl.kit.clock import monotonic
from nsl.kit.errors import Unavailable

NAMES_MAX = 100_000
UNREAD_MAX = 1_000


class Bus(Protocol):
    """Messages from any replica to all that listen at that moment; nothing is kept for those that do not."""

    async def publish(self, topic: str, message: bytes) -> None:
        """Send as well as is possible: it is logged, and not raised, when it is not."""
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The messages of a topic from the moment the context is entered.

        Raises:
            Unavailable: on entering, or from the iterator when messages may have been lost. Whoever subscribes again
                must assume to have missed some.
        """
        ...


class SingleUse(Protocol):
    """Names that may be used once, such as the `jti` of a client assertion (RFC 7523) or a DPoP proof (RFC 9449)."""

    async def first(self, name: str, *, seconds: int) -> bool:
        """Whether nobody has used ``name`` within its ``seconds``, on any replica. From now on somebody has.

        Raises:
            Unavailable: it cannot be known; the caller must refuse.
        """
        ...


class Attempts(Protocol):
    """Failures by name, such as the wrong passwords of an account."""

    async def failures(self, name: str) -> tuple[int, float]:
        """How many there were since they were last forgotten, and the seconds since the last; (0, inf) without any.

        Raises:
            Unavailable: it cannot be known, or a failure could not be counted; the caller must refuse.
        """
        ...

    async def failed(self, name: str, *, forget_after_seconds: int) -> int:
        """Count one more: how many there are now. All are forgotten when none follows for so many seconds.

        Raises:
            Unavailable: it could not be counted.
        """
        ...

    async def clear(self, name: str) -> None:
        """Forget all failures of ``name``. Raises Unavailable."""
        ...


class LocalBus:
    """A bus inside one process."""

    def __init__(self, unread_max: int = UNREAD_MAX) -> None:
        self._unread_max = unread_max
        self._queues: dict[str, set[asyncio.Queue[bytes | None]]] = {}

    async def publish(self, topic: str, message: bytes) -> None:
        """As ``Bus.publish``. Who has too much unread is told that it lost something, and gets no more."""
        for queue in list(self._queues.get(topic, ())):
            if queue.qsize() >= self._unread_max:
                self._leave(topic, queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(message)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """As ``Bus.subscribe``."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues.setdefault(topic, set()).add(queue)
        try:
            yield _messages(queue)
        finally:
            self._leave(topic, queue)

    def _leave(self, topic: str, queue: asyncio.Queue[bytes | None]) -> None:
        queues = self._queues.get(topic, set())
        queues.discard(queue)
        if not queues:
            self._queues.pop(topic, None)


async def _messages(queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (message := await queue.get()) is not None:
        yield message
    raise Unavailable("Messages were lost: they came faster than they were read.")


class _Remembered[V]:
    """So many values at most, each until its time. None is dropped before that, to make room for another."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[bytes, tuple[V, float]] = {}
        #: no value ends before this
        self._first_end = math.inf

    def get(self, key: bytes, now: float) -> V | None:
        value, until = self._values.get(key, (None, -math.inf))
        return value if until > now else None

    def put(self, key: bytes, value: V, until: float) -> None:
        self._values[key] = (value, until)
        self._first_end = min(self._first_end, until)

    def drop(self, key: bytes) -> None:
        self._values.pop(key, None)

    def has_room(self, key: bytes, now: float) -> bool:
        """Whether ``put`` of this key stays within the bound. Looks for what has ended only if something has."""
        if key in self._values or len(self._values) < self._most:
            return True
        if now >= self._first_end:
            self._values = {each: (value, until) for each, (value, until) in self._values.items() if until > now}
            self._first_end = min((until for _, until in self._values.values()), default=math.inf)
        return len(self._values) < self._most


class LocalSingleUse:
    """Single use inside one process.

    Args:
        names_max: how many are remembered. None is forgotten before its time, so while there are that many it cannot
            vouch for another.
    """

    def __init__(self, names_max: int = NAMES_MAX) -> None:
        self._used = _Remembered[bool](names_max)

    async def first(self, name: str, *, seconds: int) -> bool:
        """As ``SingleUse.first``."""
        now, key = monotonic(), digest(name)
        if self._used.get(key, now):
            return False
        if not self._used.has_room(key, now):
            raise Unavailable("Too many names of single use are remembered; try again later.")
        self._used.put(key, True, now + seconds)
        return True


class LocalAttempts:
    """Attempts inside one process.

    Args:
        names_max: how many are remembered. Somebody who invents names must not make it forget the failures of another,
            so while there are that many it refuses to judge names it does not know.
    """

    def __init__(self, names_max: int = NAMES_MAX) -> None:
        #: count, and when the last was
        self._failed = _Remembered[tuple[int, float]](names_max)

    async def failures(self, name: str) -> tuple[int, float]:
        """As ``Attempts.failures``."""
        now = monotonic()
        count, last = self._known(digest(name), now)
        return count, now - last

    async def failed(self, name: str, *, forget_after_seconds: int) -> int:
        """As ``Attempts.failed``."""
        now, key = monotonic(), digest(name)
        count = self._known(key, now)[0] + 1
        self._failed.put(key, (count, now), now + forget_after_seconds)
        return count

    async def clear(self, name: str) -> None:
        """As ``Attempts.clear``."""
        self._failed.drop(digest(name))

    def _known(self, key: bytes, now: float) -> tuple[int, float]:
        if not self._failed.has_room(key, now):
            # Said before the first failure too: else a right guess would be answered and a wrong one not counted.
            raise Unavailable("Too many failed attempts are remembered; try again later.")
        return self._failed.get(key, now) or (0, -math.inf)


def digest(name: str) -> bytes:
    """What stands for a name from outside in memory: 32 bytes, however long the name is."""
    return hashlib.sha256(name.encode()).digest()
