"""What every adapter of ``nsl.kit.limits.Limiter`` and of the ports in ``nsl.kit.replicas`` must do.

A test module inherits the suites and gives each its fixture: ``limiter``, ``bus``, ``single_use`` or ``attempts``.
"""

import asyncio
from contextlib import suppress
from uuid import uuid4

import pytest

from nsl.kit.errors import Unavailable
from nsl.kit.limits import Limiter
from nsl.kit.replicas import Attempts, Bus, SingleUse

TIMEOUT_SECONDS = 5


class _Suite:
    @pytest.fixture
    def subject(self) -> str:
        """A name that nobody has used."""
        return uuid4().hex


class LimiterPort(_Suite):
    """Inherit, and provide the fixture ``limiter``."""

    @pytest.mark.parametrize("limit", [1, 5, 79, 80, 200])
    async def test_the_limit_may_be_used_at_once_and_no_more(self, limiter: Limiter, subject: str, limit: int) -> None:
        answers = [await limiter.take(subject, limit) for _ in range(limit + 3)]
        assert [each.admitted for each in answers] == [True] * limit + [False] * 3
        assert [each.remaining for each in answers] == [*range(limit - 1, -1, -1), 0, 0, 0]
        assert all(each.limit == limit for each in answers)
        assert all(1 <= each.reset_seconds <= 62 for each in answers)

    async def test_so_it_is_when_all_ask_together(self, limiter: Limiter, subject: str) -> None:
        answers = await asyncio.gather(*(limiter.take(subject, 40) for _ in range(100)))
        assert sum(each.admitted for each in answers) == 40

    async def test_what_is_held_is_given_at_once_and_never_beyond_the_limit(
        self, limiter: Limiter, subject: str
    ) -> None:
        admitted = 0
        for _ in range(300):
            allowance = limiter.take_now(subject, 200) or await limiter.take(subject, 200)
            admitted += allowance.admitted
        assert admitted == 200

    async def test_a_batch_counts_each_and_is_taken_whole_or_not_at_all(self, limiter: Limiter, subject: str) -> None:
        assert (await limiter.take(subject, 1000)).admitted
        assert (await limiter.take(subject, 1000, 256)).remaining == 743
        assert (await limiter.take(subject, 1000, 700)).admitted
        refused = await limiter.take(subject, 1000, 256)
        assert (refused.admitted, refused.remaining) == (False, 43)
        assert (await limiter.take(subject, 1000, 43)).admitted

    async def test_a_cost_above_the_limit_is_never_admitted(self, limiter: Limiter, subject: str) -> None:
        refused = await limiter.take(subject, 100, 101)
        assert (refused.admitted, refused.reset_seconds) == (False, 60)
        assert (await limiter.take(subject, 100, 100)).admitted

    async def test_a_limit_of_zero_admits_nothing(self, limiter: Limiter, subject: str) -> None:
        assert not (await limiter.take(subject, 0)).admitted

    async def test_subjects_do_not_share(self, limiter: Limiter, subject: str) -> None:
        assert (await limiter.take(subject, 1)).admitted
        assert not (await limiter.take(subject, 1)).admitted
        assert (await limiter.take(f"{subject} other", 1)).admitted

    async def test_a_raised_limit_holds_from_the_next_request_on(self, limiter: Limiter, subject: str) -> None:
        assert (await limiter.take(subject, 2, 2)).admitted
        assert not (await limiter.take(subject, 2)).admitted
        assert (await limiter.take(subject, 40)).admitted

    async def test_strict_is_no_less(self, limiter: Limiter, subject: str) -> None:
        assert (await limiter.take(subject, 1, strict=True)).admitted
        assert not (await limiter.take(subject, 1, strict=True)).admitted

    async def test_who_gives_up_takes_nobody_else_along(self, limiter: Limiter, subject: str) -> None:
        first = asyncio.create_task(limiter.take(subject, 2))
        second = asyncio.create_task(limiter.take(subject, 2))
        await asyncio.sleep(0)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        assert (await second).admitted


class BusPort(_Suite):
    """Inherit, and provide the fixture ``bus``."""

    async def test_all_who_listen_to_the_topic_hear_it(self, bus: Bus, subject: str) -> None:
        async with bus.subscribe(subject) as one, bus.subscribe(subject) as other, asyncio.timeout(TIMEOUT_SECONDS):
            await bus.publish(f"{subject} other", b"not this")
            await bus.publish(subject, b"\x00first")
            await bus.publish(subject, b"second")
            assert [await anext(one), await anext(one)] == [b"\x00first", b"second"]
            assert [await anext(other), await anext(other)] == [b"\x00first", b"second"]

    async def test_nothing_is_kept_for_those_who_do_not(self, bus: Bus, subject: str) -> None:
        await bus.publish(subject, b"before")
        async with bus.subscribe(subject) as messages, asyncio.timeout(TIMEOUT_SECONDS):
            await bus.publish(subject, b"after")
            assert await anext(messages) == b"after"

    async def test_a_quiet_topic_stays_open(self, bus: Bus, subject: str) -> None:
        async with bus.subscribe(subject) as messages, asyncio.timeout(TIMEOUT_SECONDS):
            heard = asyncio.ensure_future(anext(messages))
            # More than the two heartbeats after which a dead connection is given up.
            await asyncio.sleep(2.5)
            await bus.publish(subject, b"at last")
            assert await heard == b"at last"


class SingleUsePort(_Suite):
    """Inherit, and provide the fixture ``single_use``."""

    async def test_only_the_first_is_first(self, single_use: SingleUse, subject: str) -> None:
        answers = await asyncio.gather(*(single_use.first(subject, seconds=60) for _ in range(20)))
        assert sum(answers) == 1
        assert not await single_use.first(subject, seconds=60)
        assert await single_use.first(f"{subject} other", seconds=60)

    async def test_after_its_seconds_a_name_may_be_used_again(self, single_use: SingleUse, subject: str) -> None:
        assert await single_use.first(subject, seconds=1)
        assert not await single_use.first(subject, seconds=1)
        await asyncio.sleep(1.05)
        assert await single_use.first(subject, seconds=1)

    async def test_a_name_may_be_anything(self, single_use: SingleUse) -> None:
        name = "\x00 ü\n" + "x" * 100_000 + uuid4().hex
        assert await single_use.first(name, seconds=60)
        assert not await single_use.first(name, seconds=60)


class AttemptsPort(_Suite):
    """Inherit, and provide the fixture ``attempts``."""

    async def test_failures_are_counted_until_they_are_cleared(self, attempts: Attempts, subject: str) -> None:
        assert await attempts.failures(subject) == (0, float("inf"))
        counts = await asyncio.gather(*(attempts.failed(subject, forget_after_seconds=60) for _ in range(5)))
        assert sorted(counts) == [1, 2, 3, 4, 5]
        assert (await attempts.failures(f"{subject} other"))[0] == 0
        await attempts.clear(subject)
        assert (await attempts.failures(subject))[0] == 0

    async def test_the_age_is_that_of_the_last(self, attempts: Attempts, subject: str) -> None:
        await attempts.failed(subject, forget_after_seconds=60)
        await asyncio.sleep(0.3)
        count, age = await attempts.failures(subject)
        assert (count, 0.25 < age < 2) == (1, True)
        await attempts.failed(subject, forget_after_seconds=60)
        count, age = await attempts.failures(subject)
        assert (count, 0 <= age < 0.25) == (2, True)

    async def test_each_failure_prolongs_the_memory_of_all(self, attempts: Attempts, subject: str) -> None:
        assert await attempts.failed(subject, forget_after_seconds=1) == 1
        await asyncio.sleep(0.7)
        assert await attempts.failed(subject, forget_after_seconds=1) == 2
        await asyncio.sleep(0.7)
        assert (await attempts.failures(subject))[0] == 2
        await asyncio.sleep(0.5)
        assert (await attempts.failures(subject))[0] == 0
        assert await attempts.failed(subject, forget_after_seconds=1) == 1


async def lost(bus: Bus, topic: str, listening: asyncio.Event) -> None:
    """Listen until messages may have been lost. Fails when that is never said."""
    with suppress(Unavailable):
        async with bus.subscribe(topic) as messages:
            listening.set()
            async for _ in messages:
                pass
