"""Endpoints that a person's browser comes to: authorization, the way back from another provider, logout."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation
from litestar.response import Redirect

from nsl.accounts.model import SESSION_SECONDS, Origin, Session
from nsl.accounts.service import Sessions
from nsl.identity.errors import TokenRefused
from nsl.identity.model import Public
from nsl.identity.service import Tokens
from nsl.oauth.api.views import (
    Asked,
    AuthorizationOf,
    FederationOf,
    FormOperation,
    LogoutOf,
    SessionsOf,
    cookie_name,
    form_fields,
    query_fields,
    session_cookie,
)
from nsl.oauth.errors import RequestUnusable
from nsl.oauth.service import Outcome

TokensOf = NamedDependency[SkipValidation[Tokens]]
FEDERATION_COOKIE = "nsl-federation"
_BROWSER = Public("a browser comes; who is in front of it, its cookie says")


@get(
    "/oauth2/authorize",
    operation_id="authorize",
    summary="Sign a person in for an application",
    tags=["oauth"],
    status_code=303,
)
async def authorize(
    caller: Annotated[None, _BROWSER],
    request: Asked,
    authorization: AuthorizationOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[Any]:
    return await _begin(request, _fields(request), authorization, sessions, tokens)


@post(
    "/oauth2/authorize",
    operation_id="postAuthorize",
    operation_class=FormOperation,
    summary="The same, as a form",
    tags=["oauth"],
    status_code=303,
)
async def post_authorize(
    caller: Annotated[None, _BROWSER],
    request: Asked,
    authorization: AuthorizationOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[Any]:
    try:
        fields = await form_fields(request)
    except TokenRefused as refused:
        raise RequestUnusable(refused.detail) from refused
    return await _begin(request, fields, authorization, sessions, tokens)


async def _begin(
    request: Asked, fields: dict[str, str], authorization: AuthorizationOf, sessions: Sessions, tokens: Tokens
) -> Response[Any]:
    session = await browser_session(request, sessions, tokens.issuer)
    return follow(await authorization.begin(fields, session))


def follow(outcome: Outcome) -> Response[Any]:
    """The browser's next address."""
    if outcome.redirect is not None:
        return Redirect(outcome.redirect, status_code=303, headers={"cache-control": "no-store"})
    client = "" if outcome.client is None else str(outcome.client.id)
    query = urlencode({"client_id": client, "request_uri": outcome.request_uri or ""})
    return Redirect(f"/console/{outcome.step}?{query}", status_code=303, headers={"cache-control": "no-store"})


async def browser_session(request: Asked, sessions: Sessions, issuer: str) -> Session | None:
    """Whoever is signed in, in this browser."""
    cookie = request.cookies.get(cookie_name(issuer))
    return None if cookie is None else await sessions.of_cookie(cookie)


@get(
    "/oauth2/federation/{provider_id:uuid}",
    operation_id="federate",
    summary="Sign in elsewhere",
    tags=["oauth"],
    status_code=303,
)
async def federate(
    caller: Annotated[None, _BROWSER], request: Asked, federation: FederationOf, provider_id: FromPath[UUID]
) -> Response[Any]:
    after = query_or_nothing(request).get("next", "/console/account")
    if not after.startswith(("/console/", "/oauth2/authorize?")) or "\\" in after:
        raise RequestUnusable("next is a page of ours.", field="next")
    url, browser = await federation.begin(provider_id, after)
    secure = request.url.scheme == "https"
    cookie = Cookie(
        key=FEDERATION_COOKIE, value=browser, max_age=600, path="/oauth2", httponly=True, secure=secure, samesite="lax"
    )
    return Redirect(url, status_code=303, cookies=[cookie])


@get(
    "/oauth2/callback",
    operation_id="federationCallback",
    summary="Back from there",
    tags=["oauth"],
    status_code=303,
)
async def federation_callback(
    caller: Annotated[None, _BROWSER],
    request: Asked,
    federation: FederationOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[Any]:
    arrival = await federation.finish(query_or_nothing(request), request.cookies.get(FEDERATION_COOKIE))
    client = request.scope.get("client")
    origin = Origin(client[0] if client else "", request.headers.get("user-agent", ""))
    _, cookie = await sessions.open(arrival.user, arrival.tenant, ("fed",), origin, browser=True)
    kept = session_cookie(tokens.issuer, cookie or "", seconds=SESSION_SECONDS)
    return Redirect(arrival.next, status_code=303, cookies=[kept])


@get(
    "/oauth2/logout",
    operation_id="endSessionByApplication",
    summary="Sign a person out",
    tags=["oauth"],
    status_code=303,
)
async def end_session(
    caller: Annotated[None, _BROWSER], request: Asked, logout: LogoutOf, sessions: SessionsOf, tokens: TokensOf
) -> Response[Any]:
    return await _logout(request, _fields(request), logout, sessions, tokens)


@post(
    "/oauth2/logout",
    operation_id="postEndSessionByApplication",
    operation_class=FormOperation,
    summary="The same, as a form",
    tags=["oauth"],
    status_code=303,
)
async def post_end_session(
    caller: Annotated[None, _BROWSER], request: Asked, logout: LogoutOf, sessions: SessionsOf, tokens: TokensOf
) -> Response[Any]:
    try:
        fields = await form_fields(request)
    except TokenRefused as refused:
        raise RequestUnusable(refused.detail) from refused
    return await _logout(request, fields, logout, sessions, tokens)


async def _logout(
    request: Asked, fields: dict[str, str], logout: LogoutOf, sessions: Sessions, tokens: Tokens
) -> Response[Any]:
    wanted = await logout.read(fields)
    present = await browser_session(request, sessions, tokens.issuer)
    if present is not None and wanted.user != present.user:
        # Nobody proved that this person wants it: they are asked.
        query = urlencode({} if wanted.redirect is None else {"next": wanted.redirect})
        return Redirect(f"/console/logout?{query}", status_code=303)
    for session in {wanted.session, None if present is None else present.id} - {None}:
        user = wanted.user or (None if present is None else present.user)
        if user is not None and session is not None:
            await sessions.end(user, session, "application")
    gone = session_cookie(tokens.issuer, "", seconds=0)
    return Redirect(wanted.redirect or "/console/login", status_code=303, cookies=[gone])


def _fields(request: Asked) -> dict[str, str]:
    try:
        return query_fields(request)
    except TokenRefused as refused:
        raise RequestUnusable(refused.detail) from refused


def query_or_nothing(request: Asked) -> dict[str, str]:
    """A query's parameters. Raises RequestUnusable."""
    return _fields(request)


HANDLERS = (
    authorize, post_authorize, federate, federation_callback, end_session, post_end_session,
)  # fmt: skip
