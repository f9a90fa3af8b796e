"""How a call is carried out, without any I/O: a generator yields what to do next and is told what came of it.

Both clients run the same generators, so retries, tokens and waiting are written once.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import httpx
import msgspec

from nsl_client.calls import Call, get_transaction
from nsl_client.clock import jitter, monotonic
from nsl_client.errors import (
    AnswerUnreadable,
    ConnectionFailed,
    NslError,
    RateLimited,
    Timeout,
    TransactionFailed,
    Unavailable,
    api_error,
)
from nsl_client.model import Transaction

ATTEMPTS_MAX: Final = 5
BACKOFF_SECONDS_FIRST: Final = 0.2
BACKOFF_SECONDS_MAX: Final = 5.0
RETRY_AFTER_SECONDS_MAX: Final = 60
TOKEN_MARGIN_SECONDS: Final = 30
POLL_SECONDS_FIRST: Final = 0.1
POLL_SECONDS_MAX: Final = 1.0
_RETRIED = frozenset({429, 502, 503, 504})
_OK_MAX = 299
_UNAUTHENTICATED = 401
_RATE_LIMITED = 429  # refused by the limiter, before anything was done
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_USER_AGENT = f"nsl-client/{version('nsl-client')}"


@dataclass(frozen=True)
class Send:
    """Send this. Answered with the response, or with the transport's error (httpx.RequestError)."""

    request: httpx.Request


@dataclass(frozen=True)
class Pause:
    """Let this many seconds pass."""

    seconds: float


@dataclass(frozen=True)
class NeedToken:
    """See that there is a valid token; many calls at once ask for one once. Answered with the error, if any."""


type Action = Send | Pause | NeedToken
type Outcome = httpx.Response | httpx.RequestError | NslError | None
type Flow[T] = Generator[Action, Outcome, T]


class _Token(msgspec.Struct):
    access_token: str
    expires_in: int
    refresh_token: str | None = None


class Session:
    """Credentials, the present token, and how requests are built. Shared by all calls of a client.

    Args:
        refresh_token: of a person who signed in, in place of a secret. Each is used once; ``keep`` is given the next.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        refresh_token: str | None = None,
        keep: Callable[[str], None] | None = None,
    ) -> None:
        if httpx.URL(base_url).scheme not in ("http", "https"):
            raise ValueError(f"base_url begins with http:// or https://, not {base_url!r}")
        self._base_url = base_url.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._keep = keep
        self._token = ""
        self._valid_until = float("-inf")

    @property
    def has_token(self) -> bool:
        """Whether the token will be valid for a while."""
        return monotonic() < self._valid_until

    def forget_token(self, refused: str) -> None:
        """The API refused it. A token that somebody else has fetched since then stays."""
        if self._token == refused:
            self._valid_until = float("-inf")

    def fetch_token(self) -> Flow[None]:
        """Client credentials (RFC 6749 section 4.4), or a person's refresh token (section 6)."""
        form = {"client_id": self._client_id}
        if self._refresh_token is None:
            form |= {"grant_type": "client_credentials", "client_secret": self._client_secret}
        else:
            form |= {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        request = httpx.Request("POST", self._base_url + "/oauth2/token", data=form)
        # A refresh token whose answer was lost may come once more, for some seconds.
        response = yield from _attempts(lambda: request, repeatable=True)
        if response.status_code > _OK_MAX:
            raise api_error(response.status_code, response.content)
        token = _decode(response, _Token)
        self._token = token.access_token
        if token.refresh_token is not None:
            self._refresh_token = token.refresh_token
            if self._keep is not None:
                self._keep(token.refresh_token)
        self._valid_until = monotonic() + max(token.expires_in - TOKEN_MARGIN_SECONDS, 1)

    def run[T](self, call: Call[T]) -> Flow[T]:
        """One call to its answer. Raises ApiError, ConnectionFailed, AnswerUnreadable."""
        if not call.public:
            yield from _token()
        used = self._token
        response = yield from _attempts(lambda: self._request(call), repeatable=call.repeatable, also=call.also)
        if response.status_code == _UNAUTHENTICATED and not call.public:
            self.forget_token(used)
            yield from _token()
            response = yield from _attempts(lambda: self._request(call), repeatable=call.repeatable, also=call.also)
        if response.status_code > _OK_MAX and response.status_code not in call.also:
            raise api_error(response.status_code, response.content)
        return _decode(response, call.answer)

    def wait_for(self, transaction_id: str, timeout_seconds: float) -> Flow[Transaction]:
        """Until the transaction is final, whether the API answers all the while or not.

        Raises Timeout, TransactionFailed; and what stands in the way of asking, when it lasts until the end.
        """
        deadline = monotonic() + timeout_seconds
        pause = POLL_SECONDS_FIRST
        while True:
            try:
                found: Transaction = yield from self.run(get_transaction(transaction_id))
            except (ConnectionFailed, Unavailable, RateLimited):
                if monotonic() + POLL_SECONDS_MAX > deadline:
                    raise
                yield Pause(POLL_SECONDS_MAX)
                continue
            if found.state == "confirmed":
                return found
            if found.final:
                why = f"{found.failure.code}: {found.failure.message}" if found.failure else found.state
                raise TransactionFailed(f"Transaction {found.id} {found.state} ({why})", found)
            if monotonic() + pause > deadline:
                raise Timeout(f"Transaction {found.id} is still {found.state} after {timeout_seconds:g} s.")
            yield Pause(pause)
            pause = min(pause * 1.5, POLL_SECONDS_MAX)

    def _request(self, call: Call[Any]) -> httpx.Request:
        headers = {"user-agent": _USER_AGENT}
        if not call.public:
            headers["authorization"] = f"Bearer {self._token}"
        if call.idempotency_key is not None:
            headers["idempotency-key"] = call.idempotency_key
        body: dict[str, Any] = {} if call.body is None else {"json": call.body}
        return httpx.Request(
            call.method, self._base_url + call.path, params=call.query or None, headers=headers, **body
        )


def _token() -> Flow[None]:
    refused = yield NeedToken()
    if isinstance(refused, NslError):
        raise refused


def _attempts(
    request: Callable[[], httpx.Request], *, repeatable: bool, also: frozenset[int] = frozenset()
) -> Flow[httpx.Response]:
    """Send, and send again where that is safe and may help: no connection, overload, a limit.

    What is not repeatable is sent again only where it certainly was not taken. ``also``: statuses that are answers.
    """
    backoff = BACKOFF_SECONDS_FIRST
    for attempt in range(1, ATTEMPTS_MAX + 1):
        outcome = yield Send(request())
        last = attempt == ATTEMPTS_MAX
        pause: float | None
        if isinstance(outcome, httpx.Response):
            safe = repeatable or outcome.status_code == _RATE_LIMITED
            pause = _pause_before_retry(outcome, jitter(backoff))
            if last or not safe or pause is None or outcome.status_code in also:
                return outcome
        else:
            if last or not (repeatable or isinstance(outcome, _NEVER_SENT)):
                raise ConnectionFailed(f"The API could not be reached: {outcome!r}")
            pause = jitter(backoff)
        yield Pause(pause)
        backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)
    raise ConnectionFailed("The API could not be reached.")


def _pause_before_retry(response: httpx.Response, backoff: float) -> float | None:
    """Seconds to wait; None when it is no use to ask again, or only after more than we wait.

    Retry-After is honoured in seconds (RFC 9110 section 10.2.3); to come back earlier would only be refused again.
    """
    if response.status_code not in _RETRIED:
        return None
    text = response.headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()):
        return backoff
    return None if int(text) > RETRY_AFTER_SECONDS_MAX else max(float(text), backoff)


def _decode[T](response: httpx.Response, answer: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AnswerUnreadable(
            f"The answer of {response.request.url.path} is not what this version of the SDK reads: {error}"
        ) from error
