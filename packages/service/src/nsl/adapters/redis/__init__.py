"""What the replicas share, in Redis or Valkey from version 7: limits, messages, names of single use, failures.

Every key and channel begins with ``nsl:``.
"""

from nsl.adapters.redis.attempts import RedisAttempts
from nsl.adapters.redis.bus import RedisBus
from nsl.adapters.redis.client import EvictionRefused, Redis
from nsl.adapters.redis.limiter import RedisLimiter
from nsl.adapters.redis.single_use import RedisSingleUse

__all__ = ["EvictionRefused", "Redis", "RedisAttempts", "RedisBus", "RedisLimiter", "RedisSingleUse"]
