"""Registering, and what mailed links lead to. A link's token stands behind its #, where only the script reads it."""

from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from litestar import Response, get, post

from nsl.accounts.api.views import RegistrationOf
from nsl.accounts.errors import LinkInvalid
from nsl.http.console.browser import EXCEPTIONS, Asked, Browser, TokensOf, posted, status_of
from nsl.http.console.pages import page
from nsl.kit.decoding import Label, Unreadable
from nsl.kit.errors import Failure

PASSWORD_CHARACTERS_MAX: Final = 256
_TOKEN_CHARACTERS_MAX: Final = 200
_MAILED: Final = "If this address can have an account, a mail is on its way. Follow the link in it."
_RESET_MAILED: Final = "If there is such an account, a mail is on its way. Follow the link in it within half an hour."


def _shown(template: str, fields: dict[str, str], failure: Failure | None = None) -> Response[Any]:
    """The form, as it was filled in but for passwords."""
    status, headers = (200, {}) if failure is None else status_of(failure)
    return page(
        template,
        status=status,
        headers=headers,
        email=fields.get("email", ""),
        display_name=fields.get("display_name", ""),
        token=fields.get("token", ""),
        error=None if failure is None else failure.detail,
    )


async def _done(doing: Awaitable[None], template: str, fields: dict[str, str], title: str, text: str) -> Response[Any]:
    try:
        await doing
    except Failure as failure:
        return _shown(template, fields, failure)
    return page("done.html", title=title, text=text)


def new_password(fields: dict[str, str], name: str = "password") -> str:
    """Raises Unreadable."""
    password = fields.get(name, "")
    if not password or len(password) > PASSWORD_CHARACTERS_MAX:
        raise Unreadable(f"A password has 1 to {PASSWORD_CHARACTERS_MAX} characters.", field=name)
    return password


def _display_name(fields: dict[str, str]) -> str | None:
    try:
        name: str | None = msgspec.convert(fields.get("display_name"), Label | None)
    except msgspec.ValidationError as error:
        raise Unreadable("The name is too long, or holds characters that it cannot.", field="display_name") from error
    return name


def _token(fields: dict[str, str]) -> str:
    token = fields.get("token", "")
    if not token or len(token) > _TOKEN_CHARACTERS_MAX:
        raise LinkInvalid("The link's token is missing: open the link of the mail again, with JavaScript allowed.")
    return token


@get("/console/register", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def register_page(caller: Browser) -> Response[Any]:
    return _shown("register.html", {})


@post("/console/register", include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def register(caller: Browser, request: Asked, registration: RegistrationOf, tokens: TokensOf) -> Response[Any]:
    fields = await posted(request, tokens.issuer)

    async def doing() -> None:
        await registration.register(fields.get("email", ""), new_password(fields), _display_name(fields))

    return await _done(doing(), "register.html", fields, "Look into your mail", _MAILED)


@get("/console/verify-email", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def verify_email_page(caller: Browser) -> Response[Any]:
    return _shown("verify-email.html", {})


@post("/console/verify-email", include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def verify_email(
    caller: Browser, request: Asked, registration: RegistrationOf, tokens: TokensOf
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)

    async def doing() -> None:
        await registration.verify_email(_token(fields))

    return await _done(doing(), "verify-email.html", fields, "Address verified", "You can sign in now.")


@get("/console/forgot-password", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def forgot_password_page(caller: Browser) -> Response[Any]:
    return _shown("forgot-password.html", {})


@post("/console/forgot-password", include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def forgot_password(
    caller: Browser, request: Asked, registration: RegistrationOf, tokens: TokensOf
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)
    doing = registration.forgot_password(fields.get("email", ""))
    return await _done(doing, "forgot-password.html", fields, "Look into your mail", _RESET_MAILED)


@get("/console/reset-password", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def reset_password_page(caller: Browser) -> Response[Any]:
    return _shown("reset-password.html", {})


@post("/console/reset-password", include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def reset_password(
    caller: Browser, request: Asked, registration: RegistrationOf, tokens: TokensOf
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)

    async def doing() -> None:
        await registration.reset_password(_token(fields), new_password(fields))

    text = "You are signed out everywhere. Sign in with the new password."
    return await _done(doing(), "reset-password.html", fields, "Password changed", text)


@get("/console/invitation", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def invitation_page(caller: Browser) -> Response[Any]:
    return _shown("invitation.html", {})


@post("/console/invitation", include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def accept_invitation(
    caller: Browser, request: Asked, registration: RegistrationOf, tokens: TokensOf
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)

    async def doing() -> None:
        password = new_password(fields) if "password" in fields else None
        await registration.accept_invitation(_token(fields), password, _display_name(fields))

    return await _done(doing(), "invitation.html", fields, "Welcome", "You belong to the tenant now; sign in.")


HANDLERS = (
    register_page, register, verify_email_page, verify_email, forgot_password_page, forgot_password,
    reset_password_page, reset_password, invitation_page, accept_invitation,
)  # fmt: skip
