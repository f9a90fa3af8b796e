"""Holds, and what is known of a person. Frozen values and pure decisions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

#: how long what a leaf of the audit log commits to is kept
RETENTION: Final = timedelta(days=7 * 365 + 2)


@dataclass(frozen=True, slots=True)
class Hold:
    """While it is in force nothing is erased. ``subject``: the person it is about; None: all of the tenant is held."""

    id: UUID
    subject: UUID | None
    reason: str
    set_by: str
    set_at: datetime
    lifted_because: str | None = None
    lifted_by: str | None = None
    lifted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure came to. ``account_kept_because``: None where the account was erased with the rest."""

    texts: int
    account_kept_because: str | None


def floor_id(at: datetime) -> UUID:
    """The least id that was made then: a UUIDv7 begins with its milliseconds (RFC 9562 section 5.7)."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62)
