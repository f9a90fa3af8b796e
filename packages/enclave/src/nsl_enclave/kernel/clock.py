"""Time and randomness of the enclave. The host tells the time, and is not trusted with it."""

import os
import time

# How far a host's clock may be ahead of what has passed here: at once, and for each second. What goes further is a lie,
# or waits for the other replicas' word.
STEP_SECONDS_MAX = 120.0
DRIFT_MAX = 0.0005


def monotonic() -> float:
    """Seconds that only grow."""
    return time.monotonic()


def wall() -> float:
    """Unix seconds, as the host says."""
    return time.time()


def random_bytes(count: int) -> bytes:
    """Bytes of the operating system's generator."""
    return os.urandom(count)


class EnclaveTime:
    """Unix seconds that never run backward, and forward only as fast as time passes, but for small corrections.

    Pure: what the host says is an argument. Where the host's clock goes astray, time goes on from what it was.

    Args:
        host: the host's clock, Unix seconds; at the start there is nothing to hold against it but the floor.
        elapsed: seconds of a clock that only grows.
        floor: the latest time that was seen before this start; earlier is never said.
    """

    def __init__(self, host: float, elapsed: float, floor: float = 0.0) -> None:
        self._latest = max(host, floor)
        self._elapsed = elapsed
        self._allowance = STEP_SECONDS_MAX

    def at(self, host: float, elapsed: float) -> float:
        """The time, given the host's two clocks, of which the second is not believed to run backward either."""
        passed = max(0.0, elapsed - self._elapsed)
        self._elapsed = max(elapsed, self._elapsed)
        self._allowance = min(STEP_SECONDS_MAX, self._allowance + passed * DRIFT_MAX)
        self._latest += passed
        ahead = host - self._latest
        if 0 < ahead <= self._allowance:
            self._allowance -= ahead
            self._latest = host
        return self._latest

    def agree(self, time: float) -> None:
        """Another replica's time, from a quote-bound message: the later one holds for both."""
        self._latest = max(self._latest, time)


class SteadyTime:
    """Unix seconds that only pass: what the host says counts at the start, and never again.

    By it is counted how much happens in a time, and a host that moves its clock changes nothing of that. Replicas hold
    theirs against each other's before they sign.

    Args:
        start: Unix seconds.
        elapsed: seconds of a clock that only grows.
    """

    def __init__(self, start: float, elapsed: float) -> None:
        self._ahead = start - elapsed

    def at(self, elapsed: float) -> float:
        """The time."""
        return elapsed + self._ahead
