"""Passwords known from breaches, by the range protocol of Have I Been Pwned: only five hex digits of a hash leave.

Source: https://haveibeenpwned.com/API/v3#PwnedPasswords
"""

import hashlib
from typing import Self

import httpx
import structlog

TIMEOUT_SECONDS = 2.0
_PREFIX_DIGITS = 5

_log = structlog.get_logger("nsl.adapters")


class PwnedPasswords:
    """``url`` is the service's, such as ``https://api.pwnedpasswords.com``. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, headers={"Add-Padding": "true"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def known(self, password: str) -> bool:
        """Whether it is known. A service that does not answer keeps nobody from choosing a strong password."""
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            answer = await self._http.get(f"/range/{digest[:_PREFIX_DIGITS]}")
            answer.raise_for_status()
        except httpx.HTTPError:
            _log.warning("breached passwords cannot be asked for")
            return False
        lines = (line.partition(":") for line in answer.text.splitlines())
        return any(suffix == digest[_PREFIX_DIGITS:] and count.strip() != "0" for suffix, _, count in lines)
