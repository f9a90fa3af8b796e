"""Signing in, with a password or a passkey, and signing out."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import JSONBody

from nsl.accounts.api.views import FactorsOf, SigningInOf, origin_of
from nsl.accounts.errors import OtpRequired
from nsl.accounts.service import Sessions
from nsl.http.console.browser import (
    EXCEPTIONS,
    LOGIN,
    Asked,
    Browser,
    TokensOf,
    asked,
    check_origin,
    kept,
    own_page,
    posted,
    see,
    status_of,
)
from nsl.http.console.pages import page
from nsl.kit.errors import Failure
from nsl.oauth.api.people import browser_session, follow
from nsl.oauth.api.views import AuthorizationOf, SessionsOf
from nsl.oauth.service import Authorization, Outcome


@dataclass(frozen=True, slots=True)
class _Way:
    """Where somebody who signs in is going. ``outcome``: what an application asked for, if one did."""

    client_id: str
    request_uri: str
    next: str
    outcome: Outcome | None

    @property
    def tenant(self) -> UUID | None:
        client = None if self.outcome is None else self.outcome.client
        return None if client is None else client.tenant

    @property
    def address(self) -> str:
        if not self.request_uri:
            return self.next
        return f"/oauth2/authorize?{urlencode({'client_id': self.client_id, 'request_uri': self.request_uri})}"

    @property
    def redirect_uri(self) -> str | None:
        request = None if self.outcome is None else self.outcome.request
        return None if request is None else request.redirect_uri


async def _way(fields: dict[str, str], authorization: Authorization, session: Any) -> _Way:
    """Raises RequestUnusable."""
    client_id, request_uri = fields.get("client_id", ""), fields.get("request_uri", "")
    outcome = None
    if request_uri:
        outcome = await authorization.begin({"client_id": client_id, "request_uri": request_uri}, session)
    return _Way(client_id, request_uri, own_page(fields.get("next")), outcome)


def _form(way: _Way, *, email: str = "", failure: Failure | None = None, otp: bool = False) -> Response[Any]:
    status, headers = (200, {}) if failure is None else status_of(failure)
    outcome = way.outcome
    if not email and outcome is not None and outcome.request is not None:
        email = outcome.request.login_hint or ""
    return page(
        "login.html",
        status=status,
        headers=headers,
        redirect_uri=way.redirect_uri,
        application=None if outcome is None or outcome.client is None else outcome.client.name,
        way=way,
        email=email,
        otp=otp,
        error=None if failure is None else _words(failure),
    )


def _words(failure: Failure) -> str:
    if isinstance(failure, OtpRequired):
        return "Enter the one-time password of your authenticator, or a recovery code, and your password again."
    return failure.detail


@get(LOGIN, include_in_schema=False, exception_handlers=EXCEPTIONS)
async def login_page(
    caller: Browser, request: Asked, authorization: AuthorizationOf, sessions: SessionsOf, tokens: TokensOf
) -> Response[Any]:
    session = await browser_session(request, sessions, tokens.issuer)
    way = await _way(asked(request), authorization, session)
    if way.outcome is not None and way.outcome.step != "login":
        return follow(way.outcome)
    return _form(way)


@post(LOGIN, include_in_schema=False, exception_handlers=EXCEPTIONS)
async def login(
    caller: Browser,
    request: Asked,
    authorization: AuthorizationOf,
    signing_in: SigningInOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)
    way = await _way(fields, authorization, None)
    if way.outcome is not None and way.outcome.step != "login":
        return follow(way.outcome)
    email, code = fields.get("email", ""), fields.get("otp")
    try:
        user, amr = await signing_in.password(email, fields.get("password", ""), code, origin_of(request))
        cookie = await _open(request, sessions, user, way.tenant, amr)
    except Failure as failure:
        return _form(way, email=email, failure=failure, otp=isinstance(failure, OtpRequired) or code is not None)
    return see(way.address, cookies=[kept(tokens.issuer, cookie)])


async def _open(
    request: Asked, sessions: Sessions, user: UUID, tenant: UUID | None, amr: tuple[str, ...]
) -> str | None:
    _, cookie = await sessions.open(user, tenant, amr, origin_of(request), browser=True)
    return cookie


class PasskeyLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``credential``: what navigator.credentials.get() gave, as JSON; the rest as in the form."""

    credential: dict[str, Any]
    client_id: str = ""
    request_uri: str = ""
    next: str = ""


class Onward(msgspec.Struct, frozen=True):
    """Where the script goes."""

    next: str


@post("/console/login/passkey", include_in_schema=False, status_code=200)
async def passkey_login(
    caller: Browser,
    request: Asked,
    authorization: AuthorizationOf,
    factors: FactorsOf,
    sessions: SessionsOf,
    tokens: TokensOf,
    data: JSONBody[PasskeyLogin],
) -> Response[Onward]:
    check_origin(request, tokens.issuer)
    fields = {"client_id": data.client_id, "request_uri": data.request_uri, "next": data.next}
    way = await _way(fields, authorization, None)
    user = await factors.passkey_user(data.credential)
    cookie = await _open(request, sessions, user, way.tenant, ("hwk", "user"))
    headers = {"cache-control": "no-store"}
    return Response(Onward(way.address), headers=headers, cookies=[kept(tokens.issuer, cookie)])


@get("/console/logout", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def logout_page(caller: Browser, request: Asked, sessions: SessionsOf, tokens: TokensOf) -> Response[Any]:
    session = await browser_session(request, sessions, tokens.issuer)
    return page("logout.html", signed_in=session is not None)


@post("/console/logout", include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def logout(caller: Browser, request: Asked, sessions: SessionsOf, tokens: TokensOf) -> Response[Any]:
    await posted(request, tokens.issuer)
    session = await browser_session(request, sessions, tokens.issuer)
    if session is not None:
        await sessions.end(session.user, session.id, str(session.user))
    return page("logout.html", signed_in=False, cookies=[kept(tokens.issuer, None)])


HANDLERS = (login_page, login, passkey_login, logout_page, logout)
