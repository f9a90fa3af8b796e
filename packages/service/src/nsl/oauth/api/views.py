"""What the provider's endpoints share: forms, the errors of RFC 6749, the proof that a request carries."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import SkipValidation
from litestar.status_codes import HTTP_400_BAD_REQUEST, HTTP_401_UNAUTHORIZED, HTTP_503_SERVICE_UNAVAILABLE

from nsl.accounts.service import Sessions
from nsl.identity.errors import ProofRefused, TokenRefused
from nsl.identity.model import Binding
from nsl.identity.service import Keyring, Proofs, certificate_binding
from nsl.kit.errors import Unavailable
from nsl.oauth.service import (
    Authorization,
    ClientAuthentication,
    Devices,
    Federation,
    Grants,
    Inspection,
    Logout,
)

Asked = Request[Any, Any, Any]
GrantsOf = NamedDependency[SkipValidation[Grants]]
ClientAuthenticationOf = NamedDependency[SkipValidation[ClientAuthentication]]
AuthorizationOf = NamedDependency[SkipValidation[Authorization]]
DevicesOf = NamedDependency[SkipValidation[Devices]]
InspectionOf = NamedDependency[SkipValidation[Inspection]]
LogoutOf = NamedDependency[SkipValidation[Logout]]
FederationOf = NamedDependency[SkipValidation[Federation]]
SessionsOf = NamedDependency[SkipValidation[Sessions]]
ProofsOf = NamedDependency[SkipValidation[Proofs]]
KeyringOf = NamedDependency[SkipValidation[Keyring]]

#: where the gateway leaves the certificate of the connection, DER
CERTIFICATE: Final = "nsl.certificate"
NOT_STORED: Final = {"cache-control": "no-store"}
_FIELDS_MAX: Final = 60


class OAuthError(msgspec.Struct, frozen=True):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


#: the errors of the endpoints that applications call
OAUTH_ERRORS: Final = {
    status: ResponseSpec(OAuthError, description=text, generate_examples=False)
    for status, text in (
        (400, "The request is refused; `error` says why in one word"),
        (401, "The client did not prove who it is"),
        (503, "A dependency is down; try again"),
    )
}


@dataclass
class FormOperation(Operation):
    """A form, which the handler reads itself: its errors have a shape of their own."""

    def __post_init__(self) -> None:
        schema = Schema(type=OpenAPIType.OBJECT, additional_properties=Schema(type=OpenAPIType.STRING))
        content = {"application/x-www-form-urlencoded": OpenAPIMediaType(schema=schema)}
        self.request_body = RequestBody(content=content, required=True)


async def form_fields(request: Asked) -> dict[str, str]:
    """A form's fields, each once. Raises TokenRefused."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise TokenRefused("invalid_request", "Send a form: application/x-www-form-urlencoded.")
    form = await request.form()
    return _once(form.multi_items())


def query_fields(request: Asked) -> dict[str, str]:
    """A query's parameters, each once. Raises TokenRefused."""
    return _once(request.query_params.multi_items())


def _once(items: Any) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in items:
        if name in fields or not isinstance(value, str) or len(fields) >= _FIELDS_MAX:
            raise TokenRefused("invalid_request", f"The field {name[:40]} stands twice, or there are too many.")
        if "\x00" in value or not value.isprintable():
            raise TokenRefused("invalid_request", f"The field {name[:40]} holds characters that it cannot.")
        # RFC 6749 section 3.1: without a value is like not there.
        if value:
            fields[name] = value
    return fields


async def proof_of(request: Asked, proofs: Proofs) -> Binding | None:
    """What the sender of a request proves to hold: a DPoP key, else its certificate. Raises TokenRefused."""
    proofs_sent = request.headers.getall("dpop", [])
    if len(proofs_sent) > 1:
        raise TokenRefused("invalid_dpop_proof", "Send one DPoP proof.")
    if proofs_sent:
        try:
            return await proofs.dpop(proofs_sent[0], request.method, request.scope["path"], None)
        except ProofRefused as refused:
            raise TokenRefused("invalid_dpop_proof", refused.detail) from refused
    certificate = request.scope.get(CERTIFICATE)
    return certificate_binding(certificate) if isinstance(certificate, bytes) else None


def certificate_of(request: Asked) -> bytes | None:
    """The certificate of the connection, DER."""
    found = request.scope.get(CERTIFICATE)
    return found if isinstance(found, bytes) else None


async def answered[T](make: Callable[[], Awaitable[T]]) -> Response[T | OAuthError]:
    """What ``make`` gives, or its refusal in the form of RFC 6749 section 5.2; neither is kept anywhere."""
    headers = dict(NOT_STORED)
    try:
        return Response(await make(), status_code=200, headers=headers)
    except TokenRefused as refused:
        status = HTTP_400_BAD_REQUEST
        if refused.error == "invalid_client":
            status, headers = HTTP_401_UNAUTHORIZED, headers | {"www-authenticate": 'Basic realm="oauth2"'}
        return Response(OAuthError(refused.error, refused.detail), status_code=status, headers=headers)
    except Unavailable as error:
        headers["retry-after"] = str(error.retry_after_seconds)
        body = OAuthError("temporarily_unavailable", error.detail)
        return Response(body, status_code=HTTP_503_SERVICE_UNAVAILABLE, headers=headers)


def session_cookie(issuer: str, value: str, *, seconds: int) -> Cookie:
    """The browser's session: sent back to us alone, out of the reach of scripts."""
    secure = issuer.startswith("https://")
    return Cookie(
        key=cookie_name(issuer),
        value=value,
        max_age=seconds,
        path="/",
        httponly=True,
        secure=secure,
        samesite="lax",
    )


def cookie_name(issuer: str) -> str:
    """With the prefix that browsers guard, where there is TLS."""
    return "__Host-nsl-session" if issuer.startswith("https://") else "nsl-session"
