"""Passwords: hashed with Argon2id (RFC 9106), one at a time and out of everybody else's way; weak ones refused."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from prometheus_client import Counter, Gauge
from zxcvbn import zxcvbn

from nsl.accounts.errors import Busy, PasswordWeak
from nsl.accounts.ports import BreachedPasswords

CHARACTERS_MIN: Final = 10
CHARACTERS_MAX: Final = 256
SCORE_MIN: Final = 3
#: zxcvbn's time grows with the square of the length
SCORED_CHARACTERS_MAX: Final = 72
WAITING_MAX: Final = 16
_NICENESS: Final = 15

_waiting = Gauge("nsl_password_checks_waiting", "Passwords that wait to be hashed.")
_refused = Counter("nsl_password_checks_refused_total", "Password checks refused because too many were waiting.")


class Passwords:
    """Hashes in one thread of low priority: sign-ins never take the processor from requests that are signed in."""

    def __init__(self, breached: BreachedPasswords) -> None:
        self._breached = breached
        # OWASP's second choice: 19 MiB, two passes, one lane.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._thread = ThreadPoolExecutor(1, "passwords", initializer=_step_back)
        self._queued = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """In PHC string format. Raises Busy."""
        return await self._run(self._hasher.hash, password)

    async def matches(self, hashed: str | None, password: str) -> bool:
        """Whether it is the password; without a hash it takes as long, and is not. Raises Busy."""
        if hashed is None and self._nobodys is None:
            self._nobodys = await self.hash("nobody's")
        found = await self._run(self._verify, hashed or self._nobodys or "", password[: CHARACTERS_MAX + 1])
        return found and hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Whether the costs were raised since it was hashed."""
        return self._hasher.check_needs_rehash(hashed)

    async def check_strength(self, password: str, *about: str) -> None:
        """Whether it may be chosen by somebody of whom ``about`` is known, such as the address.

        Raises:
            PasswordWeak: and what would be better.
        """
        if not CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX:
            raise PasswordWeak(f"A password has {CHARACTERS_MIN} to {CHARACTERS_MAX} characters.", field="password")
        found = zxcvbn(password[:SCORED_CHARACTERS_MAX], user_inputs=[each[:SCORED_CHARACTERS_MAX] for each in about])
        if found["score"] < SCORE_MIN:
            feedback = found["feedback"]
            advice = " ".join(filter(None, [feedback["warning"], *feedback["suggestions"]]))
            raise PasswordWeak(f"This password is too easily guessed. {advice}".strip(), field="password")
        if await self._breached.known(password):
            raise PasswordWeak("This password is known from a breach elsewhere; choose another.", field="password")

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run[*Args, T](self, function: Callable[[*Args], T], *arguments: *Args) -> T:
        if self._queued >= WAITING_MAX:
            _refused.inc()
            raise Busy("Too many people are signing in at this moment; try again.", retry_after_seconds=2)
        self._queued += 1
        _waiting.set(self._queued)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
        finally:
            self._queued -= 1
            _waiting.set(self._queued)


class NoBreaches:
    """Without a service to ask: the strength check knows the most common passwords by itself."""

    async def known(self, password: str) -> bool:  # noqa: ARG002 - the port's
        return False


def _step_back() -> None:
    # On Linux the priority is the thread's own.
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
