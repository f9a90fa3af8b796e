"""What a person is asked when an application wants something of theirs: consent, and a device's code."""

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post

from nsl.accounts.model import Session
from nsl.http.console.browser import EXCEPTIONS, Asked, Browser, TenancyOf, TokensOf, asked, posted, see, signed_in
from nsl.http.console.pages import page
from nsl.identity.model import Scope
from nsl.identity.service import Tenancy
from nsl.kit.decoding import Unreadable
from nsl.oauth.api.people import browser_session, follow
from nsl.oauth.api.views import AuthorizationOf, DevicesOf, SessionsOf
from nsl.oauth.service import Devices, Waiting

_DEVICE: Final = "/console/device"
_UNKNOWN_CODE: Final = "This code is unknown, was used, or is too old. Look at the device again."
_IN_WORDS: Final = {
    "openid": "Know that it is you who comes",
    "profile": "See your name",
    "email": "See your e-mail address",
    "offline_access": "Keep access while you are away",
    Scope.KEYS_CREATE.value: "Create keys",
    Scope.KEYS_READ.value: "See keys and their addresses",
    Scope.KEYS_SIGN.value: "Sign with keys, which can move their funds",
    Scope.KEYS_ENCRYPT.value: "Encrypt with keys",
    Scope.KEYS_DECRYPT.value: "Decrypt with keys, which shows what they protect",
    Scope.TRANSACTIONS_CREATE.value: "Send transactions",
    Scope.TRANSACTIONS_READ.value: "See transactions",
    Scope.LEDGER_READ.value: "Read the chains",
    Scope.CLIENTS_ADMIN.value: "Manage the tenant's applications",
    Scope.USERS_READ.value: "See the tenant's people",
    Scope.USERS_ADMIN.value: "Manage the tenant's people and what they may",
    Scope.AUDIT_READ.value: "Read the audit trail",
    Scope.TENANTS_ADMIN.value: "Manage tenants",
    Scope.PLATFORM_ADMIN.value: "Manage the whole platform",
}


def _in_words(scopes: tuple[str, ...]) -> list[str]:
    return [_IN_WORDS.get(scope, scope) for scope in scopes]


def _decision(fields: dict[str, str]) -> bool:
    """Raises Unreadable."""
    decision = fields.get("decision")
    if decision not in ("allow", "deny"):
        raise Unreadable("The decision is allow or deny.", field="decision")
    return decision == "allow"


@get("/console/consent", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def consent_page(
    caller: Browser, request: Asked, authorization: AuthorizationOf, sessions: SessionsOf, tokens: TokensOf
) -> Response[Any]:
    query = asked(request)
    client_id, request_uri = query.get("client_id", ""), query.get("request_uri", "")
    fields = {"client_id": client_id, "request_uri": request_uri}
    outcome = await authorization.begin(fields, await browser_session(request, sessions, tokens.issuer))
    if outcome.step != "consent" or outcome.request is None or outcome.client is None:
        return follow(outcome)
    return page(
        "consent.html",
        redirect_uri=outcome.request.redirect_uri,
        application=outcome.client.name,
        address=outcome.request.redirect_uri,
        scopes=_in_words(outcome.request.scopes),
        client_id=client_id,
        request_uri=request_uri,
    )


@post("/console/consent", include_in_schema=False, exception_handlers=EXCEPTIONS)
async def consent(
    caller: Browser, request: Asked, authorization: AuthorizationOf, sessions: SessionsOf, tokens: TokensOf
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)
    client_id, request_uri = fields.get("client_id", ""), fields.get("request_uri", "")
    session = await browser_session(request, sessions, tokens.issuer)
    if session is None:
        return see(f"/console/login?{urlencode({'client_id': client_id, 'request_uri': request_uri})}")
    return follow(await authorization.consent(client_id, request_uri, session, given=_decision(fields)))


@get(_DEVICE, include_in_schema=False, exception_handlers=EXCEPTIONS)
async def device_page(
    caller: Browser,
    request: Asked,
    device_flow: DevicesOf,
    tenancy: TenancyOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[Any]:
    user_code = asked(request).get("user_code")
    after = _DEVICE if user_code is None else f"{_DEVICE}?{urlencode({'user_code': user_code})}"
    session = await signed_in(request, sessions, tokens, after)
    if user_code is None:
        return page("device.html", error=None)
    waiting = await _waiting(user_code, session, device_flow, tenancy)
    if waiting is None:
        return page("device.html", status=404, error=_UNKNOWN_CODE)
    scopes = _in_words(waiting.scopes)
    return page("device-consent.html", application=waiting.client_name, scopes=scopes, user_code=user_code)


async def _waiting(user_code: str, session: Session, devices: Devices, tenancy: Tenancy) -> Waiting | None:
    """What a code is for, if an application shows it that people of this tenant use."""
    waiting = await devices.waiting(user_code)
    client = None if waiting is None else await tenancy.find_client(str(waiting.client_id))
    return None if client is None or client.tenant not in (None, session.tenant) else waiting


@post(_DEVICE, include_in_schema=False, exception_handlers=EXCEPTIONS, status_code=200)
async def device(
    caller: Browser,
    request: Asked,
    device_flow: DevicesOf,
    tenancy: TenancyOf,
    sessions: SessionsOf,
    tokens: TokensOf,
) -> Response[Any]:
    fields = await posted(request, tokens.issuer)
    user_code, given = fields.get("user_code", ""), _decision(fields)
    session = await signed_in(request, sessions, tokens, f"{_DEVICE}?{urlencode({'user_code': user_code})}")
    waiting = await _waiting(user_code, session, device_flow, tenancy)
    if waiting is None or not await device_flow.decide(user_code, session, given=given):
        return page("device.html", status=404, error=_UNKNOWN_CODE)
    text = "Go back to the device: it goes on by itself." if given else "The device was told no."
    return page("done.html", title="Device signed in" if given else "Device refused", text=text)


HANDLERS = (consent_page, consent, device_page, device)
