"""Names that may be used once, over all replicas."""

from nsl.adapters.redis.client import Redis
from nsl.kit.replicas import digest


class RedisSingleUse:
    """As ``nsl.kit.replicas.SingleUse``."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def first(self, name: str, *, seconds: int) -> bool:
        """As ``SingleUse.first``. Raises Unavailable; the name may count as used then."""
        key = f"nsl:once:{digest(name).hex()}"
        return bool(await self._redis.run(lambda client: client.set(key, b"", nx=True, ex=seconds), certain=True))
