"""What can go wrong when somebody is identified, or administers who may call.

BadToken          401  no bearer token, or one that is expired, altered or of another issuer
ScopeMissing      403  the token does not carry the scope that the call requires
ScopeNotHeld      403  a client cannot hand on a scope that it does not hold
PlatformOnly      403  only the platform's administrator may do this
TenantUnknown     404
ClientUnknown     404
ScopeUnsuitable   422  a scope that this client cannot have
RoleUnknown       422  no such role
TenantUnsuitable  422  not with the platform's own tenant
TokenKeyUnknown   404
ClientUnsuitable  422  a client of this kind cannot be, such as one with a code but no address to return to
TenantClosed      403  the tenant is suspended or deleted
PersonOnly        403  only a person does this, in one of our own applications
StepUpNeeded      401  the person signed in too long ago for this (RFC 9470)
ProofRefused      401  a bound token came without the proof of who holds it (RFC 9449, RFC 8705)
RootReplaced      503  what the enclave was given was wrapped anew meanwhile
LeafTaken         503  an enclave's answer came so late that its leaf is in the audit log without it
RoleNotFound, GrantNotFound, UserNotFound, GroupNotFound, DelegationUnknown 404
NameTaken         409  the tenant has one of that name
AlreadyBootstrapped 409  the platform has its administrator
IdempotencyKeyReused 409 the same key came with another request
TokenRefused      400 or 401 at the token endpoint, in the form of RFC 6749 section 5.2
"""

from nsl.kit.errors import Conflict, Denied, Failure, Missing, Unauthenticated, Unavailable, Unprocessable


class BadToken(Unauthenticated):
    code = "INVALID_TOKEN"


class ScopeMissing(Denied):
    code = "SCOPE_MISSING"


class ScopeNotHeld(Denied):
    code = "SCOPE_NOT_HELD"


class PlatformOnly(Denied):
    code = "PLATFORM_ADMINISTRATOR_ONLY"


class TenantUnknown(Missing):
    code = "TENANT_NOT_FOUND"


class ClientUnknown(Missing):
    code = "CLIENT_NOT_FOUND"


class ScopeUnsuitable(Unprocessable):
    code = "SCOPE_UNSUITABLE"


class TenantUnsuitable(Unprocessable):
    code = "TENANT_UNSUITABLE"


class TokenKeyUnknown(Missing):
    code = "TOKEN_KEY_NOT_FOUND"


class RoleUnknown(Unprocessable):
    code = "ROLE_UNKNOWN"


class ClientUnsuitable(Unprocessable):
    code = "CLIENT_UNSUITABLE"


class TenantClosed(Denied):
    code = "TENANT_CLOSED"


class PersonOnly(Denied):
    code = "PERSON_ONLY"


class StepUpNeeded(Unauthenticated):
    code = "STEP_UP_REQUIRED"

    def __init__(self, detail: str, *, max_age_seconds: int) -> None:
        super().__init__(detail)
        self.challenge = f'Bearer error="insufficient_user_authentication", max_age="{max_age_seconds}"'


class RootReplaced(Unavailable):
    """What the enclave was given is wrapped under another root than it has: it was wrapped anew meanwhile."""

    code = "ROOT_REPLACED"


class LeafTaken(Unavailable):
    """Its leaf was fetched from the enclave and is in the audit log: what it stands for must not leave any more."""

    code = "ANSWER_TOO_LATE"


class ProofRefused(Unauthenticated):
    code = "PROOF_REQUIRED"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.challenge = 'DPoP error="invalid_dpop_proof", algs="ES256 EdDSA RS256"'


class RoleNotFound(Missing):
    code = "ROLE_NOT_FOUND"


class GrantNotFound(Missing):
    code = "GRANT_NOT_FOUND"


class UserNotFound(Missing):
    code = "USER_NOT_FOUND"


class DelegationUnknown(Missing):
    code = "DELEGATION_NOT_FOUND"


class GroupNotFound(Missing):
    code = "GROUP_NOT_FOUND"


class NameTaken(Conflict):
    code = "NAME_TAKEN"


class AlreadyBootstrapped(Conflict):
    code = "ALREADY_BOOTSTRAPPED"


class IdempotencyKeyReused(Conflict):
    code = "IDEMPOTENCY_KEY_REUSED"


class TokenRefused(Failure):
    """A token request refused. ``error`` is a word of RFC 6749 section 5.2."""

    code = "TOKEN_REFUSED"

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error
