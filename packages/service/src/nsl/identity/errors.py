"""What can go wrong when somebody is identified, or administers who may call.

BadToken          401  no bearer token, or one that is expired, altered or of another issuer
ScopeMissing      403  the token does not carry the scope that the call requires
ScopeNotHeld      403  a client cannot hand on a scope that it does not hold
PlatformOnly      403  only the platform's administrator may do this
TenantUnknown     404
ClientUnknown     404
ScopeUnsuitable   422  a scope that this client cannot have
AlreadyBootstrapped 409  the platform has its administrator
IdempotencyKeyReused 409 the same key came with another request
TokenRefused      400 or 401 at the token endpoint, in the form of RFC 6749 section 5.2
"""

from nsl.kit.errors import Conflict, Denied, Failure, Missing, Unauthenticated, Unprocessable


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
