"""One replica of ``test_limits.py``: ``limit_replica.py URL SUBJECT LIMIT BUSY_UNTIL IDLE_UNTIL``.

It asks without end until BUSY_UNTIL and then only stays, until IDLE_UNTIL (both on the machine's monotonic clock).
Prints a JSON list of the moments at which it was admitted.
"""

import asyncio
import json
import sys
import time

from nsl.adapters.redis import Redis, RedisLimiter


async def admissions(url: str, subject: str, limit: int, busy_until: float, idle_until: float) -> list[float]:
    admitted = []
    async with Redis(url) as redis:
        limiter = RedisLimiter(redis)
        while (moment := time.monotonic()) < busy_until:
            allowance = limiter.take_now(subject, limit) or await limiter.take(subject, limit, strict=True)
            if allowance.admitted:
                admitted.append(moment)
            # Often enough to lose no permit, seldom enough to leave the processor to the other replicas.
            await asyncio.sleep(0 if allowance.admitted else 0.002)
        await asyncio.sleep(max(idle_until - time.monotonic(), 0))
    return admitted


if __name__ == "__main__":
    url, subject, limit, busy_until, idle_until = sys.argv[1:]
    print(json.dumps(asyncio.run(admissions(url, subject, int(limit), float(busy_until), float(idle_until)))))
