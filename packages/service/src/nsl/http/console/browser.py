"""Who is in front of the browser, whether a form is ours, and where a browser may be sent."""

import re
from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Redirect

from nsl.accounts.model import SESSION_SECONDS, Session
from nsl.accounts.service import Sessions
from nsl.http.console.pages import page
from nsl.http.problems import of_failure, on_failure
from nsl.identity.model import CONSOLE, DEFAULT_PLAN, STEP_UP_SECONDS, Caller, Public
from nsl.identity.service import Tenancy, Tokens
from nsl.kit.clock import unix_seconds
from nsl.kit.decoding import Unreadable
from nsl.kit.errors import Denied, Failure
from nsl.oauth.api.people import browser_session
from nsl.oauth.api.views import session_cookie

Asked = Request[Any, Any, Any]
TokensOf = NamedDependency[SkipValidation[Tokens]]
TenancyOf = NamedDependency[SkipValidation[Tenancy]]
Browser = Annotated[None, Public("a browser comes; who is in front of it, its cookie says")]
ACCOUNT: Final = "/console/account"
LOGIN: Final = "/console/login"
_FIELDS_MAX: Final = 20
_FIELD_CHARACTERS_MAX: Final = 2000
# No dots, no second slash in a row: whatever a browser makes of it, it stays a page of ours.
_OWN_PAGE = re.compile(r"/console(/[a-z][a-z-]*)+(\?[A-Za-z0-9_=&%+.~-]*)?")


class ForeignOrigin(Denied):
    code = "FOREIGN_ORIGIN"


class SignInNeeded(Exception):
    """Nobody is signed in, or too long ago. ``after``: where to go on."""

    def __init__(self, after: str) -> None:
        super().__init__(after)
        self.after = after


def own_page(wanted: str | None) -> str:
    """``wanted`` where it is a page of the console, else the account's."""
    return wanted if wanted is not None and _OWN_PAGE.fullmatch(wanted) else ACCOUNT


def see(address: str, **more: Any) -> Redirect:
    """Send the browser on, with GET."""
    return Redirect(address, status_code=303, headers={"cache-control": "no-store"}, **more)


def check_origin(request: Asked, issuer: str) -> None:
    """Whether a page of ours sent this. Raises ForeignOrigin."""
    origin = request.headers.get("origin")
    # Under our own Referrer-Policy browsers send "null" with a form; Sec-Fetch-Site then tells, which no page can set.
    if origin in (None, "null"):
        ours = request.headers.get("sec-fetch-site") == "same-origin"
    else:
        parts = urlsplit(issuer)
        ours = origin == f"{parts.scheme}://{parts.netloc}"
    if not ours:
        raise ForeignOrigin("This form did not come from a page of ours; open the page again and send it from there.")


async def posted(request: Asked, issuer: str) -> dict[str, str]:
    """A form's fields that are not empty. Raises ForeignOrigin, Unreadable."""
    check_origin(request, issuer)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise Unreadable("Send a form: application/x-www-form-urlencoded.")
    return _once((await request.form()).multi_items())


def asked(request: Asked) -> dict[str, str]:
    """A query's parameters that are not empty. Raises Unreadable."""
    return _once(request.query_params.multi_items())


def _once(items: Any) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in items:
        if name in fields or not isinstance(value, str) or len(fields) >= _FIELDS_MAX:
            raise Unreadable(f"The field {name[:40]} stands twice, or there are too many.")
        if "\x00" in value or len(value) > _FIELD_CHARACTERS_MAX:
            raise Unreadable(f"The field {name[:40]} is too long, or holds characters that it cannot.")
        if value:
            fields[name] = value
    return fields


async def signed_in(request: Asked, sessions: Sessions, tokens: Tokens, after: str = ACCOUNT) -> Session:
    """The browser's session. Raises SignInNeeded."""
    session = await browser_session(request, sessions, tokens.issuer)
    if session is None:
        raise SignInNeeded(after)
    return session


async def signed_in_recently(request: Asked, sessions: Sessions, tokens: Tokens) -> Session:
    """The same, for changes that only the person makes. Raises SignInNeeded."""
    session = await signed_in(request, sessions, tokens)
    if not is_recent(session):
        raise SignInNeeded(ACCOUNT)
    return session


def is_recent(session: Session) -> bool:
    """Whether the person proved who they are a short time ago."""
    return unix_seconds() - session.authenticated_at.timestamp() <= STEP_UP_SECONDS


def caller_of(session: Session) -> Caller:
    """The person, as the services want to have them."""
    return Caller(
        subject=str(session.user),
        tenant=session.tenant,
        client=CONSOLE.id,
        scopes=frozenset(),
        plan=DEFAULT_PLAN,
        person=True,
        session=session.id,
        authenticated_at=int(session.authenticated_at.timestamp()),
        amr=session.amr,
    )


def kept(issuer: str, cookie: str | None) -> Any:
    """The cookie of a new session; without one, the end of the old."""
    return session_cookie(issuer, cookie or "", seconds=SESSION_SECONDS if cookie else 0)


def status_of(failure: Failure) -> tuple[int, dict[str, str]]:
    """The status of a page that tells of a failure, and its headers."""
    body, headers = of_failure(failure, "")
    # A page asks for a password in its form; the header would mean the API's tokens.
    return body.status, {name: value for name, value in headers.items() if name != "www-authenticate"}


def _on_failure(_: Request[Any, Any, Any], failure: Failure) -> Response[Any]:
    status, headers = status_of(failure)
    return page("failure.html", status=status, headers=headers, detail=failure.detail)


def _on_sign_in_needed(_: Request[Any, Any, Any], needed: SignInNeeded) -> Response[Any]:
    return see(f"{LOGIN}?{urlencode({'next': needed.after})}")


#: for handlers of pages: failures as pages, and the way to the sign-in
EXCEPTIONS: Final[dict[Any, Any]] = {
    ForeignOrigin: on_failure,
    Failure: _on_failure,
    SignInNeeded: _on_sign_in_needed,
}
