"""Rate limits inside one process: in any 60 seconds at most so many requests of one subject.

A sliding window of one-second buckets: exact to the second and never above the limit.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from nsl.kit.clock import monotonic
from nsl.kit.errors import Exhausted

WINDOW_SECONDS = 60
SUBJECTS_MAX = 100_000

type Spend = Callable[[int], None]


class RateLimited(Exhausted):
    code = "RATE_LIMITED"


@dataclass(slots=True)
class Allowance:
    """What a request was told: the limit, what is left of it, and the seconds until some of it comes back."""

    limit: int
    remaining: int
    reset_seconds: int
    admitted: bool


@dataclass(slots=True)
class _Window:
    """Seconds with requests in them, oldest first, and their sum."""

    buckets: deque[list[int]] = field(default_factory=deque)
    total: int = 0


class RateLimiter:
    """Counts by subject, such as a client under one class of paths."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def take(self, subject: str, limit: int, cost: int = 1) -> Allowance:
        """Count ``cost`` requests if all of them fit into the limit."""
        second = int(monotonic())
        window = self._windows.get(subject)
        if window is None:
            window = self._windows[subject] = _Window()
            if len(self._windows) > SUBJECTS_MAX:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(subject)
        buckets = window.buckets
        while buckets and buckets[0][0] <= second - WINDOW_SECONDS - 1:
            window.total -= buckets.popleft()[1]
        admitted = window.total + cost <= limit
        if admitted:
            window.total += cost
            if buckets and buckets[-1][0] == second:
                buckets[-1][1] += cost
            else:
                buckets.append([second, cost])
        reset = buckets[0][0] + WINDOW_SECONDS + 1 - second if buckets else WINDOW_SECONDS
        return Allowance(limit, max(limit - window.total, 0), max(reset, 1), admitted)


def exhausted(allowance: Allowance) -> RateLimited:
    """The error of a request that was not admitted."""
    return RateLimited(
        f"At most {allowance.limit} requests a minute are allowed here; try again in {allowance.reset_seconds} s.",
        retry_after_seconds=allowance.reset_seconds,
    )
