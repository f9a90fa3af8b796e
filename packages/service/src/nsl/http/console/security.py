"""How one signs in: password, one-time passwords, passkeys. Changes need a sign-in of a short time ago."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from nsl.accounts.api.views import FactorsOf, RegistrationOf, SigningInOf, origin_of
from nsl.accounts.model import Session
from nsl.accounts.service import Sessions
from nsl.http.console.browser import (
    ACCOUNT,
    EXCEPTIONS,
    Asked,
    Browser,
    TokensOf,
    caller_of,
    check_origin,
    is_recent,
    posted,
    see,
    signed_in,
    signed_in_recently,
    status_of,
)
from nsl.http.console.joining import new_password
from nsl.http.console.pages import page
from nsl.identity.errors import BadToken, StepUpNeeded
from nsl.identity.model import STEP_UP_SECONDS
from nsl.identity.service import Tokens
from nsl.kit.decoding import Label
from nsl.kit.errors import Failure
from nsl.oauth.api.people import browser_session
from nsl.oauth.api.views import NOT_STORED, SessionsOf

_PASSWORD: Final = "/console/account/password"  # noqa: S105 - an address
_TOTP: Final = "/console/account/totp"


@get(_PASSWORD, include_in_schema=False, exception_handlers=EXCEPTIONS)
async def password_page(caller: Browser, request: Asked, sessions: SessionsOf, tokens: TokensOf) -> Response[Any]:
    await signed_in_recently(request, sessions, tokens)
    return page("password.html", error=None)


@post(_PASSWORD, include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def change_password(
    caller: Browser,
    request: Asked,
    signing_in: SigningInOf,
    registration: RegistrationOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)
    session = await signed_in_recently(request, sessions, tokens)
    try:
        password = new_password(fields)
        await signing_in.confirm(session.user, fields.get("present_password", ""), origin_of(request))
        await registration.change_password(caller_of(session), password)
    except Failure as failure:
        status, headers = status_of(failure)
        return page("password.html", status=status, headers=headers, error=failure.detail)
    return page("done.html", title="Password changed", text="You are signed out everywhere else.")


@get(_TOTP, include_in_schema=False, exception_handlers=EXCEPTIONS)
async def totp_page(caller: Browser, request: Asked, sessions: SessionsOf, tokens: TokensOf) -> Response[Any]:
    await signed_in(request, sessions, tokens)
    return see(ACCOUNT)


@post(_TOTP, include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def enrol_totp(
    caller: Browser,
    request: Asked,
    factors: FactorsOf,
    registration: RegistrationOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[Any]:
    await posted(request, tokens.issuer)
    person = caller_of(await signed_in_recently(request, sessions, tokens))
    known = await registration.person(person)
    enrolment = await factors.enrol_totp(person, known.email or known.display_name)
    return page("totp.html", enrolment=enrolment, error=None)


@post("/console/account/totp/confirm", include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def confirm_totp(
    caller: Browser, request: Asked, factors: FactorsOf, sessions: SessionsOf, tokens: TokensOf
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)
    session = await signed_in(request, sessions, tokens)
    try:
        await factors.confirm_totp(caller_of(session), fields.get("code", ""))
    except Failure as failure:
        status, headers = status_of(failure)
        # The secret was shown once; whoever took it down can try again.
        return page("totp.html", status=status, headers=headers, enrolment=None, error=failure.detail)
    text = "From now on you sign in with your password and a one-time password."
    return page("done.html", title="One-time passwords are set up", text=text)


@post("/console/account/totp/remove", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def remove_totp(
    caller: Browser, request: Asked, factors: FactorsOf, sessions: SessionsOf, tokens: TokensOf
) -> Response[Any]:
    await posted(request, tokens.issuer)
    await factors.remove_totp(caller_of(await signed_in_recently(request, sessions, tokens)))
    return see(ACCOUNT)


@post("/console/account/passkeys/options", include_in_schema=False, status_code=200)
async def passkey_options(
    caller: Browser,
    request: Asked,
    factors: FactorsOf,
    registration: RegistrationOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[dict[str, Any]]:
    check_origin(request, tokens.issuer)
    person = caller_of(await _for_script(request, sessions, tokens))
    options = await factors.passkey_options(person, await registration.person(person))
    return Response(options, headers=NOT_STORED)


class NewPasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``credential``: what navigator.credentials.create() gave, as JSON."""

    credential: dict[str, Any]
    name: Label = "Passkey"


class AddedPasskey(msgspec.Struct, frozen=True):
    id: UUID


@post("/console/account/passkeys", include_in_schema=False)
async def add_passkey(
    caller: Browser,
    request: Asked,
    factors: FactorsOf,
    sessions: SessionsOf,
    tokens: TokensOf,
    data: JSONBody[NewPasskey],
) -> Response[AddedPasskey]:
    check_origin(request, tokens.issuer)
    person = caller_of(await _for_script(request, sessions, tokens))
    return Response(AddedPasskey(await factors.add_passkey(person, data.credential, data.name)), headers=NOT_STORED)


@post("/console/account/passkeys/{passkey_id:uuid}/remove", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def remove_passkey(
    caller: Browser,
    request: Asked,
    factors: FactorsOf,
    sessions: SessionsOf,
    tokens: TokensOf,
    passkey_id: FromPath[UUID],
) -> Response[Any]:
    await posted(request, tokens.issuer)
    await factors.remove_passkey(caller_of(await signed_in_recently(request, sessions, tokens)), passkey_id)
    return see(ACCOUNT)


async def _for_script(request: Asked, sessions: Sessions, tokens: Tokens) -> Session:
    """The session, as a script wants to hear of it: 401 instead of a page. Raises BadToken, StepUpNeeded."""
    session = await browser_session(request, sessions, tokens.issuer)
    if session is None:
        raise BadToken("Sign in first.")
    if not is_recent(session):
        raise StepUpNeeded("Sign in again to change how you sign in.", max_age_seconds=STEP_UP_SECONDS)
    return session


HANDLERS = (
    password_page, change_password, totp_page, enrol_totp, confirm_totp, remove_totp, passkey_options, add_passkey,
    remove_passkey,
)  # fmt: skip
