"""Rate limits: in any 60 seconds at most so many requests of one subject, over all replicas together.

Two rules admit a request, and either of them suffices. "Span" is 61 seconds: the window, and one second more because a
replica may use a permit up to a second after it was granted.

*Pace* (GCRA): every permit moves a subject's "theoretical arrival time" (TAT) one interval into the future, counted
from now if it lay in the past. A request is on pace while the TAT, with it, lies at most ``burst`` intervals ahead. All
permits of a span that ends with such a request are then at most ``span / interval + burst``; the interval is chosen so
that this is the limit: ``span / (limit - burst)``.

*Credit*: a subject that was at rest (its TAT in the past) may be ahead of the pace for the next span, as long as all
permits of the last span, counted by the second, are within the limit. So who asks seldom may use the whole minute's
limit at once, for instance for a batch. Credit moves the TAT like any permit does: who goes on asking comes to no rest,
gets no second credit, and is held to the pace, which is (limit - burst) * 60 / 61 a minute: 96 % of the limit.

The burst is a fiftieth of the limit, but at least two: who asks without end is then never at rest, though each request
comes a little late. For a limit below 80 that would be too much of it: there the burst is zero and all is credit. The
counts then admit the limit every 62 seconds.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self

from nsl.kit.clock import monotonic
from nsl.kit.errors import Exhausted

WINDOW_SECONDS = 60
#: How long after its grant a permit may be used.
LEASE_SECONDS = 1
#: Permits granted within this span may be used within one window.
SPAN_SECONDS = WINDOW_SECONDS + LEASE_SECONDS
#: A count of a whole second is forgotten when the last moment of that second is SPAN_SECONDS ago.
COUNTED_SECONDS = SPAN_SECONDS + 1
SUBJECTS_MAX = 100_000

_BURST_SHARE = 50
_BURST_MIN = 2
_PACED_FROM = 80
_EVICTED_AT_ONCE = 2

#: takes more of the caller's allowance, for a request that counts as many
type Spend = Callable[[int], Awaitable[None]]


class RateLimited(Exhausted):
    code = "RATE_LIMITED"


@dataclass(slots=True)
class Allowance:
    """What a request was told.

    Attributes:
        limit: requests per minute.
        remaining: how many more would be admitted at this moment.
        reset_seconds: at least 1. Refused: until the same request would be admitted, if nobody else of the subject
            comes first; 60 when its cost is above the limit. Admitted: until some of what was used comes back.
    """

    limit: int
    remaining: int
    reset_seconds: int
    admitted: bool


class Limiter(Protocol):
    """Counts requests by subject, such as a client under one class of paths. Times are seconds."""

    def take_now(self, subject: str, limit: int, cost: int = 1) -> Allowance | None:
        """Take ``cost`` of ``limit`` requests per minute, from what this process holds; None: ask ``take``."""
        ...

    async def take(self, subject: str, limit: int, cost: int = 1, *, strict: bool = False) -> Allowance:
        """Take ``cost`` of ``limit`` requests per minute, all of them or none.

        Args:
            subject: whose requests are counted together; always with the same limit.
            limit: requests per minute.
            cost: how many requests this one counts for.
            strict: rather refuse than count in this process alone.

        Raises:
            Unavailable: ``strict``, and what all replicas used cannot be known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """A limit as the module's text describes it.

    Attributes:
        limit: permits per window.
        burst: permits by which a subject on pace may be ahead.
        interval: seconds between two permits on pace.
    """

    limit: int
    burst: int
    interval: float

    @classmethod
    def of(cls, limit: int) -> Self:
        """The pace of a limit per minute. A limit below 1 admits nothing."""
        burst = max(limit // _BURST_SHARE, _BURST_MIN) if limit >= _PACED_FROM else 0
        return cls(limit, burst, SPAN_SECONDS / max(limit - burst, 1))


pace_of = lru_cache(maxsize=1024)(Pace.of)


class _Meter:
    """What one subject has used: its TAT, since when it is not at rest, and its permits by the second, oldest first."""

    __slots__ = ("counts", "since", "tat", "used")

    def __init__(self) -> None:
        self.tat = self.since = -math.inf
        self.counts: deque[list[int]] = deque()
        self.used = 0

    def forget(self, now: float) -> bool:
        """Drop what no longer counts; whether nothing is left, and the subject is as good as a new one."""
        oldest = int(now) - COUNTED_SECONDS
        while self.counts and self.counts[0][0] <= oldest:
            self.used -= self.counts.popleft()[1]
        return not self.counts and self.tat <= now

    def take(self, pace: Pace, now: float, cost: int) -> Allowance:
        """Admit ``cost`` or refuse it."""
        self.forget(now)
        if self.tat <= now:
            self.tat = self.since = now
        wait = self._wait(pace, now, cost)
        if admitted := wait <= 0:
            self.tat += cost * pace.interval
            self._count(int(now), cost)
            wait = self.counts[0][0] + COUNTED_SECONDS - now
        return Allowance(pace.limit, self._remaining(pace, now), max(math.ceil(wait), 1), admitted)

    def _wait(self, pace: Pace, now: float, cost: int) -> float:
        """Seconds until ``cost`` would be admitted; zero or less: now."""
        if cost > pace.limit:
            return WINDOW_SECONDS
        on_credit = self._when_used(pace.limit - cost, now)
        if on_credit >= self.since + SPAN_SECONDS:
            on_credit = max(on_credit, self.tat)
        on_pace = self.tat + (cost - pace.burst) * pace.interval if cost <= pace.burst else math.inf
        return min(on_credit, on_pace) - now

    def _count(self, second: int, cost: int) -> None:
        self.used += cost
        if self.counts and self.counts[-1][0] == second:
            self.counts[-1][1] += cost
        else:
            self.counts.append([second, cost])

    def _when_used(self, most: int, now: float) -> float:
        """When at most ``most`` permits of the span will be left."""
        above = self.used - most
        when = now
        for second, count in self.counts:
            if above <= 0:
                break
            above -= count
            when = second + COUNTED_SECONDS
        return when

    def _remaining(self, pace: Pace, now: float) -> int:
        on_credit = pace.limit - self.used if now < self.since + SPAN_SECONDS else 0
        return max(on_credit, pace.burst - math.ceil((self.tat - now) / pace.interval), 0)


class LocalLimiter:
    """Counts what this process admits, exactly.

    Args:
        subjects_max: how many subjects are remembered. Somebody who invents subjects must not make it forget who has
            used up a limit, so only those are dropped whose allowance is whole again. While there is none of these, new
            subjects of one limit share one allowance: those known before them lose nothing.
    """

    def __init__(self, subjects_max: int = SUBJECTS_MAX) -> None:
        self._subjects_max = subjects_max
        #: Least recently admitted first.
        self._meters: OrderedDict[str, _Meter] = OrderedDict()
        self._shared: dict[int, _Meter] = {}

    def take_now(self, subject: str, limit: int, cost: int = 1) -> Allowance:
        """As ``Limiter.take_now``, but it always knows."""
        now = monotonic()
        meter = self._meters.get(subject)
        if meter is None:
            meter = self._meter_for_new(subject, limit, now)
        allowance = meter.take(pace_of(limit), now, cost)
        if allowance.admitted and subject in self._meters:
            self._meters.move_to_end(subject)
        return allowance

    async def take(self, subject: str, limit: int, cost: int = 1, *, strict: bool = False) -> Allowance:
        """As ``Limiter.take``; a process that is all there is knows everything, so ``strict`` changes nothing."""
        del strict
        return self.take_now(subject, limit, cost)

    def _meter_for_new(self, subject: str, limit: int, now: float) -> _Meter:
        # Two for one: the memory of a flood that is over shrinks again.
        for _ in range(_EVICTED_AT_ONCE):
            oldest = next(iter(self._meters), None)
            if oldest is None or not self._meters[oldest].forget(now):
                break
            del self._meters[oldest]
        if len(self._meters) < self._subjects_max:
            meter = self._meters[subject] = _Meter()
            return meter
        return self._shared.setdefault(limit, _Meter())


def exhausted(allowance: Allowance) -> RateLimited:
    """The error of a request that was not admitted."""
    return RateLimited(
        f"At most {allowance.limit} requests a minute are allowed here; try again in {allowance.reset_seconds} s.",
        retry_after_seconds=allowance.reset_seconds,
    )
