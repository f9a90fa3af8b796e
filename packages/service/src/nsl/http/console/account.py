"""One's own account: who, where, and everywhere one is signed in."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from nsl.accounts.api.views import FactorsOf, RegistrationOf, WalletsOf
from nsl.http.console.browser import (
    ACCOUNT,
    EXCEPTIONS,
    LOGIN,
    Asked,
    Browser,
    TenancyOf,
    TokensOf,
    caller_of,
    is_recent,
    kept,
    posted,
    see,
    signed_in,
)
from nsl.http.console.pages import page
from nsl.identity.model import Caller
from nsl.identity.service import Tenancy
from nsl.kit.errors import Missing
from nsl.oauth.api.people import browser_session
from nsl.oauth.api.views import SessionsOf

_ROWS_MAX: Final = 100


@get("/console", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def start(caller: Browser, request: Asked, sessions: SessionsOf, tokens: TokensOf) -> Response[Any]:
    session = await browser_session(request, sessions, tokens.issuer)
    return see(LOGIN if session is None else ACCOUNT)


@get(ACCOUNT, include_in_schema=False, exception_handlers=EXCEPTIONS)
async def account_page(
    caller: Browser,
    request: Asked,
    registration: RegistrationOf,
    factors: FactorsOf,
    wallets: WalletsOf,
    sessions: SessionsOf,
    tenancy: TenancyOf,
    tokens: TokensOf,
) -> Response[Any]:
    session = await signed_in(request, sessions, tokens)
    person = caller_of(session)
    found, following = await sessions.page(person, after=None, limit=_ROWS_MAX)
    return page(
        "account.html",
        person=await registration.person(person),
        tenant=await _tenant(person, tenancy),
        sessions=found,
        more_sessions=following is not None,
        present=session.id,
        recent=is_recent(session),
        passkeys=await factors.passkeys(person),
        wallets=await wallets.linked(person),
    )


async def _tenant(person: Caller, tenancy: Tenancy) -> str:
    visible, _ = await tenancy.tenants(person, after=None, limit=_ROWS_MAX)
    # The platform's people see many tenants, perhaps not theirs among the first: its id names it too.
    return next((each.name for each in visible if each.id == person.tenant), str(person.tenant))


@post("/console/account/sessions/{session_id:uuid}/end", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def end_session(
    caller: Browser, request: Asked, sessions: SessionsOf, tokens: TokensOf, session_id: FromPath[UUID]
) -> Response[Any]:
    await posted(request, tokens.issuer)
    session = await signed_in(request, sessions, tokens)
    if not await sessions.end(session.user, session_id, str(session.user)):
        raise Missing("There is no such session of yours.")
    if session_id == session.id:
        return see(LOGIN, cookies=[kept(tokens.issuer, None)])
    return see(ACCOUNT)


HANDLERS = (start, account_page, end_session)
