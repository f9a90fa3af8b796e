"""The SDK's only sleep, clock and randomness."""

import asyncio
import secrets
import time
from uuid import UUID, uuid4


def monotonic() -> float:
    """Seconds that only grow."""
    return time.monotonic()


def wait(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


async def wait_async(seconds: float) -> None:
    """Let time pass, and others work."""
    await asyncio.sleep(seconds)


def fresh_key() -> str:
    """A new Idempotency-Key: 128 random bits."""
    return secrets.token_hex(16)


def fresh_uuid() -> UUID:
    """A name that nothing else has."""
    return uuid4()


def jitter(seconds: float) -> float:
    """Between half and all of ``seconds``, so that many clients do not come back at once."""
    return seconds * (0.5 + secrets.randbelow(1000) / 2000)


def random_bytes(count: int) -> bytes:
    """From the operating system's generator."""
    return secrets.token_bytes(count)


def unix_seconds() -> int:
    """The present time."""
    return int(time.time())
