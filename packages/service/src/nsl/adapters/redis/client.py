"""The one connection pool: short timeouts, a circuit that keeps a dead server from costing anything, and a watch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

import redis.asyncio as driver
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut

from nsl.kit.clock import pause
from nsl.kit.errors import Unavailable

OPERATION_SECONDS = 0.25
RETRY_SECONDS = 0.2
WATCH_SECONDS = 30.0
CONNECTIONS_MAX = 32

type Script = Callable[..., Awaitable[Any]]

_log = structlog.get_logger("nsl.redis")
#: What says that the server is away, as opposed to an answer that it will not do something.
_AWAY = (NotConnected, TimedOut, OSError)


class EvictionRefused(Unavailable):
    """The server may drop keys when its memory is full: limits and locks would be forgotten, and tokens replayed."""

    code = "REDIS_EVICTS"


class Redis:
    """A context manager that owns the connections to one server.

    After a failure nothing is sent but the watch's own probe, every ``RETRY_SECONDS``: all else fails at once.

    Args:
        url: as ``redis://user:password@host:6379/0``; ``rediss://`` for TLS.
        watch_seconds: how often the server's eviction policy is looked at.

    Raises:
        EvictionRefused: on entering, when the server's ``maxmemory-policy`` is another than ``noeviction``.
        Unavailable: on entering, when the server does not answer.
    """

    def __init__(self, url: str, *, watch_seconds: float = WATCH_SECONDS) -> None:
        pool = driver.ConnectionPool.from_url(
            url,
            # Ours comes first; these are for what is done outside `run`, such as a subscription's own connection. They
            # know nothing of a busy loop, so they are wide.
            socket_timeout=4 * OPERATION_SECONDS,
            socket_connect_timeout=4 * OPERATION_SECONDS,
            # A second attempt would take a second timeout, and might do twice what the first did unseen.
            retry=Retry(NoBackoff(), 0),
        )
        self._client = driver.Redis.from_pool(pool)
        # Not the pool's own bound: the wait for a turn is ours, and says nothing about the server.
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._watch_seconds = watch_seconds
        self._down = asyncio.Event()
        self._evicts: EvictionRefused | None = None
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._look()
            self.require_certainty()
        except BaseException:
            await self._client.aclose()
            raise
        self._watch = asyncio.create_task(self._keep_looking())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        # Whoever waits for a turn still fails now: a closed connection is no place to ask.
        self._down.set()
        with suppress(*_AWAY):
            await self._client.aclose()

    async def check(self) -> None:
        """Whether it can be relied on at this moment. Raises Unavailable, or EvictionRefused."""
        await self.run(lambda client: client.ping(), certain=True)

    def require_certainty(self) -> None:
        """Raises Unavailable when the server is known to be away, and EvictionRefused when it may forget."""
        if self._down.is_set():
            raise _unavailable()
        if self._evicts is not None:
            # A fresh one: an instance that is raised again and again collects tracebacks.
            raise EvictionRefused(self._evicts.detail)

    async def run[T](self, ask: Callable[[driver.Redis], Awaitable[T]], *, certain: bool) -> T:
        """The answer to one question, within ``OPERATION_SECONDS`` of its turn: ``CONNECTIONS_MAX`` are asked at once.

        Args:
            ask: what to do with the client; it may be interrupted.
            certain: fail as well when the server may have forgotten what it was told.

        Raises:
            Unavailable: no answer, or the server refuses (its memory is full, it is read-only, no permission).
        """
        async with self._turns:
            # Those who waited while the server went away fail now, instead of one timeout after the other.
            if certain:
                self.require_certainty()
            elif self._down.is_set():
                raise _unavailable()
            return await self._ask(ask)

    def script(self, source: str) -> Script:
        """A Lua script: called with ``keys``, ``args`` and the ``client`` of ``run``; sent once, then by its digest."""
        script: Script = self._client.register_script(source)
        return script

    def pubsub(self) -> Any:
        """A subscriber with a connection of its own, which is to be closed."""
        return self._client.pubsub()

    async def _ask[T](self, ask: Callable[[driver.Redis], Awaitable[T]]) -> T:
        try:
            async with _patience():
                return await ask(self._client)
        except _AWAY as error:
            if not self._down.is_set():
                _log.warning("redis is away", error=str(error) or type(error).__name__)
                self._down.set()
            raise _unavailable() from error
        except RedisError as error:
            _log.warning("redis refused", error=str(error))
            raise Unavailable("The shared memory of the service refused a request; try again later.") from error

    async def _keep_looking(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._watch_seconds):
                    await self._down.wait()
            if self._down.is_set():
                await pause(RETRY_SECONDS)
            with suppress(Unavailable):
                await self._look()

    async def _look(self) -> None:
        """Learn whether the server is there, and its policy. Raises Unavailable when it is not or will not tell."""
        # Whoever was away may have come back with other settings: the circuit closes only after this.
        policy = await self._ask(_eviction_policy)
        if self._down.is_set():
            _log.info("redis is back")
            self._down.clear()
        if policy == "noeviction":
            self._evicts = None
        elif self._evicts is None:
            self._evicts = EvictionRefused(
                f"Redis evicts keys when its memory is full (maxmemory-policy is {policy}), so limits, locks and used "
                "tokens would be forgotten. Set `maxmemory-policy noeviction` in redis.conf, or run "
                "`redis-cli CONFIG SET maxmemory-policy noeviction`, for a server that the service has to itself."
            )
            _log.error("redis evicts", policy=policy)


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Raise TimeoutError after ``OPERATION_SECONDS``, counted in two halves.

    When our own loop was too busy to look for all of that time, only the first half is over, and an answer that lies
    there unread is still read in the second: that we are slow is no reason to take the server for dead.
    """
    loop, half = asyncio.get_running_loop(), OPERATION_SECONDS / 2
    async with asyncio.timeout(None) as timeout:
        timer = loop.call_later(half, lambda: timeout.reschedule(loop.time() + half))
        try:
            yield
        finally:
            timer.cancel()


def _unavailable() -> Unavailable:
    return Unavailable("The shared memory of the service does not answer; try again in a second.")


async def _eviction_policy(client: driver.Redis) -> str:
    try:
        found = (await client.config_get("maxmemory-policy")).get("maxmemory-policy")
    except ResponseError:
        # Hosted servers forbid CONFIG, or have renamed it.
        found = None
    return str(found or (await client.info("memory")).get("maxmemory_policy"))
