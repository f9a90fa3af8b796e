"""The ports of replicas on a real Redis: the contracts, and what happens when it dies, hangs, forgets or is full."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import redis as driver
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from nsl.adapters.redis import EvictionRefused, Redis, RedisAttempts, RedisBus, RedisLimiter, RedisSingleUse
from nsl.adapters.redis import client as client_module
from nsl.adapters.redis import limiter as limiter_module
from nsl.kit.errors import Unavailable
from nsl.kit.limits import Allowance, pace_of
from tests.contract.shared_port import AttemptsPort, BusPort, LimiterPort, SingleUsePort, lost
from tests.support.redis import RedisServer, redis_server

SCRIPT = Path(limiter_module.__file__).with_name("limit.lua").read_text(encoding="utf-8")
SPAN = 61_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    """For tests that leave it as it is."""
    async with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """For tests that do not."""
    async with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis(server.url) as redis:
        yield redis


class TestRedisLimiter(LimiterPort):
    @pytest.fixture
    def limiter(self, redis: Redis) -> RedisLimiter:
        return RedisLimiter(redis)


class TestRedisBus(BusPort):
    @pytest.fixture
    def bus(self, redis: Redis) -> RedisBus:
        return RedisBus(redis)


class TestRedisSingleUse(SingleUsePort):
    @pytest.fixture
    def single_use(self, redis: Redis) -> RedisSingleUse:
        return RedisSingleUse(redis)


class TestRedisAttempts(AttemptsPort):
    @pytest.fixture
    def attempts(self, redis: Redis) -> RedisAttempts:
        return RedisAttempts(redis)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(0), st.integers(0, 3_000_000), st.integers(0, 70_000_000)),
            st.one_of(st.just(1), st.integers(1, 256)),
            st.integers(0, 100),
            st.integers(1, 8),
        ),
        max_size=40,
    ),
    st.one_of(st.integers(1, 100), st.integers(80, 5000)),
    st.integers(0, 999_999),
)
def test_no_span_is_granted_more_than_the_limit_whatever_is_leased(
    server: RedisServer, asked: list[tuple[int, int, int, int]], limit: int, microsecond: int
) -> None:
    """The script with a clock of ours, microseconds since 1970: it alone decides over all replicas."""
    key, now = uuid4().hex, 1_800_000_000_000_000 + microsecond
    granted: deque[tuple[int, int]] = deque()
    with driver.Redis.from_url(server.url) as client:
        script = client.register_script(SCRIPT.replace("redis.call('TIME')", "{ARGV[5], ARGV[6]}"))

        def ask(need: int, want: int) -> list[int]:
            arguments = [limit, pace_of(limit).burst, need, want, *divmod(now, 1_000_000)]
            answer: list[int] = script(keys=[key], args=arguments)
            granted.append((now, answer[0]))
            return answer

        for pause, need, more, times in asked:
            now += pause
            for _ in range(times):
                permits, left, _, _ = answer = ask(need, need + more)
                assert permits == 0 or need <= permits <= need + more
                assert left >= 0
            if answer[0] == 0 and need <= limit:
                now += answer[3]
                assert ask(need, need)[0] == need
            while granted and granted[0][0] < now - SPAN:
                granted.popleft()
            assert sum(permits for _, permits in granted) <= limit
        client.delete(key)


async def test_a_clock_that_was_set_back_locks_nobody_out_for_more_than_a_window(server: RedisServer) -> None:
    key, now = uuid4().hex, 1_800_000_000
    script = SCRIPT.replace("redis.call('TIME')", "{ARGV[5], ARGV[6]}")
    assert (await server.run("EVAL", script, 1, key, 100, 2, 100, 100, now, 0))[0] == 100
    for back, granted in ((1, 0), (30, 0), (3600, 100)):
        assert (await server.run("EVAL", script, 1, key, 100, 2, 1, 100, now - back, 0))[0] == granted


async def test_replicas_share_one_limit_and_every_key_has_the_prefix_and_an_end(own: RedisServer) -> None:
    async with Redis(own.url) as one, Redis(own.url) as other:
        limiters = [RedisLimiter(one), RedisLimiter(other)]
        answers = await asyncio.gather(*(limiters[index % 2].take("someone", 300) for index in range(800)))
        assert sum(each.admitted for each in answers) == 300
        assert await RedisSingleUse(one).first("name", seconds=9)
        assert not await RedisSingleUse(other).first("name", seconds=9)
        assert await RedisAttempts(one).failed("name", forget_after_seconds=9) == 1
        assert await RedisAttempts(other).failed("name", forget_after_seconds=9) == 2
    keys = await own.run("KEYS", "*")
    assert len(keys) == 3
    for key in keys:
        assert key.startswith("nsl:")
        assert 0 < await own.run("TTL", key) <= 64


async def test_a_busy_subject_seldom_makes_a_round_trip(own: RedisServer) -> None:
    async with Redis(own.url) as redis:
        limiter = RedisLimiter(redis)
        for _ in range(5):
            started = time.monotonic()
            before = await own.commands()
            for index in range(1000):
                allowance = limiter.take_now("busy", 600_000) or await limiter.take("busy", 600_000)
                assert allowance.admitted
                if index % 10 == 0:
                    await asyncio.sleep(0.001)
            trips = await own.commands() - before
        assert time.monotonic() - started < 5
        assert trips <= 10
        # What was refused is refused without asking again, and those who come together ask once.
        before = await own.commands()
        answers = await asyncio.gather(*(limiter.take("together", 100) for _ in range(500)))
        assert sum(each.admitted for each in answers) == 100
        assert await own.commands() - before <= 3


async def test_many_at_once_wait_for_their_turn_and_not_for_the_server(
    own: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they wait for far longer than one answer may take."""
    monkeypatch.setattr(client_module, "CONNECTIONS_MAX", 1)

    async def slowly(client: Any) -> bool:
        await asyncio.sleep(client_module.OPERATION_SECONDS / 10)
        return bool(await client.ping())

    async with Redis(own.url) as redis:
        assert all(await asyncio.gather(*(redis.run(slowly, certain=True) for _ in range(40))))


async def test_permits_end_within_a_second_of_their_grant(own: RedisServer) -> None:
    async with Redis(own.url) as redis:
        limiter = RedisLimiter(redis)
        held = await lease_of(limiter, "busy")
        await own.kill()
        assert limiter.take_now("busy", 100_000) is not None
        await asyncio.sleep(1)
        assert held.permits > 0
        assert limiter.take_now("busy", 100_000) is None


async def lease_of(limiter: RedisLimiter, subject: str) -> limiter_module._Lease:
    """Ask until permits are held ahead."""
    while True:
        await limiter.take(subject, 100_000)
        lease = limiter._leases[subject]
        if lease.permits > 5:
            return lease
        await asyncio.sleep(0.01)


def degraded() -> float:
    return REGISTRY.get_sample_value("nsl_redis_degraded_total") or 0


async def eventually(attempt: Callable[[], Awaitable[object]]) -> None:
    """Until it no longer raises Unavailable."""
    async with asyncio.timeout(5):
        while True:
            with suppress(Unavailable):
                await attempt()
                return
            await asyncio.sleep(0.02)


async def until_refused(redis: Redis) -> None:
    """Until the watch has seen that the server evicts."""
    async with asyncio.timeout(5):
        while True:
            try:
                await redis.check()
            except EvictionRefused:
                return
            await asyncio.sleep(0.02)


async def take_all(limiter: RedisLimiter, subject: str, limit: int) -> list[Allowance]:
    return [await limiter.take(subject, limit) for _ in range(limit + 2)]


async def test_killed_strict_fails_the_others_count_alone_and_all_recover(own: RedisServer) -> None:
    async with Redis(own.url) as redis:
        limiter, single_use, attempts = RedisLimiter(redis), RedisSingleUse(redis), RedisAttempts(redis)
        assert (await limiter.take("someone", 10, strict=True)).admitted
        await own.kill()
        before = degraded()
        assert [each.admitted for each in await take_all(limiter, "someone", 10)] == [True] * 10 + [False] * 2
        assert degraded() == before + 12
        for attempt in (
            lambda: limiter.take("someone", 10, strict=True),
            lambda: limiter.take("somebody", 10, strict=True),
            lambda: single_use.first("name", seconds=60),
            lambda: attempts.failures("name"),
            lambda: attempts.failed("name", forget_after_seconds=60),
            lambda: attempts.clear("name"),
            redis.check,
        ):
            with pytest.raises(Unavailable):
                await attempt()
        await own.start()
        await eventually(redis.check)
        assert (await limiter.take("someone", 10, strict=True)).admitted
        assert await single_use.first("name", seconds=60)
        assert await attempts.failures("name") == (0, float("inf"))
        assert degraded() == before + 12


async def test_a_server_that_hangs_costs_one_timeout_and_then_nothing(own: RedisServer) -> None:
    async with Redis(own.url) as redis:
        limiter = RedisLimiter(redis)
        with own.frozen():
            started = time.monotonic()
            # More than there are connections: who waits for a turn does not wait for a timeout after it.
            await asyncio.gather(*(limiter.take(f"subject {index}", 10) for index in range(200)))
            assert time.monotonic() - started < 0.5
            # Through several probes of the server: none of them is waited for.
            for _ in range(50):
                started = time.monotonic()
                assert (await limiter.take("someone", 100)).admitted
                assert time.monotonic() - started < 0.1
                await asyncio.sleep(0.02)
        await eventually(redis.check)
        assert (await limiter.take("someone", 100, strict=True)).admitted


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_a_listener_is_told_that_the_connection_is_lost(own: RedisServer, how: str) -> None:
    async with Redis(own.url) as redis:
        bus, listening = RedisBus(redis), asyncio.Event()
        listener = asyncio.create_task(lost(bus, "topic", listening))
        await listening.wait()
        if how == "killed":
            await own.kill()
            await asyncio.wait_for(listener, 5)
            await bus.publish("topic", b"to nobody")
            with pytest.raises(Unavailable):
                async with bus.subscribe("topic"):
                    pass
            await own.start()
        else:
            with own.frozen():
                await asyncio.wait_for(listener, 5)
        await eventually(redis.check)
        async with bus.subscribe("topic") as messages:
            await bus.publish("topic", b"again")
            assert await asyncio.wait_for(anext(messages), 5) == b"again"


async def test_a_server_that_is_not_there_is_not_entered(own: RedisServer) -> None:
    await own.kill()
    with pytest.raises(Unavailable):
        async with Redis(own.url):
            pass


@pytest.mark.parametrize("config", ["allowed", "forbidden", "removed"])
async def test_a_server_that_evicts_is_refused(tmp_path: Path, config: str) -> None:
    options = ["--maxmemory-policy", "allkeys-lru"]
    options += ["--rename-command", "CONFIG", ""] if config == "removed" else []
    async with redis_server(tmp_path, *options) as server:
        url = server.url
        if config == "forbidden":
            await server.run("ACL", "SETUSER", "service", "on", ">secret", "~nsl:*", "&nsl:*", "+@all", "-config")
            url = url.replace("//", "//service:secret@")
        with pytest.raises(EvictionRefused, match="Set `maxmemory-policy noeviction`") as caught:
            async with Redis(url):
                pass
        assert "is allkeys-lru" in caught.value.detail
        if config == "forbidden":
            await server.run("CONFIG", "SET", "maxmemory-policy", "noeviction")
            async with Redis(url) as redis:
                await redis.check()
                assert (await RedisLimiter(redis).take("someone", 10, strict=True)).admitted


async def test_a_server_that_begins_to_evict_is_no_longer_relied_on(own: RedisServer) -> None:
    async with Redis(own.url, watch_seconds=0.05) as redis:
        limiter = RedisLimiter(redis)
        await lease_of(limiter, "busy")
        await own.run("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        await until_refused(redis)
        for attempt in (
            lambda: limiter.take("busy", 100_000, strict=True),
            lambda: RedisSingleUse(redis).first("name", seconds=60),
            lambda: RedisAttempts(redis).failures("name"),
        ):
            with pytest.raises(EvictionRefused):
                await attempt()
        before = degraded()
        assert (await limiter.take("someone", 10)).admitted
        assert degraded() == before
        await own.run("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await eventually(redis.check)
        assert (await limiter.take("someone", 10, strict=True)).admitted


async def test_a_server_that_comes_back_evicting_is_not_relied_on(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, Redis(server.url) as redis:
        await server.kill()
        with pytest.raises(Unavailable):
            await redis.check()
        server.options = ("--maxmemory-policy", "allkeys-lfu")
        await server.start()
        async with asyncio.timeout(5):
            while True:
                with pytest.raises(Unavailable) as caught:
                    await redis.check()
                if caught.type is EvictionRefused:
                    break
                await asyncio.sleep(0.02)


async def test_a_full_memory_fails_closed_and_says_so_before_a_guess(own: RedisServer) -> None:
    async with Redis(own.url) as redis:
        limiter, attempts = RedisLimiter(redis), RedisAttempts(redis)
        await own.run("CONFIG", "SET", "maxmemory", 1)
        for attempt in (
            lambda: attempts.failures("name"),
            lambda: attempts.failed("name", forget_after_seconds=60),
            lambda: RedisSingleUse(redis).first("name", seconds=60),
            lambda: limiter.take("someone", 10, strict=True),
        ):
            with pytest.raises(Unavailable):
                await attempt()
        before = degraded()
        assert (await limiter.take("someone", 10)).admitted
        assert degraded() == before + 1
