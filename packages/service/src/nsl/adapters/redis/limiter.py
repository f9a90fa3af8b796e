"""Rate limits over all replicas: a script in Redis grants permits, some of them ahead, for use here within a second."""

import asyncio
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import Counter

from nsl.adapters.redis.client import Redis
from nsl.kit.clock import monotonic
from nsl.kit.errors import Unavailable
from nsl.kit.limits import LEASE_SECONDS, WINDOW_SECONDS, Allowance, LocalLimiter, Pace, pace_of

LEASES_MAX = 20_000
#: A lease is meant for half of the time that it lasts, so that little of it is lost.
_AHEAD_SECONDS = 0.5
#: Demand is never measured over less: two requests at once are not a thousand a second.
_MEASURED_SECONDS = 0.25
#: No subject leases more ahead than this part of its limit, which an idle replica then keeps from the others.
_AHEAD_SHARE = 50
#: Refused, a subject that asks without end is not asked for again sooner. What comes back meanwhile is not lost: a pace
#: with intervals as short as this has a burst of more than a second.
_REFUSED_SECONDS = 0.05
_MICROSECONDS = 1_000_000

_SCRIPT = Path(__file__).with_name("limit.lua").read_text(encoding="utf-8")

_degraded = Counter("nsl_redis_degraded_total", "Requests that were limited by one replica alone, as Redis was away.")


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request for ``cost`` permits and where its answer goes."""

    cost: int
    answer: asyncio.Future[Allowance]


@dataclass(slots=True, eq=False)
class _Lease:
    """What this process holds of one subject. Moments are those of ``monotonic``.

    Attributes:
        permits: how many may be used until ``expires``.
        left: how many Redis had left after the grant.
        reset_at: when some of what was used comes back.
        used: permits used since ``measured_from``.
        refused_cost: this cost or more, of ``refused_limit`` or a lower one, is refused until ``refused_until``.
    """

    permits: int = 0
    expires: float = -math.inf
    left: int = 0
    reset_at: float = -math.inf
    used: int = 0
    measured_from: float = -math.inf
    refused_cost: int = 0
    refused_limit: int = 0
    refused_until: float = -math.inf
    waiting: deque[_Waiting] = field(default_factory=deque)
    refill: asyncio.Task[None] | None = None

    def take(self, limit: int, cost: int, now: float) -> Allowance | None:
        """Use permits, or refuse what Redis has just refused; None when neither can be."""
        if self.permits >= cost and now < self.expires:
            self.permits -= cost
            self.used += cost
            return Allowance(limit, self.permits + self.left, max(math.ceil(self.reset_at - now), 1), admitted=True)
        if now < self.refused_until and cost >= self.refused_cost and limit <= self.refused_limit:
            remaining = self.left + self.held(now)
            return Allowance(limit, remaining, max(math.ceil(self.refused_until - now), 1), admitted=False)
        return None

    def held(self, now: float) -> int:
        """Permits that may be used still."""
        return self.permits if now < self.expires else 0

    def first(self) -> _Waiting | None:
        """Who waits for the longest, after those who have given up were dropped."""
        while self.waiting and self.waiting[0].answer.done():
            self.waiting.popleft()
        return self.waiting[0] if self.waiting else None

    def wanted(self, limit: int, now: float) -> int:
        """Permits for all that wait, and for the demand of the next moments."""
        waiting = sum(each.cost for each in self.waiting)
        demand = self.used / max(now - self.measured_from, _MEASURED_SECONDS)
        return waiting + min(round(demand * _AHEAD_SECONDS), limit // _AHEAD_SHARE)

    def granted(self, asked_at: float, permits: int) -> None:
        """Hold what was granted, besides what is held still."""
        held = self.held(monotonic())
        # Redis granted them later than it was asked, so they end here before they do there.
        expires = asked_at + LEASE_SECONDS
        self.expires = min(expires, self.expires) if held else expires
        self.permits = held + permits
        self.used, self.measured_from = 0, asked_at


class RedisLimiter:
    """As ``nsl.kit.limits.Limiter``, for all replicas with the same server.

    Permits that a busy subject will need in the next half second are leased ahead, so most requests make no round trip;
    those that do and come together make one. What was refused is refused again here until it could be granted.

    While Redis is away every replica counts by itself with the whole limit, except what is ``strict``.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.script(_SCRIPT)
        self._local = LocalLimiter()
        #: Least recently asked for first.
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def take_now(self, subject: str, limit: int, cost: int = 1) -> Allowance | None:
        """As ``Limiter.take_now``."""
        if cost > limit:
            return Allowance(limit, 0, WINDOW_SECONDS, admitted=False)
        lease = self._leases.get(subject)
        return None if lease is None else lease.take(limit, cost, monotonic())

    async def take(self, subject: str, limit: int, cost: int = 1, *, strict: bool = False) -> Allowance:
        """As ``Limiter.take``. Raises Unavailable when ``strict``."""
        if strict:
            self._redis.require_certainty()
        allowance = self.take_now(subject, limit, cost)
        if allowance is not None:
            return allowance
        try:
            return await self._wait(subject, limit, cost)
        except Unavailable:
            if strict:
                raise
        _degraded.inc()
        return self._local.take_now(subject, limit, cost)

    async def _wait(self, subject: str, limit: int, cost: int) -> Allowance:
        """The answer of the round trip that is to be made. Raises Unavailable."""
        lease = self._leases.get(subject)
        if lease is None:
            self._make_room()
            lease = self._leases[subject] = _Lease()
        waiting = _Waiting(cost, asyncio.get_running_loop().create_future())
        lease.waiting.append(waiting)
        if lease.refill is None:
            self._leases.move_to_end(subject)
            # A task of its own: whoever asked first may give up while others wait with it.
            lease.refill = asyncio.create_task(self._refill(lease, subject, pace_of(limit)))
        return await waiting.answer

    async def _refill(self, lease: _Lease, subject: str, pace: Pace) -> None:
        """Ask Redis until everybody who waits has an answer; each round answers at least the first."""
        try:
            while first := lease.first():
                await self._ask(lease, subject, pace, first.cost)
                now = monotonic()
                while (first := lease.first()) and (allowance := lease.take(pace.limit, first.cost, now)):
                    lease.waiting.popleft()
                    first.answer.set_result(allowance)
        except Unavailable as error:
            while first := lease.first():
                lease.waiting.popleft()
                # One of its own for each: they raise it in places of their own.
                first.answer.set_exception(Unavailable(error.detail))
        finally:
            lease.refill = None
            # Nobody, unless this task was cancelled or is defective.
            for each in lease.waiting:
                each.answer.cancel()

    async def _ask(self, lease: _Lease, subject: str, pace: Pace, cost: int) -> None:
        """Make one round trip for what ``cost`` lacks, and more for the others. Raises Unavailable."""
        asked_at = monotonic()
        held = lease.held(asked_at)
        want = lease.wanted(pace.limit, asked_at) - held
        granted, lease.left, reset, wait = await self._redis.run(
            lambda client: self._script(
                keys=[f"nsl:limit:{subject}"], args=[pace.limit, pace.burst, cost - held, want], client=client
            ),
            certain=False,
        )
        now = monotonic()
        if granted:
            lease.granted(asked_at, granted)
            lease.reset_at = now + reset / _MICROSECONDS
        # Either this cost was refused, or nothing is left for any other.
        lease.refused_cost, lease.refused_limit = 1 if granted else cost, pace.limit
        lease.refused_until = now + max(wait / _MICROSECONDS, _REFUSED_SECONDS) if wait else -math.inf

    def _make_room(self) -> None:
        """Drop what was not asked for the longest: at worst permits are lost that nobody has used in a second."""
        while len(self._leases) >= LEASES_MAX:
            subject, lease = next(iter(self._leases.items()))
            if lease.refill is not None:
                break
            del self._leases[subject]
