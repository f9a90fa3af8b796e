"""Who calls and what they may do. Frozen values and pure decisions."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from nsl.identity.errors import (
    ClientUnsuitable,
    PlatformOnly,
    RoleUnknown,
    ScopeNotHeld,
    ScopeUnsuitable,
    TokenRefused,
)

TOKEN_SECONDS: Final = 600
STEP_UP_SECONDS: Final = 900


class Scope(StrEnum):
    """What a token allows: ``resource:action``. The one list of permissions; roles and grants are made of them.

    In full a permission is ``extent:resource:action``: ``tenant:keys:sign`` is the scope ``keys:sign`` for every key of
    the tenant, ``KEY_ID:keys:sign`` for one key (a grant).
    """

    KEYS_CREATE = "keys:create"
    KEYS_READ = "keys:read"
    KEYS_SIGN = "keys:sign"
    KEYS_ENCRYPT = "keys:encrypt"
    KEYS_DECRYPT = "keys:decrypt"
    KEYS_MANAGE = "keys:manage"
    KEYS_FREEZE = "keys:freeze"
    KEYS_UNFREEZE = "keys:unfreeze"
    KEYS_IMPORT = "keys:import"
    KEYS_EXPORT = "keys:export"
    TRANSACTIONS_CREATE = "transactions:create"
    TRANSACTIONS_READ = "transactions:read"
    LEDGER_READ = "ledger:read"
    CLIENTS_ADMIN = "clients:admin"
    USERS_READ = "users:read"
    USERS_ADMIN = "users:admin"
    AUDIT_READ = "audit:read"
    ACCESS_REVIEW = "access:review"
    HOLDS_ADMIN = "holds:admin"
    PRIVACY_ADMIN = "privacy:admin"
    TENANTS_ADMIN = "tenants:admin"
    PLATFORM_ADMIN = "platform:admin"


class Role(StrEnum):
    """The roles that every tenant has; its own come beside them."""

    PLATFORM_ADMIN = "platform-admin"
    TENANT_ADMIN = "tenant-admin"
    KEY_MANAGER = "key-manager"
    KEY_USER = "key-user"
    TRADER = "trader"
    ANALYST = "analyst"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    SERVICE = "service"


_READS: Final = frozenset({Scope.KEYS_READ, Scope.TRANSACTIONS_READ, Scope.LEDGER_READ})
# Whoever works with keys may stop one; to let it go on takes an administrator.
_KEY_USER: Final = frozenset(
    {Scope.KEYS_READ, Scope.KEYS_SIGN, Scope.KEYS_ENCRYPT, Scope.KEYS_DECRYPT, Scope.KEYS_FREEZE}
)

ROLE_SCOPES: Final[Mapping[str, frozenset[Scope]]] = {
    Role.PLATFORM_ADMIN: frozenset(Scope),
    Role.TENANT_ADMIN: frozenset(Scope) - {Scope.PLATFORM_ADMIN},
    Role.KEY_MANAGER: _KEY_USER | {Scope.KEYS_CREATE, Scope.KEYS_MANAGE, Scope.KEYS_IMPORT},
    Role.KEY_USER: _KEY_USER,
    Role.TRADER: _READS | {Scope.TRANSACTIONS_CREATE, Scope.KEYS_FREEZE},
    Role.ANALYST: frozenset({Scope.TRANSACTIONS_READ, Scope.LEDGER_READ}),
    Role.OPERATOR: _READS | {Scope.USERS_READ, Scope.KEYS_FREEZE},
    Role.AUDITOR: _READS | {Scope.USERS_READ, Scope.AUDIT_READ, Scope.ACCESS_REVIEW},
    # A client's scopes are its own.
    Role.SERVICE: frozenset(),
}


class AuthMethod(StrEnum):
    """How a client proves itself to the token endpoint (RFC 6749 section 2.3, OpenID Connect Core section 9)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"
    TLS = "tls_client_auth"
    NONE = "none"


class GrantType(StrEnum):
    CLIENT_CREDENTIALS = "client_credentials"
    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant


@dataclass(frozen=True, slots=True)
class Binding:
    """What the holder of a token must prove: ``jkt``, a DPoP key (RFC 9449), or ``x5t#S256``, a certificate (RFC 8705).

    ``thumbprint`` is base64url of a SHA-256.
    """

    kind: str
    thumbprint: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Rate limits per subject, in requests per minute: under /v1/keys, and everywhere else."""

    requests_per_minute: int
    key_requests_per_minute: int


DEFAULT_PLAN: Final = Plan(requests_per_minute=1000, key_requests_per_minute=100)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever an access token stands for: a person, or a client on its own. ``subject`` is its id as text.

    Attributes:
        grants: scopes on single things, beside ``scopes``, which hold for all of the tenant's.
        actor: who acts for the subject, where it is somebody else (RFC 8693).
        authenticated_at: when the person proved who they are, in seconds since 1970.
        amr: how (RFC 8176).
    """

    subject: str
    tenant: UUID
    client: UUID
    scopes: frozenset[str]
    plan: Plan
    person: bool = False
    session: UUID | None = None
    roles: tuple[str, ...] = ()
    grants: frozenset[tuple[str, UUID]] = frozenset()
    actor: str | None = None
    authenticated_at: int = 0
    amr: tuple[str, ...] = ()
    binding: Binding | None = None

    @property
    def id(self) -> UUID:
        """The subject."""
        return UUID(self.subject)

    def holds(self, scope: str, resource: UUID | None = None) -> bool:
        """Whether the scope is held, for everything or for this one thing."""
        return scope in self.scopes or (resource is not None and (scope, resource) in self.grants)


@dataclass(frozen=True, slots=True)
class Requires:
    """Marks a handler's ``caller`` parameter: a token with this scope; None: any valid token.

    Attributes:
        resource: the path parameter that names a thing; a grant of the scope on it is enough.
        person: only a person in one of our own applications: nothing else changes how somebody signs in.
        recent: the person must have signed in within ``STEP_UP_SECONDS`` (RFC 9470).
    """

    scope: Scope | None
    resource: str | None = None
    person: bool = False
    recent: bool = False


@dataclass(frozen=True, slots=True)
class Public:
    """Marks a handler's ``caller`` parameter, which is then None: anyone may call, for this reason."""

    reason: str


class TenantStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Tenant:
    id: UUID
    name: str
    plan: Plan
    created_at: datetime
    status: TenantStatus = TenantStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An application. ``plan`` None: the tenant's holds; ``auth_method`` None: the secret may be sent either way.

    ``secret_sha256`` is of the secret's ASCII text. ``first_party``: our own, which people of every tenant use.
    ``expires_at``: of one that ends by itself, which is break-glass access.
    """

    id: UUID
    tenant: UUID | None
    name: str
    scopes: tuple[Scope, ...]
    auth_method: AuthMethod | None
    plan: Plan | None = None
    created_at: datetime
    secret_sha256: bytes = b""
    grant_types: tuple[GrantType, ...] = (GrantType.CLIENT_CREDENTIALS,)
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    jwks: Mapping[str, Any] | None = None
    tls_subject_dn: str | None = None
    require_pushed_requests: bool = False
    require_dpop: bool = False
    expires_at: datetime | None = None

    @property
    def first_party(self) -> bool:
        """One of ours: it belongs to no tenant."""
        return self.tenant is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDraft:
    """What somebody asks for who makes a client."""

    name: str
    scopes: frozenset[Scope]
    auth_method: AuthMethod | None = None
    grant_types: tuple[GrantType, ...] = (GrantType.CLIENT_CREDENTIALS,)
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    jwks: Mapping[str, Any] | None = None
    tls_subject_dn: str | None = None
    require_pushed_requests: bool = False
    require_dpop: bool = False


_EVER: Final = datetime(2026, 1, 1, tzinfo=UTC)
CONSOLE: Final = Client(
    id=UUID("00000000-0000-7000-8000-0000000000c0"),
    tenant=None,
    name="Neo Service Layer console",
    scopes=tuple(Scope),
    auth_method=AuthMethod.NONE,
    grant_types=(GrantType.REFRESH_TOKEN,),
    created_at=_EVER,
)
COMMAND_LINE: Final = Client(
    id=UUID("00000000-0000-7000-8000-0000000000c1"),
    tenant=None,
    name="Neo Service Layer command line",
    scopes=tuple(Scope),
    auth_method=AuthMethod.NONE,
    grant_types=(GrantType.DEVICE_CODE, GrantType.REFRESH_TOKEN, GrantType.TOKEN_EXCHANGE),
    created_at=_EVER,
)
#: our own applications: in no database, so that nobody edits them
FIRST_PARTY: Final[Mapping[UUID, Client]] = {each.id: each for each in (CONSOLE, COMMAND_LINE)}


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A tenant's own role: its scopes, and those of the roles it inherits from."""

    name: str
    description: str
    scopes: tuple[Scope, ...]
    inherits: tuple[str, ...]


def scopes_of(roles: Iterable[str], custom: Mapping[str, CustomRole]) -> frozenset[Scope]:
    """Everything that roles allow, with what they inherit. An unknown role allows nothing; a circle ends.

    A tenant's own role never gives the platform's administration.
    """
    found: set[Scope] = set()
    waiting, seen = list(roles), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in ROLE_SCOPES:
            found |= ROLE_SCOPES[name]
        elif name in custom:
            found |= set(custom[name].scopes) - {Scope.PLATFORM_ADMIN}
            waiting += custom[name].inherits
    return frozenset(found)


def check_roles_can_be_given(
    caller: Caller, roles: Collection[str], custom: Mapping[str, CustomRole], *, platform: bool
) -> None:
    """Whether ``caller`` may give these roles to somebody; ``platform``: in the platform's own tenant.

    Raises:
        RoleUnknown: there is no such role.
        ScopeNotHeld: one of them allows what the caller may not.
        ScopeUnsuitable: the platform's administration in another tenant.
    """
    unknown = sorted(role for role in roles if role not in ROLE_SCOPES and role not in custom)
    if unknown:
        raise RoleUnknown(f"There is no role {', '.join(unknown)}; GET /v1/roles lists them.", field="roles")
    given = scopes_of(roles, custom)
    if Scope.PLATFORM_ADMIN in given and not platform:
        raise ScopeUnsuitable("platform-admin is a role of the platform's own tenant.", field="roles")
    missing = sorted(scope for scope in given if scope not in caller.scopes)
    if missing:
        raise ScopeNotHeld(f"You cannot give what you do not hold: {', '.join(missing)}.", field="roles")


def check_client(draft: ClientDraft) -> None:
    """Whether such a client can be (RFC 9700 sections 2 and 4).

    Raises:
        ClientUnsuitable: what it lacks, or has too much.
    """
    wants_code = GrantType.AUTHORIZATION_CODE in draft.grant_types
    if wants_code != bool(draft.redirect_uris):
        raise ClientUnsuitable("authorization_code and redirect_uris need each other.", field="redirect_uris")
    for uri in (*draft.redirect_uris, *draft.post_logout_redirect_uris, draft.backchannel_logout_uri or "https://x"):
        _check_redirect(uri)
    machine = {GrantType.CLIENT_CREDENTIALS, GrantType.TOKEN_EXCHANGE} & set(draft.grant_types)
    if draft.auth_method is AuthMethod.NONE and machine:
        raise ClientUnsuitable("A public client cannot act on its own: it has no secret.", field="grant_types")
    if (draft.auth_method is AuthMethod.PRIVATE_KEY_JWT) != (draft.jwks is not None):
        raise ClientUnsuitable("private_key_jwt and jwks need each other.", field="jwks")
    if (draft.auth_method is AuthMethod.TLS) != (draft.tls_subject_dn is not None):
        raise ClientUnsuitable("tls_client_auth and tls_subject_dn need each other.", field="tls_subject_dn")


def _check_redirect(uri: str) -> None:
    """HTTPS, or a loopback address for an application on the person's own machine (RFC 8252 section 7.3)."""
    parts = urlsplit(uri)
    loopback = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not (parts.scheme == "https" or loopback) or not parts.hostname or parts.fragment or parts.username:
        raise ClientUnsuitable(f"{uri[:200]} is neither https nor http on loopback, or has a fragment.")


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
