"""The layers in front of the router, as plain ASGI: names, log, metrics, size, token, limit.

A layer costs a third of what the same layer costs as the framework's dependency, and applies to every path alike.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, Protocol

import msgspec
from prometheus_client import Counter, Histogram

from nsl.http.log import AccessLog
from nsl.http.problems import MEDIA_TYPE, of_failure
from nsl.identity.errors import BadToken
from nsl.identity.model import DEFAULT_PLAN, Caller
from nsl.kit.clock import monotonic, random_bytes
from nsl.kit.errors import Failure, TooLarge
from nsl.kit.limits import Allowance, RateLimiter, exhausted

BODY_BYTES_MAX: Final = 1 << 20
TRACE_ID_BYTES: Final = 16

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Any, Any, Any], Awaitable[None]]

_requests = Counter("nsl_http_requests_total", "Requests, by route and status.", ["method", "route", "status"])
_seconds = Histogram("nsl_http_request_seconds", "From the first byte to the last.", ["method", "route"])
_limited = Counter("nsl_http_rate_limited_total", "Requests that a limit refused.", ["class"])
_encoder = msgspec.json.Encoder()
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# W3C Trace Context, version 00; a trace id of zeros is not one.
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class TokenVerifier(Protocol):
    """Whoever a bearer token stands for. ``verify`` raises BadToken."""

    def known(self, token: str) -> Caller | None: ...

    async def verify(self, token: str) -> Caller: ...


class Gateway:
    """One request: named, measured, authenticated, limited, passed on, counted and logged."""

    def __init__(self, application: Application, tokens: TokenVerifier, limiter: RateLimiter, log: AccessLog) -> None:
        self._application = application
        self._tokens = tokens
        self._limiter = limiter
        self._log = log
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        began = monotonic()
        headers = dict(scope["headers"])
        request_id, trace_id = _names(headers)
        scope["nsl.request_id"] = request_id
        added = [(b"x-request-id", request_id.encode())]
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def noted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                nonlocal status
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            bounded = _bounded(headers, receive)
            await self._admit(scope, headers, added)
            await self._application(scope, bounded, noted_send)
        except Failure as failure:
            await _refuse(failure, request_id, noted_send)
        finally:
            self._count(scope, status, monotonic() - began, request_id, trace_id)

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes], added: list[tuple[bytes, bytes]]) -> None:
        """Who calls, and whether the limit allows it; health checks are not counted. Raises Failure."""
        path: str = scope["path"]
        if path.startswith("/health/"):
            return
        try:
            caller = await self._caller(path, headers)
        except BadToken:
            # Bad tokens are counted too, or guessing would be free.
            self._take(f"address:{_address(scope)}", DEFAULT_PLAN.requests_per_minute, 1, "address", added)
            raise
        scope["nsl.caller"] = caller
        if caller is None:
            self._take(f"address:{_address(scope)}", DEFAULT_PLAN.requests_per_minute, 1, "address", added)
            return
        if path.startswith("/v1/keys"):
            kind, limit = "keys", caller.plan.key_requests_per_minute
        else:
            kind, limit = "all", caller.plan.requests_per_minute
        subject = f"{kind}:{caller.subject}"

        def spend(cost: int) -> None:
            self._take(subject, limit, cost, kind, [])

        scope["nsl.spend"] = spend
        self._take(subject, limit, 1, kind, added)

    def _take(self, subject: str, limit: int, cost: int, kind: str, added: list[tuple[bytes, bytes]]) -> None:
        """Raises RateLimited."""
        allowance = self._limiter.take(subject, limit, cost)
        added += _limit_headers(allowance)
        if not allowance.admitted:
            _limited.labels(kind).inc()
            raise exhausted(allowance)

    async def _caller(self, path: str, headers: dict[bytes, bytes]) -> Caller | None:
        """None without a token, and at the token endpoint, where Authorization means something else."""
        authorization = headers.get(b"authorization")
        if authorization is None or path.startswith("/oauth2/"):
            return None
        kind, _, encoded = authorization.partition(b" ")
        if kind.lower() != b"bearer" or not encoded.isascii():
            raise BadToken("Send the access token as: Authorization: Bearer TOKEN.")
        token = encoded.decode("ascii")
        return self._tokens.known(token) or await self._tokens.verify(token)

    def _count(self, scope: Scope, status: int, seconds: float, request_id: str, trace_id: str) -> None:
        """Metrics and the log's line."""
        method, route = scope["method"], scope.get("path_template") or "unknown"
        place = (method, route, status)
        children = self._children.get(place)
        if children is None:
            children = (_requests.labels(method, route, str(status)), _seconds.labels(method, route))
            self._children[place] = children
        children[0].inc()
        children[1].observe(seconds)
        caller: Caller | None = scope.get("nsl.caller")
        self._log.write(
            method,
            route,
            status,
            seconds,
            request_id=request_id,
            trace_id=trace_id,
            subject=None if caller is None else caller.subject,
            tenant=None if caller is None else str(caller.tenant),
        )


def _names(headers: dict[bytes, bytes]) -> tuple[str, str]:
    """The request's id, the caller's where it sent a plain one; and the trace it belongs to, or starts."""
    trace_id = ""
    if (traceparent := headers.get(b"traceparent")) and (found := _TRACEPARENT.fullmatch(traceparent)):
        trace_id = found[1].decode()
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode(), trace_id or random_bytes(TRACE_ID_BYTES).hex()
    trace_id = trace_id or random_bytes(TRACE_ID_BYTES).hex()
    return trace_id, trace_id


def _bounded(headers: dict[bytes, bytes], receive: Receive) -> Receive:
    """A body's length is declared, and then the server holds the caller to it; or it is counted as it comes.

    Raises:
        TooLarge: at once for a declared length, else from the returned function.
    """
    declared = headers.get(b"content-length")
    if declared is not None:
        if not declared.isdigit() or int(declared) > BODY_BYTES_MAX:
            raise _too_large()
        return receive
    if b"transfer-encoding" not in headers:
        return receive
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > BODY_BYTES_MAX:
            raise _too_large()
        return message

    return counted


async def _refuse(failure: Failure, request_id: str, send: Send) -> None:
    body, more = of_failure(failure, request_id)
    encoded = _encoder.encode(body)
    headers = [(name.encode(), value.encode()) for name, value in more.items()]
    headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(encoded))]
    await send({"type": "http.response.start", "status": body.status, "headers": headers})
    await send({"type": "http.response.body", "body": encoded})


def _address(scope: Scope) -> str:
    """The port of a connection says nothing; without an address all of them are one."""
    client = scope.get("client")
    return client[0] if client else ""


def _too_large() -> TooLarge:
    return TooLarge(f"A request body is at most {BODY_BYTES_MAX} bytes.")


def _limit_headers(allowance: Allowance) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"ratelimit-limit", b"%d" % allowance.limit),
        (b"ratelimit-remaining", b"%d" % allowance.remaining),
        (b"ratelimit-reset", b"%d" % allowance.reset_seconds),
    )
