"""In any 60 seconds at most the limit; and the stand-ins of one process for what replicas share."""

import asyncio
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nsl.kit import limits, replicas
from nsl.kit.errors import Unavailable
from nsl.kit.limits import Allowance, LocalLimiter, exhausted
from nsl.kit.replicas import LocalAttempts, LocalBus, LocalSingleUse
from tests.contract.shared_port import AttemptsPort, BusPort, LimiterPort, SingleUsePort, lost

#: Seconds in which at most the limit is granted: a minute, and one for permits that are used late.
SPAN_SECONDS = 61


class Clock:
    """Stands still unless it is moved."""

    def __init__(self, present: float = 1000.3) -> None:
        self.present = present

    def __call__(self) -> float:
        return self.present


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "monotonic", clock)
    monkeypatch.setattr(replicas, "monotonic", clock)
    return clock


class TestLocalLimiter(LimiterPort):
    @pytest.fixture
    def limiter(self) -> LocalLimiter:
        return LocalLimiter()


class TestLocalBus(BusPort):
    @pytest.fixture
    def bus(self) -> LocalBus:
        return LocalBus()


class TestLocalSingleUse(SingleUsePort):
    @pytest.fixture
    def single_use(self) -> LocalSingleUse:
        return LocalSingleUse()


class TestLocalAttempts(AttemptsPort):
    @pytest.fixture
    def attempts(self) -> LocalAttempts:
        return LocalAttempts()


def within(admitted: list[tuple[float, int]], limit: int, seconds: float) -> bool:
    """Whether no so many seconds, both ends included, hold more than the limit. Moments ascend."""
    window: deque[tuple[float, int]] = deque()
    total = 0
    for moment, cost in admitted:
        window.append((moment, cost))
        total += cost
        while window[0][0] < moment - seconds:
            total -= window.popleft()[1]
        if total > limit:
            return False
    return True


requests = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 0.1), st.floats(0, 3), st.floats(0, 70)),
        st.one_of(st.just(1), st.integers(1, 256)),
        st.integers(1, 40),
    ),
    max_size=60,
)
any_limit = st.one_of(st.integers(1, 60), st.integers(50, 300), st.integers(1, 5000))


@given(requests, any_limit, st.floats(0, 10_000))
@example([(0.0, 100, 1), (61.0, 1, 40), (1.0, 100, 3)], 100, 0.9)
def test_no_span_admits_more_than_the_limit(requests: list[tuple[float, int, int]], limit: int, started: float) -> None:
    clock = Clock(started)
    limiter = LocalLimiter()
    admitted: list[tuple[float, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "monotonic", clock)
        for pause, cost, times in requests:
            clock.present += pause
            taken = sum(limiter.take_now("someone", limit, cost).admitted for _ in range(times))
            admitted.append((clock.present, cost * taken))
    assert within(admitted, limit, SPAN_SECONDS)


@given(requests, any_limit)
def test_what_is_told_of_a_refusal_is_true(requests: list[tuple[float, int, int]], limit: int) -> None:
    clock = Clock()
    limiter = LocalLimiter()
    refused = Allowance(limit, 0, 1, admitted=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "monotonic", clock)
        for pause, cost, times in requests:
            clock.present += pause
            for _ in range(times):
                refused = limiter.take_now("someone", limit, cost)
            if refused.admitted:
                continue
            assert refused.remaining < cost
            if cost > limit:
                assert refused.reset_seconds == 60
            else:
                clock.present += refused.reset_seconds
                assert limiter.take_now("someone", limit, cost).admitted


@pytest.mark.parametrize("limit", [1, 5, 60, 79, 80, 99, 100, 1000, 6000])
def test_who_asks_without_end_gets_at_least_95_of_a_hundred(limit: int, clock: Clock) -> None:
    limiter = LocalLimiter()
    started = clock.present
    admitted: list[float] = []
    while clock.present < started + 620:
        # Never earlier than the next permit on the smallest interval here, which is ten milliseconds.
        clock.present += 0.005
        while limiter.take_now("someone", limit).admitted:
            admitted.append(clock.present)
    assert within([(moment, 1) for moment in admitted], limit, SPAN_SECONDS)
    steady = [moment for moment in admitted if moment >= started + 61.999]
    assert len(steady) >= 0.95 * limit * 558 / 60 - 1
    if limit >= 80:
        # On pace: there is no pause of a minute between bursts of a whole limit.
        assert max(later - earlier for earlier, later in pairwise(steady)) < 61 / (0.95 * limit) + 0.01


def test_who_was_at_rest_may_use_all_again(clock: Clock) -> None:
    limiter = LocalLimiter()
    assert limiter.take_now("someone", 100, 100).admitted
    clock.present += 63
    assert limiter.take_now("someone", 100, 1).admitted
    assert limiter.take_now("someone", 100, 99).admitted


def test_a_flood_of_subjects_neither_forgets_nor_grows(clock: Clock) -> None:
    limiter = LocalLimiter(subjects_max=10)
    assert limiter.take_now("victim", 3, 3).admitted
    admitted = sum(limiter.take_now(f"invented {index}", 3).admitted for index in range(50))
    assert admitted == 9 + 3
    assert not limiter.take_now("victim", 3).admitted
    assert not limiter.take_now("newcomer", 3).admitted
    assert len(limiter._meters) == 10
    clock.present += 63
    assert limiter.take_now("newcomer", 3, 3).admitted
    assert len(limiter._meters) == 9
    assert not limiter.take_now("newcomer", 3).admitted


def test_the_error_says_when_to_try_again() -> None:
    error = exhausted(Allowance(100, 0, 7, admitted=False))
    assert error.retry_after_seconds == 7
    assert error.detail == "At most 100 requests a minute are allowed here; try again in 7 s."


async def test_a_slow_listener_is_told_that_it_lost_messages() -> None:
    bus = LocalBus(unread_max=3)
    async with bus.subscribe("topic") as slow, bus.subscribe("topic") as quick:
        for index in range(4):
            await bus.publish("topic", b"%d" % index)
            assert await anext(quick) == b"%d" % index
        assert [await anext(slow) for _ in range(3)] == [b"0", b"1", b"2"]
        with pytest.raises(Unavailable):
            await anext(slow)
    assert not bus._queues


async def test_one_who_only_listens_is_told_as_well() -> None:
    bus, listening = LocalBus(unread_max=0), asyncio.Event()
    listener = asyncio.create_task(lost(bus, "topic", listening))
    await listening.wait()
    await bus.publish("topic", b"too much")
    await asyncio.wait_for(listener, 5)


async def test_names_of_single_use_are_not_forgotten_for_new_ones(clock: Clock) -> None:
    single_use = LocalSingleUse(names_max=3)
    for index in range(3):
        assert await single_use.first(f"{index}", seconds=10 + index)
    with pytest.raises(Unavailable):
        await single_use.first("another", seconds=10)
    assert not await single_use.first("0", seconds=10)
    clock.present += 10.5
    assert await single_use.first("another", seconds=10)
    with pytest.raises(Unavailable):
        await single_use.first("yet another", seconds=10)


async def test_failures_are_not_forgotten_for_new_names(clock: Clock) -> None:
    attempts = LocalAttempts(names_max=2)
    assert await attempts.failed("one", forget_after_seconds=10) == 1
    assert await attempts.failed("two", forget_after_seconds=20) == 1
    with pytest.raises(Unavailable):
        await attempts.failures("three")
    with pytest.raises(Unavailable):
        await attempts.failed("three", forget_after_seconds=10)
    assert await attempts.failures("one") == (1, 0.0)
    assert await attempts.failed("two", forget_after_seconds=20) == 2
    clock.present += 11
    assert await attempts.failed("three", forget_after_seconds=10) == 1
    assert await attempts.failures("two") == (2, 11.0)
