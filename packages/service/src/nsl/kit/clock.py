"""The only wall clock, timer and randomness of the service; everything else is handed these."""

import asyncio
import secrets
import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present time, UTC, with microseconds."""
    return datetime.now(UTC)


def unix_seconds() -> int:
    """Whole seconds since 1970, as JWT claims count them (RFC 7519 NumericDate)."""
    return int(time.time())


def monotonic() -> float:
    """Seconds on a clock that never runs backward; only differences mean anything."""
    return time.monotonic()


async def pause(seconds: float) -> None:
    """Let ``seconds`` pass between two polls of something outside."""
    await asyncio.sleep(seconds)


def random_bytes(count: int) -> bytes:
    """``count`` bytes from the operating system's generator."""
    return secrets.token_bytes(count)


def random_text(bytes_of_entropy: int = 32) -> str:
    """A URL-safe secret of that many random bytes."""
    return secrets.token_urlsafe(bytes_of_entropy)
