"""Time and randomness of the enclave. The host tells the time, and is not trusted with it."""

import os
import time

# A host's clock is corrected by so much at most; whatever goes further is a lie or waits for the other replicas' word.
STEP_SECONDS_MAX = 120.0


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
        floor: the latest time that was seen before this start; earlier is never said.
    """

    def __init__(self, host: float, elapsed: float, floor: float = 0.0) -> None:
        self._latest = max(host, floor)
        self._elapsed = elapsed
        self._corrected = 0.0

    def at(self, host: float, elapsed: float) -> float:
        """The time, given the host's clock and its monotonic one, which is not believed to run backward either."""
        passed = max(0.0, elapsed - self._elapsed)
        expected = self._latest + passed
        self._elapsed = max(elapsed, self._elapsed)
        ahead = host - expected
        if 0 < ahead <= STEP_SECONDS_MAX - self._corrected:
            self._corrected += ahead
            expected = host
        self._latest = expected
        return expected

    def agree(self, time: float) -> None:
        """Another replica's time: the later one holds for both."""
        self._latest = max(self._latest, time)
