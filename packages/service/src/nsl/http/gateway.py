"""The layers in front of the router, as plain ASGI: request id, log, metrics, size, token, limit.

A layer costs a third of what the same layer costs as the framework's dependency, and applies to every path alike.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from prometheus_client import Counter, Histogram

from nsl.http.log import AccessLog
from nsl.http.problems import MEDIA_TYPE, Problem, of_failure
from nsl.identity.errors import BadToken
from nsl.identity.model import DEFAULT_PLAN, Caller
from nsl.kit.clock import monotonic
from nsl.kit.errors import Failure, TooLarge
from nsl.kit.ids import new_id
from nsl.kit.limits import Allowance, RateLimiter, exhausted

BODY_BYTES_MAX = 1 << 20
REQUEST_ID_MAX = 128

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Any, Any, Any], Awaitable[None]]

_requests = Counter("nsl_http_requests_total", "Requests, by route and status.", ["method", "route", "status"])
_seconds = Histogram("nsl_http_request_seconds", "From the first byte to the last.", ["method", "route"])
_limited = Counter("nsl_http_rate_limited_total", "Requests that a limit refused.", ["class"])
_encoder = msgspec.json.Encoder()


class TokenVerifier(Protocol):
    """Whoever a bearer token stands for. Raises BadToken."""

    async def verify(self, token: str) -> Caller: ...


class BodyTooLarge(TooLarge):
    code = "TOO_LARGE"


class Gateway:
    """One request: named, authenticated, limited, passed on, counted and logged."""

    def __init__(self, application: Application, tokens: TokenVerifier, limiter: RateLimiter, log: AccessLog) -> None:
        self._application = application
        self._tokens = tokens
        self._limiter = limiter
        self._log = log
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        await _Exchange(self, scope, receive, send).run()

    async def admit(self, scope: Scope) -> Allowance | None:
        """Who calls, and whether the limit allows it; health checks are not counted. Raises Failure."""
        path = scope["path"]
        if path.startswith("/health/"):
            return None
        caller = await self._caller(scope)
        scope["nsl.caller"] = caller
        keys = path.startswith("/v1/keys")
        plan = DEFAULT_PLAN if caller is None else caller.plan
        limit = plan.key_requests_per_minute if keys else plan.requests_per_minute
        if caller is None:
            # The port of a connection says nothing; without an address all of them are one.
            client = scope.get("client")
            subject = f"address:{client[0] if client else ''}"
        else:
            subject = f"{'keys' if keys else 'all'}:{caller.subject}"

        def spend(cost: int) -> None:
            allowance = self._limiter.take(subject, limit, cost)
            if not allowance.admitted:
                _limited.labels("keys" if keys else "all").inc()
                raise exhausted(allowance)

        scope["nsl.spend"] = spend
        allowance = self._limiter.take(subject, limit)
        if not allowance.admitted:
            _limited.labels("keys" if keys else "all").inc()
        return allowance

    async def _caller(self, scope: Scope) -> Caller | None:
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if authorization is None or scope["path"].startswith("/oauth2/"):
            return None
        kind, _, token = authorization.partition(b" ")
        if kind.lower() != b"bearer" or not token.isascii():
            raise BadToken("Send the access token as: Authorization: Bearer TOKEN.")
        return await self._tokens.verify(token.decode())

    def count(self, method: str, route: str, status: int, seconds: float, fields: dict[str, Any]) -> None:
        """Metrics and the log's line."""
        place = (method, route, status)
        children = self._children.get(place)
        if children is None:
            children = (_requests.labels(method, route, str(status)), _seconds.labels(method, route))
            self._children[place] = children
        children[0].inc()
        children[1].observe(seconds)
        self._log.write(method, route, status, seconds, fields)

    async def pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """To the router."""
        await self._application(scope, receive, send)


class _Exchange:
    """The state of one request: its id, its status, how much of its body was read."""

    def __init__(self, gateway: Gateway, scope: Scope, receive: Receive, send: Send) -> None:
        self._gateway = gateway
        self._scope = scope
        self._receive = receive
        self._send = send
        self._began = monotonic()
        self._status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        self._body_bytes = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._request_id = self._name()

    async def run(self) -> None:
        self._scope["nsl.request_id"] = self._request_id
        self._headers.append((b"x-request-id", self._request_id.encode()))
        try:
            self._check_length()
            allowance = await self._gateway.admit(self._scope)
            if allowance is not None:
                self._headers += _limit_headers(allowance)
                if not allowance.admitted:
                    raise exhausted(allowance)
            await self._gateway.pass_on(self._scope, self._bounded_receive, self._noted_send)
        except Failure as failure:
            await self._refuse(*of_failure(failure, self._request_id))
        finally:
            self._count()

    def _name(self) -> str:
        """The caller's request id when it is a plain one, else a new one."""
        given = next((value for name, value in self._scope["headers"] if name == b"x-request-id"), b"")
        text: str = given.decode("latin-1")
        plain = 0 < len(text) <= REQUEST_ID_MAX and text.isascii() and text.replace("-", "").isalnum()
        return text if plain else str(new_id())

    def _check_length(self) -> None:
        declared = next((value for name, value in self._scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
            raise _too_large()

    async def _bounded_receive(self) -> Message:
        message = await self._receive()
        self._body_bytes += len(message.get("body", b""))
        if self._body_bytes > BODY_BYTES_MAX:
            raise _too_large()
        return message

    async def _noted_send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message.get("headers", []), *self._headers]
        await self._send(message)

    async def _refuse(self, body: Problem, headers: dict[str, str]) -> None:
        encoded = _encoder.encode(body)
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        fields += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(encoded)).encode())]
        await self._noted_send({"type": "http.response.start", "status": body.status, "headers": fields})
        await self._send({"type": "http.response.body", "body": encoded})

    def _count(self) -> None:
        route = self._scope.get("path_template") or "unknown"
        caller = self._scope.get("nsl.caller")
        fields = {
            "request_id": self._request_id,
            "subject": None if caller is None else caller.subject,
            "tenant": None if caller is None else str(caller.tenant),
        }
        self._gateway.count(self._scope["method"], route, self._status, monotonic() - self._began, fields)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"A request body is at most {BODY_BYTES_MAX} bytes.")


def _limit_headers(allowance: Allowance) -> list[tuple[bytes, bytes]]:
    return [
        (b"ratelimit-limit", b"%d" % allowance.limit),
        (b"ratelimit-remaining", b"%d" % allowance.remaining),
        (b"ratelimit-reset", b"%d" % allowance.reset_seconds),
    ]
