"""What an answer over HTTP says."""

from typing import Any

import httpx


def done(answer: httpx.Response) -> dict[str, Any]:
    """What was made or shown."""
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.json()["code"]
