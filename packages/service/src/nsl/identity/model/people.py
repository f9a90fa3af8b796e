"""Who belongs to a tenant, and what they may do there beside their roles. Frozen values."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person as the tenant sees them. ``active``: may work here, and is not disabled everywhere."""

    id: UUID
    email: str | None
    display_name: str
    roles: tuple[str, ...]
    active: bool
    external_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """People who have roles together."""

    id: UUID
    name: str
    external_id: str | None
    roles: tuple[str, ...]
    members: tuple[UUID, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One scope on one thing, for a person or a client."""

    id: UUID
    subject: UUID
    scope: str
    resource: UUID
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One person lets another act for them."""

    id: UUID
    from_user: UUID
    to_user: UUID
    scopes: tuple[str, ...]
    expires_at: datetime
    created_at: datetime
