"""Who calls and what they may do. Frozen values and pure decisions."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from nsl.identity.errors import PlatformOnly, ScopeNotHeld, ScopeUnsuitable, TokenRefused

TOKEN_SECONDS: Final = 600


class Scope(StrEnum):
    """What a token allows: ``thing:action``."""

    KEYS_CREATE = "keys:create"
    KEYS_READ = "keys:read"
    KEYS_SIGN = "keys:sign"
    TRANSACTIONS_CREATE = "transactions:create"
    TRANSACTIONS_READ = "transactions:read"
    LEDGER_READ = "ledger:read"
    CLIENTS_ADMIN = "clients:admin"
    TENANTS_ADMIN = "tenants:admin"
    PLATFORM_ADMIN = "platform:admin"


class AuthMethod(StrEnum):
    """How a client proves itself to the token endpoint (RFC 6749 section 2.3.1)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"


@dataclass(frozen=True, slots=True)
class Plan:
    """Rate limits per subject, in requests per minute: under /v1/keys, and everywhere else."""

    requests_per_minute: int
    key_requests_per_minute: int


DEFAULT_PLAN: Final = Plan(requests_per_minute=1000, key_requests_per_minute=100)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever an access token stands for. ``subject`` is the client's id as text."""

    subject: str
    tenant: UUID
    client: UUID
    scopes: frozenset[str]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Requires:
    """Marks a handler's ``caller`` parameter: a token with this scope; None: any valid token."""

    scope: Scope | None


@dataclass(frozen=True, slots=True)
class Public:
    """Marks a handler's ``caller`` parameter, which is then None: anyone may call, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tenant:
    id: UUID
    name: str
    plan: Plan
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Client:
    """``plan`` is None where the tenant's holds."""

    id: UUID
    tenant: UUID
    name: str
    scopes: tuple[Scope, ...]
    auth_method: AuthMethod | None
    plan: Plan | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """What the token endpoint needs of a client. ``secret_sha256`` is of the secret's ASCII text."""

    id: UUID
    tenant: UUID
    secret_sha256: bytes
    scopes: tuple[str, ...]
    auth_method: AuthMethod | None


def granted_scopes(requested: str | None, held: Collection[str]) -> tuple[str, ...]:
    """The scopes of a new token: what was asked for, or all that the client holds (RFC 6749 section 3.3).

    Raises:
        TokenRefused: ``invalid_scope``, when one is asked for that the client does not hold.
    """
    if requested is None or not requested.strip():
        return tuple(sorted(held))
    wanted = sorted(set(requested.split()))
    missing = [scope for scope in wanted if scope not in held]
    if missing:
        raise TokenRefused("invalid_scope", f"This client does not hold: {' '.join(missing)}.")
    return tuple(wanted)


def tenant_to_administer(caller: Caller, wanted: UUID | None) -> UUID:
    """The tenant that a call works on: the caller's own, or for a platform administrator any.

    Raises:
        PlatformOnly: another tenant was asked for by somebody else.
    """
    if wanted is None or wanted == caller.tenant:
        return caller.tenant
    if Scope.PLATFORM_ADMIN not in caller.scopes:
        raise PlatformOnly("Only the platform's administrator works in another tenant; leave tenant_id out.")
    return wanted


def check_scopes_can_be_given(caller: Caller, tenant: UUID, scopes: Collection[Scope]) -> None:
    """Whether ``caller`` may make a client of ``tenant`` with these scopes.

    Raises:
        ScopeNotHeld: the caller does not hold one of them itself.
        ScopeUnsuitable: the platform's administration cannot be given to another tenant.
    """
    missing = sorted(scope for scope in scopes if scope not in caller.scopes)
    if missing:
        raise ScopeNotHeld(f"You cannot give what you do not hold: {', '.join(missing)}.", field="scopes")
    if Scope.PLATFORM_ADMIN in scopes and tenant != caller.tenant:
        raise ScopeUnsuitable("platform:admin is only for clients of the platform's own tenant.", field="scopes")
