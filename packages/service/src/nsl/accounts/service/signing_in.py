"""Signing in with a password: equal answers for known and unknown people, and locks that grow with each failure."""

from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from nsl.accounts import store
from nsl.accounts.errors import (
    AccountLocked,
    EmailNotVerified,
    InvalidCredentials,
    OtpRequired,
    TooManyAttempts,
)
from nsl.accounts.model import (
    ADDRESS_FAILURES,
    FAILURES_FORGOTTEN_SECONDS,
    Origin,
    email_address,
    locked_seconds,
)
from nsl.accounts.service.passwords import Passwords
from nsl.accounts.service.second_factors import SecondFactors
from nsl.kit.db import Database
from nsl.kit.errors import Malformed
from nsl.kit.replicas import Attempts

_ADDRESS_FORGOTTEN_SECONDS: Final = 900

_log = structlog.get_logger("nsl.accounts")
_sign_ins = Counter("nsl_sign_ins_total", "Sign-ins with a password, by how they ended.", ["outcome"])


class SigningIn:
    """Checks a password and, where there is one, the second factor."""

    def __init__(self, database: Database, passwords: Passwords, factors: SecondFactors, attempts: Attempts) -> None:
        self._database = database
        self._passwords = passwords
        self._factors = factors
        self._attempts = attempts

    async def password(
        self, email: str, password: str, code: str | None, origin: Origin
    ) -> tuple[UUID, tuple[str, ...]]:
        """Who it is, and how they proved it (RFC 8176).

        Raises:
            AccountLocked, TooManyAttempts: after too many failures, whether or not there is such a person.
            InvalidCredentials: no such person or another password.
            EmailNotVerified, OtpRequired: only after the right password.
            Unavailable: failures cannot be counted; Busy: too many sign in at once.
        """
        try:
            identifier = email_address(email)
        except Malformed:
            # Nobody has it, and it is still counted and locked.
            identifier = "?" + "".join(filter(str.isprintable, email))[:254]
        await self._check_locks(identifier, origin)
        user, hashed = await self._lookup(identifier)
        if not await self._passwords.matches(hashed, password) or user is None:
            await self._failed(identifier, origin)
            raise InvalidCredentials("The address or the password is not right.")
        async with self._database.transaction(subject=user) as connection:
            person = await store.user(connection, user)
            second = await self._factors.needed(connection, user)
        if person is None or person.disabled:
            await self._failed(identifier, origin)
            raise InvalidCredentials("The address or the password is not right.")
        if not person.email_verified:
            _sign_ins.labels("unverified").inc()
            raise EmailNotVerified("Verify your address first: follow the link that was mailed to you.")
        amr: tuple[str, ...] = ("pwd",)
        if second:
            await self._check_code(user, identifier, code, origin)
            amr = ("pwd", "otp", "mfa")
        if self._passwords.outdated(hashed or ""):
            await self._set_hash(user, await self._passwords.hash(password))
        await self._attempts.clear(f"login:{identifier}")
        _sign_ins.labels("ok").inc()
        return user, amr

    async def confirm(self, user: UUID, password: str, origin: Origin) -> None:
        """The present password of somebody who is signed in. Raises as ``password``."""
        name = f"user:{user}"
        await self._check_locks(name, origin)
        async with self._database.transaction(subject=user) as connection:
            row = await store.one(connection, "password", id=user)
        if not await self._passwords.matches(None if row is None else row["hash"], password):
            await self._failed(name, origin)
            raise InvalidCredentials("The present password is not right.")
        await self._attempts.clear(f"login:{name}")

    async def forget(self, email: str) -> None:
        """Open a lock: the person proved by mail who they are."""
        await self._attempts.clear(f"login:{email}")

    async def _check_code(self, user: UUID, identifier: str, code: str | None, origin: Origin) -> None:
        if code is None:
            _sign_ins.labels("otp_required").inc()
            raise OtpRequired("Send the one-time password of your authenticator, or a recovery code, as otp.")
        async with self._database.transaction(subject=user) as connection:
            right = await self._factors.check(connection, user, code)
        if not right:
            await self._failed(identifier, origin)
            raise InvalidCredentials("The one-time password is not right.")

    async def _lookup(self, identifier: str) -> tuple[UUID | None, str | None]:
        async with self._database.transaction() as connection:
            user = await store.user_by(connection, "email", email=identifier)
        # The same statements for an unknown person, so that it takes as long.
        async with self._database.transaction(subject=user or UUID(int=0)) as connection:
            row = await store.one(connection, "password", id=user or UUID(int=0))
        return user, None if row is None else row["hash"]

    async def _set_hash(self, user: UUID, hashed: str) -> None:
        async with self._database.transaction(subject=user) as connection:
            await store.do(connection, "set_password", id=user, hash=hashed)

    async def _check_locks(self, identifier: str, origin: Origin) -> None:
        seconds = locked_seconds(*await self._attempts.failures(f"login:{identifier}"))
        if seconds:
            _sign_ins.labels("locked").inc()
            raise AccountLocked(f"Too many failures; try again in {seconds} s, or reset your password.")
        count, _ = await self._attempts.failures(f"address:{origin.address}")
        if count >= ADDRESS_FAILURES:
            _sign_ins.labels("limited").inc()
            raise TooManyAttempts("Too many failures from your address.", retry_after_seconds=60)

    async def _failed(self, identifier: str, origin: Origin) -> None:
        _sign_ins.labels("failed").inc()
        await self._attempts.failed(f"login:{identifier}", forget_after_seconds=FAILURES_FORGOTTEN_SECONDS)
        name = f"address:{origin.address}"
        if await self._attempts.failed(name, forget_after_seconds=_ADDRESS_FORGOTTEN_SECONDS) == ADDRESS_FAILURES:
            _log.warning("too many sign-in failures from one address", address=origin.address)
