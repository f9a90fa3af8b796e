"""People and their sign-ins. Frozen values and pure decisions."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from nsl.accounts.errors import LinkInvalid
from nsl.identity.model import Binding
from nsl.kit.decoding import Unreadable

SESSION_SECONDS: Final = 12 * 3600
REFRESH_SECONDS: Final = 30 * 86_400
#: how long a refresh token that was used may come once more: its answer was lost on the way
GRACE_SECONDS: Final = 10
FREE_FAILURES: Final = 5
LOCK_SECONDS: Final = 30
LOCK_SECONDS_MAX: Final = 3600
FAILURES_FORGOTTEN_SECONDS: Final = 86_400
ADDRESS_FAILURES: Final = 50
EMAIL_CHARACTERS_MAX: Final = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person. ``email`` None: somebody who signs in with a wallet alone."""

    id: UUID
    email: str | None
    email_verified: bool
    display_name: str
    disabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in in one tenant."""

    id: UUID
    tenant: UUID
    user: UUID
    amr: tuple[str, ...]
    authenticated_at: datetime
    address: str
    agent: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from: the network address, and what the program calls itself."""

    address: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """What is kept of one; ``sha256`` is of its text."""

    sha256: bytes
    tenant: UUID
    family: UUID
    user: UUID
    client: UUID
    session: UUID
    scopes: tuple[str, ...]
    binding: Binding | None
    used_at: datetime | None
    revoked: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Passkey:
    """``public_key`` is COSE (RFC 9052)."""

    id: UUID
    credential_id: bytes
    name: str
    public_key: bytes
    sign_count: int
    created_at: datetime
    used_at: datetime | None


def email_address(text: str) -> str:
    """The form in which addresses are compared: trimmed, in lower case.

    Raises:
        Unreadable: it is no address.
    """
    address = text.strip().lower()
    name, found, domain = address.rpartition("@")
    plain = address.isprintable() and not set(' <>()[]\\,;:"') & set(address)
    if not found or not name or "." not in domain.strip(".") or not plain or len(address) > EMAIL_CHARACTERS_MAX:
        raise Unreadable("This is not an e-mail address.", field="email")
    return address


def digest(secret: str) -> bytes:
    """What is kept of a random secret; a slow hash protects guessable ones, and these are not."""
    return hashlib.sha256(secret.encode()).digest()


def locked_seconds(failures: int, since_last: float) -> int:
    """How long an identifier stays locked: doubling from the sixth failure on, an hour at most."""
    if failures < FREE_FAILURES:
        return 0
    whole = min(LOCK_SECONDS * 2 ** min(failures - FREE_FAILURES, 10), LOCK_SECONDS_MAX)
    return max(0, int(whole - since_last + 0.999))


def link_data[T](found: T | None) -> T:
    """What a link, code or challenge stood for. Raises LinkInvalid."""
    if found is None:
        raise LinkInvalid("This link or code is unknown, was used, or has expired; ask for a new one.")
    return found
