"""Failures by name, over all replicas."""

import math

from nsl.adapters.redis.client import Redis
from nsl.kit.replicas import digest

_MICROSECONDS = 1_000_000

# The first line makes a server whose memory is full (noeviction) refuse the whole script, the reading one too: else it
# would let somebody guess whose failures it cannot count.
_FAILURES = """#!lua
local found = redis.call('HMGET', KEYS[1], 'count', 'last')
if not found[1] then return {0, 0} end
local time = redis.call('TIME')
return {tonumber(found[1]), math.max(time[1] * 1e6 + time[2] - tonumber(found[2]), 0)}
"""
_FAILED = """#!lua
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', time[1] * 1e6 + time[2]))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'count', 1)
"""


class RedisAttempts:
    """As ``nsl.kit.replicas.Attempts``."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._failures = redis.script(_FAILURES)
        self._failed = redis.script(_FAILED)

    async def failures(self, name: str) -> tuple[int, float]:
        """As ``Attempts.failures``. Raises Unavailable."""
        count, age = await self._redis.run(
            lambda client: self._failures(keys=[_key(name)], client=client), certain=True
        )
        return (count, age / _MICROSECONDS) if count else (0, math.inf)

    async def failed(self, name: str, *, forget_after_seconds: int) -> int:
        """As ``Attempts.failed``. Raises Unavailable."""
        count: int = await self._redis.run(
            lambda client: self._failed(keys=[_key(name)], args=[forget_after_seconds], client=client), certain=True
        )
        return count

    async def clear(self, name: str) -> None:
        """As ``Attempts.clear``. Raises Unavailable."""
        await self._redis.run(lambda client: client.delete(_key(name)), certain=True)


def _key(name: str) -> str:
    return f"nsl:attempts:{digest(name).hex()}"
