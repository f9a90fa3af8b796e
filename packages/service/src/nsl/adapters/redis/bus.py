"""Messages between replicas by the server's publish and subscribe."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from redis.exceptions import RedisError

from nsl.adapters.redis.client import Redis
from nsl.kit.errors import Unavailable

#: A connection on which nothing was heard for this long is asked whether it lives, and given as long to answer.
HEARTBEAT_SECONDS = 1.0

_log = structlog.get_logger("nsl.redis")


class RedisBus:
    """As ``nsl.kit.replicas.Bus``. Each subscription keeps one connection."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, topic: str, message: bytes) -> None:
        """As ``Bus.publish``."""
        try:
            await self._redis.run(lambda client: client.publish(_channel(topic), message), certain=False)
        except Unavailable as error:
            _log.warning("message was not sent", topic=topic, error=error.detail)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """As ``Bus.subscribe``. Raises Unavailable within two heartbeats of the connection's end."""
        pubsub = self._redis.pubsub()
        try:
            await self._redis.run(lambda _: _subscribed(pubsub, _channel(topic)), certain=False)
            yield _messages(pubsub)
        finally:
            with suppress(RedisError, OSError):
                await pubsub.aclose()


def _channel(topic: str) -> str:
    return f"nsl:bus:{topic}"


async def _subscribed(pubsub: Any, channel: str) -> None:
    """Until the server has confirmed it: what is published from then on arrives."""
    await pubsub.subscribe(channel)
    while await pubsub.get_message(timeout=HEARTBEAT_SECONDS) is None:
        pass


async def _messages(pubsub: Any) -> AsyncIterator[bytes]:
    asked = False
    try:
        while True:
            message = await pubsub.get_message(timeout=HEARTBEAT_SECONDS)
            if message is not None:
                asked = False
                if message["type"] == "message":
                    yield message["data"]
            elif asked:
                break
            else:
                await pubsub.ping()
                asked = True
    except (RedisError, OSError) as error:
        raise Unavailable("The connection for messages between replicas was lost.") from error
    raise Unavailable("The connection for messages between replicas was silent for too long.")
