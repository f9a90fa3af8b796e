"""What the endpoints of accounts share."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation
from msgspec import Meta

from nsl.accounts.model import Origin
from nsl.accounts.service import Issued, Registration, SecondFactors, Sessions, SigningIn, Wallets

PAGE_MAX = 200

RegistrationOf = NamedDependency[SkipValidation[Registration]]
SigningInOf = NamedDependency[SkipValidation[SigningIn]]
SessionsOf = NamedDependency[SkipValidation[Sessions]]
FactorsOf = NamedDependency[SkipValidation[SecondFactors]]
WalletsOf = NamedDependency[SkipValidation[Wallets]]
Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
Cursor = Annotated[UUID | None, QueryParameter(description="next_cursor of the page before")]
Asked = Request[Any, Any, Any]
Email = Annotated[str, Meta(min_length=3, max_length=254)]
Password = Annotated[str, Meta(min_length=1, max_length=256)]
Token = Annotated[str, Meta(min_length=1, max_length=200)]
Code = Annotated[str, Meta(min_length=1, max_length=40)]


class TokensView(msgspec.Struct, frozen=True):
    """RFC 6749 section 5.1; ``expires_in`` in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: str | None
    tenant_id: UUID
    session_id: UUID


def tokens_view(issued: Issued) -> TokensView:
    """What somebody gets who signed in."""
    return TokensView(
        issued.access.token,
        "Bearer",
        issued.access.expires_in,
        " ".join(issued.access.scopes),
        issued.refresh,
        issued.session.tenant,
        issued.session.id,
    )


def origin_of(request: Asked) -> Origin:
    """Where a request comes from."""
    client = request.scope.get("client")
    return Origin(client[0] if client else "", request.headers.get("user-agent", ""))
