"""What a call can raise.

NslError
├── ConnectionFailed      no answer, after all retries; what was sent may have arrived
├── AnswerUnreadable      an answer that is not this API's, or a newer one's
├── Timeout               a transaction was not final in the time given; it goes on
├── TransactionFailed     it is final, and not confirmed
├── EvidenceRefused       what answers is not proven to be a trusted enclave; nothing was sent to it
├── KeyNotOpened          an exported key is for somebody else, was changed, or is another one
└── ApiError              the API answered with a problem (RFC 9457)
    ├── Malformed         400
    ├── Unauthenticated   401
    ├── Denied            403
    ├── NotFound          404
    ├── Conflict          409
    ├── Unprocessable     422
    ├── RateLimited       429
    └── Unavailable       503
"""

from typing import Any

import msgspec


class NslError(Exception):
    """Base of everything the SDK raises."""


class ConnectionFailed(NslError):
    """No usable answer came, after all retries."""


class AnswerUnreadable(NslError):
    """A success whose body this SDK cannot read."""


class Timeout(NslError):
    """The wait is over; the transaction is not."""


class EvidenceRefused(NslError):
    """Nothing was encrypted, because whoever could open it is not proven to be a trusted enclave."""


class KeyNotOpened(NslError):
    """An exported key does not open, or is not the one that was expected."""


class TransactionFailed(NslError):
    """A transaction ended without being confirmed. ``transaction`` says how."""

    def __init__(self, message: str, transaction: Any) -> None:
        super().__init__(message)
        self.transaction = transaction


class FieldError(msgspec.Struct, frozen=True):
    """A field of the request, and what is wrong with it."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """An ``application/problem+json`` body."""

    code: str
    title: str = ""
    status: int = 0
    detail: str = ""
    request_id: str = ""
    errors: list[FieldError] = []


class ApiError(NslError):
    """A problem. Branch on ``code``; ``detail`` says what to do; ``request_id`` finds it in the logs."""

    def __init__(self, status: int, problem: Problem) -> None:
        fields = "".join(f" [{each.field}: {each.message}]" for each in problem.errors)
        super().__init__(f"{status} {problem.code}: {problem.detail or problem.title}{fields}")
        self.status = status
        self.code = problem.code
        self.detail = problem.detail
        self.request_id = problem.request_id
        self.errors = problem.errors


class Malformed(ApiError):
    """The request cannot be read (400)."""


class Unauthenticated(ApiError):
    """The credentials are not accepted (401)."""


class Denied(ApiError):
    """The credentials do not allow it (403)."""


class NotFound(ApiError):
    """No such thing, or another tenant's (404)."""


class Conflict(ApiError):
    """It contradicts what is there (409)."""


class Unprocessable(ApiError):
    """Readable, but it cannot be done (422)."""


class RateLimited(ApiError):
    """A limit was reached, also after waiting (429)."""


class Unavailable(ApiError):
    """Something that the API depends on is down (503)."""


_KINDS: dict[int, type[ApiError]] = {
    400: Malformed,
    401: Unauthenticated,
    403: Denied,
    404: NotFound,
    409: Conflict,
    422: Unprocessable,
    429: RateLimited,
    503: Unavailable,
}


def api_error(status: int, body: bytes) -> ApiError:
    """The error of an answer, whatever its body is."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = _foreign(status, body)
    return _KINDS.get(status, ApiError)(status, problem)


def _foreign(status: int, body: bytes) -> Problem:
    """OAuth's own error bodies (RFC 6749 section 5.2), or something between us and the API."""
    try:
        read = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        read = {}
    code, detail = str(read.get("error", "UNKNOWN")), str(read.get("error_description", ""))
    return Problem(code, status=status, detail=detail or f"The answer was not the API's: {body[:200]!r}")
