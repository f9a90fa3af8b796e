"""Time and randomness of the enclave. Time comes from the host and is not trusted with more than time-outs."""

import os
import time


def monotonic() -> float:
    """Seconds that only grow."""
    return time.monotonic()


def random_bytes(count: int) -> bytes:
    """Bytes of the operating system's generator."""
    return os.urandom(count)
