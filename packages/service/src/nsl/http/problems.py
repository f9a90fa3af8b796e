"""Errors as RFC 9457 problems: one table from the service's failures to HTTP, one shape for all bodies."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException

from nsl.keys.errors import SigningRefused
from nsl.kit import errors
from nsl.kit.decoding import place
from nsl.kit.errors import Exhausted, Failure, Unavailable

MEDIA_TYPE = "application/problem+json"

#: the first kind that a failure is an instance of decides
STATUSES: tuple[tuple[type[Failure], HTTPStatus], ...] = (
    (errors.Malformed, HTTPStatus.BAD_REQUEST),
    (errors.Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (errors.Denied, HTTPStatus.FORBIDDEN),
    (errors.Missing, HTTPStatus.NOT_FOUND),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.Unprocessable, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.Locked, HTTPStatus.LOCKED),
    (errors.Exhausted, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
_FOREIGN_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}

_log = structlog.get_logger("nsl.http")


class FieldError(msgspec.Struct, frozen=True):
    field: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. Branch on ``code``; ``detail`` says what to do; ``request_id`` finds it in the logs."""

    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] = []
    type: str = "about:blank"


def problem(
    status: HTTPStatus, code: str, detail: str, request_id: str, fields: list[FieldError] | None = None
) -> Problem:
    """A problem's body."""
    return Problem(status.phrase, status.value, detail, code, request_id, fields or [])


def of_failure(failure: Failure, request_id: str) -> tuple[Problem, dict[str, str]]:
    """The problem of one of the service's failures, and the headers that go with it."""
    status = next((status for kind, status in STATUSES if isinstance(failure, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    code = failure.enclave_code if isinstance(failure, SigningRefused) else failure.code
    fields = [] if failure.field is None else [FieldError(failure.field, failure.detail)]
    headers = {}
    if isinstance(failure, Exhausted | Unavailable):
        headers["retry-after"] = str(failure.retry_after_seconds)
    if isinstance(failure, errors.Unauthenticated):
        headers["www-authenticate"] = failure.challenge
    return problem(status, code, failure.detail, request_id, fields), headers


def on_failure(request: Request[Any, Any, Any], failure: Exception) -> Response[Problem]:
    """The router's handler of ``Failure``."""
    if not isinstance(failure, Failure):
        return on_defect(request, failure)
    body, headers = of_failure(failure, _request_id(request))
    return _response(body, headers)


def on_invalid(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """A body or parameter that does not fit: 400, with the field named."""
    fields = _fields(error)
    detail = "; ".join(f"{each.field}: {each.message}" for each in fields) or "The request cannot be read."
    body = problem(HTTPStatus.BAD_REQUEST, "MALFORMED", detail, _request_id(request), fields)
    return _response(body)


def on_http(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """What the router itself says: no such path, another method."""
    if not isinstance(error, HTTPException):
        return on_defect(request, error)
    status = HTTPStatus(error.status_code)
    code = _FOREIGN_CODES.get(status.value, "MALFORMED" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "INTERNAL")
    if status is HTTPStatus.BAD_REQUEST:
        return on_invalid(request, error)
    detail = "There is nothing at this path." if status is HTTPStatus.NOT_FOUND else error.detail
    return _response(problem(status, code, detail, _request_id(request)), error.headers)


def on_defect(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Our own mistake: all of it goes to the log, nothing of it to the caller."""
    _log.error("defect", request_id=_request_id(request), path=request.scope["path"], exc_info=error)
    body = problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "Something failed on our side; quote the request id when you report it.",
        _request_id(request),
    )
    return _response(body)


HANDLERS: Mapping[Any, Any] = {
    Failure: on_failure,
    ValidationException: on_invalid,
    SerializationException: on_invalid,
    HTTPException: on_http,
    Exception: on_defect,
}


def _request_id(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("nsl.request_id", ""))


def _response(body: Problem, headers: Mapping[str, str] | None = None) -> Response[Problem]:
    return Response(body, status_code=body.status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _fields(error: Exception) -> list[FieldError]:
    extra = getattr(error, "extra", None)
    if isinstance(extra, list) and extra:
        return [_field(str(each.get("message", "")), str(each.get("key", ""))) for each in extra]
    detail = getattr(error, "detail", None) or str(error)
    return [_field(str(detail), "")]


def _field(message: str, key: str) -> FieldError:
    """Litestar names the parameter, msgspec what is in it."""
    found, reason = place(message)
    return FieldError(found or ("body" if key in ("", "data") else key), reason or "is not valid")
