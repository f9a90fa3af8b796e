"""Three replicas, one subject: no minute has more than the limit, and one that is busy alone gets 95 % of it."""

import asyncio
import json
import sys
import time
from bisect import bisect_left
from collections import deque
from pathlib import Path

import pytest

from tests.support.redis import redis_server

REPLICA = Path(__file__).with_name("limit_replica.py")
LIMIT = 3000
#: All three are busy for more than a minute, so that the first burst and the pace after it meet in one window.
TOGETHER_SECONDS = 66
SETTLED_SECONDS = 1
ALONE_SECONDS = 15


async def replica(url: str, busy_until: float, idle_until: float) -> list[float]:
    """When it was admitted, ascending."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(REPLICA), url, "someone", str(LIMIT), str(busy_until), str(idle_until),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    moments: list[float] = json.loads(output)
    return moments


def most_in_a_minute(moments: list[float]) -> int:
    window: deque[float] = deque()
    most = 0
    for moment in moments:
        window.append(moment)
        while window[0] < moment - 60:
            window.popleft()
        most = max(most, len(window))
    return most


@pytest.mark.long
@pytest.mark.timeout(200)
async def test_three_replicas_keep_one_limit_and_leave_it_to_the_one_that_is_busy(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        # Two seconds in which the programs start.
        together_until = time.monotonic() + 2 + TOGETHER_SECONDS
        alone_from = together_until + SETTLED_SECONDS
        alone_until = alone_from + ALONE_SECONDS
        busy, *others = await asyncio.gather(
            replica(server.url, alone_until, alone_until),
            replica(server.url, together_until, alone_until),
            replica(server.url, together_until, alone_until),
        )
    moments = sorted([*busy, *others[0], *others[1]])
    print(f"most in a minute: {most_in_a_minute(moments)} of {LIMIT}")
    assert most_in_a_minute(moments) <= LIMIT
    assert all(len(each) > LIMIT // 100 for each in (busy, *others)), "not all replicas took part"
    # The limit may be used at once after a rest, and it was.
    assert bisect_left(moments, moments[0] + 5) >= 0.95 * LIMIT
    alone = bisect_left(busy, alone_until) - bisect_left(busy, alone_from)
    print(f"alone: {alone} in {ALONE_SECONDS} s, {alone * 60 / ALONE_SECONDS / LIMIT:.1%} of the limit")
    assert alone >= 0.95 * LIMIT * ALONE_SECONDS / 60
