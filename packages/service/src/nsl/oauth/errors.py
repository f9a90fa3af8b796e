"""What can go wrong between an application and the provider.

TokenRefused          400 or 401 in the form of RFC 6749 section 5.2 (of identity)
AuthorizationRefused  back to the application by a redirect, RFC 6749 section 4.1.2.1
RequestUnusable       400  an authorization request whose sender cannot be told, for who sent it is unknown
ProviderUnusable      422  another OpenID provider that cannot be used
SignInFailed          403  somebody came from another provider and cannot be let in
"""

from nsl.kit.errors import Denied, Failure, Malformed, Missing, Unprocessable


class AuthorizationRefused(Failure):
    """``error`` is a word of RFC 6749 section 4.1.2.1 or OpenID Connect Core section 3.1.2.6."""

    code = "AUTHORIZATION_REFUSED"

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error


class RequestUnusable(Malformed):
    code = "AUTHORIZATION_REQUEST_UNUSABLE"


class ProviderUnusable(Unprocessable):
    code = "IDENTITY_PROVIDER_UNUSABLE"


class ProviderUnknown(Missing):
    code = "IDENTITY_PROVIDER_NOT_FOUND"


class SignInFailed(Denied):
    code = "SIGN_IN_FAILED"
