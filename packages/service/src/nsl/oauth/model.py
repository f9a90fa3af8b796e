"""Authorization requests and what becomes of them. Frozen values and pure decisions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

import msgspec

from nsl.accounts.model import Session
from nsl.identity.model import Client, GrantType
from nsl.identity.service import acr_of
from nsl.oauth.errors import AuthorizationRefused, RequestUnusable

#: scopes that say what an application learns of a person, and not what it may do (OpenID Connect Core section 5.4)
OPENID_SCOPES: Final = ("openid", "profile", "email", "offline_access")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
_TEXT_MAX: Final = 2000


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """What an application asks for, checked. ``asked_at`` in seconds since 1970."""

    client: UUID
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    asked_at: int
    state: str | None = None
    nonce: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    dpop_jkt: str | None = None
    login_hint: str | None = None


class Code(msgspec.Struct, frozen=True):
    """What an authorization code stands for."""

    client: UUID
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    tenant: UUID
    session: UUID
    nonce: str | None = None
    dpop_jkt: str | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """What has to happen before a code can be given: the person signs in, consents, or nothing any more."""

    step: Literal["login", "consent", "code"]


def return_address(client: Client, fields: Mapping[str, str]) -> str:
    """Where the answer goes: exactly one of the registered addresses (RFC 9700 section 4.1.3).

    Raises:
        RequestUnusable: it is not; the person is told and nobody else.
    """
    wanted = fields.get("redirect_uri")
    if wanted is None and len(client.redirect_uris) == 1:
        return client.redirect_uris[0]
    if wanted is not None and any(_same_address(wanted, known) for known in client.redirect_uris):
        return wanted
    raise RequestUnusable("redirect_uri is none of those that the application registered.", field="redirect_uri")


def _same_address(wanted: str, known: str) -> bool:
    """Equal texts; on loopback the port may differ, which the application's system chose (RFC 8252 section 7.3)."""
    if wanted == known:
        return True
    one, other = urlsplit(wanted), urlsplit(known)
    try:
        loopback = other.scheme == "http" and other.hostname in ("127.0.0.1", "::1") and one.port is not None
    except ValueError:
        return False
    plain = one.username is None and one.password is None and not one.fragment
    same = (one.scheme, one.hostname, one.path, one.query) == (other.scheme, other.hostname, other.path, other.query)
    return loopback and plain and same


def authorization_request(
    client: Client, fields: Mapping[str, str], asked_at: int, *, pushed: bool
) -> AuthorizationRequest:
    """Check a request whose return address is known to be the client's.

    Raises:
        AuthorizationRefused: with the error that the application is told.
    """
    if client.require_pushed_requests and not pushed:
        raise AuthorizationRefused("invalid_request", "This client pushes its requests (RFC 9126).")
    if any(len(value) > _TEXT_MAX for value in fields.values()):
        raise AuthorizationRefused("invalid_request", "A parameter is too long.")
    if "request" in fields:
        raise AuthorizationRefused("request_not_supported", "Push the request instead: POST /oauth2/par.")
    if fields.get("response_type") != "code" or GrantType.AUTHORIZATION_CODE not in client.grant_types:
        raise AuthorizationRefused("unsupported_response_type", "Only response_type=code, for clients that have it.")
    if fields.get("response_mode", "query") != "query":
        raise AuthorizationRefused("invalid_request", "Only response_mode=query.")
    challenge = fields.get("code_challenge", "")
    if fields.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise AuthorizationRefused("invalid_request", "PKCE with code_challenge_method=S256 is required (RFC 7636).")
    prompt = frozenset(fields.get("prompt", "").split())
    if not prompt <= _PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise AuthorizationRefused("invalid_request", "prompt is none, or login, consent, select_account.")
    max_age = fields.get("max_age")
    if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):  # noqa: PLR2004
        raise AuthorizationRefused("invalid_request", "max_age is a number of seconds.")
    return AuthorizationRequest(
        client=client.id,
        redirect_uri=return_address(client, fields),
        scopes=_scopes(client, fields.get("scope", "")),
        code_challenge=challenge,
        asked_at=asked_at,
        state=fields.get("state"),
        nonce=fields.get("nonce"),
        prompt=tuple(sorted(prompt)),
        max_age=None if max_age is None else int(max_age),
        acr_values=tuple(fields.get("acr_values", "").split()),
        dpop_jkt=fields.get("dpop_jkt"),
        login_hint=fields.get("login_hint"),
    )


def _scopes(client: Client, asked: str) -> tuple[str, ...]:
    wanted = sorted(set(asked.split()))
    unknown = [scope for scope in wanted if scope not in OPENID_SCOPES and scope not in client.scopes]
    if unknown or not wanted:
        raise AuthorizationRefused("invalid_scope", f"This client cannot have: {' '.join(unknown) or 'no scope'}.")
    return tuple(wanted)


def next_step(request: AuthorizationRequest, session: Session | None, consented: frozenset[str], now: int) -> Next:
    """What has to happen next.

    Raises:
        AuthorizationRefused: it would have to, and the application forbade it with prompt=none; or the person cannot
            prove as much as it asks for.
    """
    silent = "none" in request.prompt
    if session is None or not _recent_enough(request, session, now):
        if silent:
            raise AuthorizationRefused("login_required", "The person has to sign in.")
        return Next("login")
    if "aal2" in request.acr_values and acr_of(session.amr) != "aal2":
        if silent or session.authenticated_at.timestamp() >= request.asked_at:
            raise AuthorizationRefused("unmet_authentication_requirements", "The person has no second factor.")
        return Next("login")
    if not set(request.scopes) <= consented or "consent" in request.prompt:
        if silent:
            raise AuthorizationRefused("consent_required", "The person has to consent.")
        return Next("consent")
    return Next("code")


def _recent_enough(request: AuthorizationRequest, session: Session, now: int) -> bool:
    signed_in = session.authenticated_at.timestamp()
    if {"login", "select_account"} & set(request.prompt) and signed_in < request.asked_at:
        return False
    return request.max_age is None or now - signed_in <= max(request.max_age, 1)


def verifier_is_well_formed(verifier: str) -> bool:
    """RFC 7636 section 4.1."""
    return _VERIFIER.fullmatch(verifier) is not None


def answer_address(redirect_uri: str, parameters: Mapping[str, str | None]) -> str:
    """The return address with the answer's parameters behind its own."""
    parts = urlsplit(redirect_uri)
    added = urlencode({name: value for name, value in parameters.items() if value is not None})
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))


def claims_of(scopes: frozenset[str], email: str | None, verified: bool, name: str) -> dict[str, Any]:  # noqa: FBT001
    """What an application learns of a person."""
    found: dict[str, Any] = {}
    if "profile" in scopes:
        found["name"] = name
    if "email" in scopes and email is not None:
        found |= {"email": email, "email_verified": verified}
    return found
