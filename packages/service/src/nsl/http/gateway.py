"""The layers in front of the router, as plain ASGI: names, log, metrics, size, token, limit.

A layer costs a third of what the same layer costs as the framework's dependency, and applies to every path alike.
"""

import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import msgspec
from prometheus_client import Counter, Histogram

from nsl.http.log import AccessLog
from nsl.http.problems import MEDIA_TYPE, of_failure
from nsl.identity.errors import BadToken, ProofRefused
from nsl.identity.model import DEFAULT_PLAN, Binding, Caller
from nsl.identity.service import certificate_binding
from nsl.kit.clock import monotonic, random_bytes
from nsl.kit.errors import Failure, Malformed, TooLarge, Unauthenticated
from nsl.kit.limits import Allowance, Limiter, exhausted

BODY_BYTES_MAX: Final = 1 << 20
TRACE_ID_BYTES: Final = 16
# Where passwords, codes and links are tried without a token.
_SIGN_IN_PATHS: Final = ("/v1/auth/", "/console/")
# Classes in which nothing is let through that cannot be counted.
_STRICT: Final = frozenset({"keys", "sign-in"})

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
    """Whoever a bearer token stands for. ``verify`` raises BadToken, TenantClosed."""

    def known(self, token: str) -> Caller | None: ...

    async def verify(self, token: str) -> Caller: ...


class ProofVerifier(Protocol):
    """What a DPoP proof proves. Raises ProofRefused."""

    async def dpop(self, proof: str, method: str, path: str, token: str | None) -> Binding: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits of those without a plan, in requests per minute, and whose word counts for where a request comes from.

    Attributes:
        address: of one network address without a valid token.
        sign_ins: of one network address, where passwords, codes and links are tried.
        trusted_proxies: addresses whose X-Forwarded-For and Client-Cert (RFC 9440) are believed.
    """

    address: int = DEFAULT_PLAN.requests_per_minute
    sign_ins: int = 60
    trusted_proxies: frozenset[str] = frozenset()


class Gateway:
    """One request: named, measured, authenticated, limited, passed on, counted and logged."""

    def __init__(
        self,
        application: Application,
        tokens: TokenVerifier,
        proofs: ProofVerifier,
        limiter: Limiter,
        log: AccessLog,
        policy: Policy,
    ) -> None:
        self._application = application
        self._tokens = tokens
        self._proofs = proofs
        self._limiter = limiter
        self._log = log
        self._policy = policy
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
            _check_address_text(scope)
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
        self._believe_proxy(scope, headers)
        try:
            caller = await self._caller(path, headers, scope)
        except Unauthenticated:
            # Bad tokens are counted too, or guessing would be free.
            await self._take(f"address:{_address(scope)}", self._policy.address, 1, "address", added)
            raise
        scope["nsl.caller"] = caller
        if caller is None:
            kind, limit = "address", self._policy.address
            if scope["method"] == "POST" and path.startswith(_SIGN_IN_PATHS):
                kind, limit = "sign-in", self._policy.sign_ins
            await self._take(f"{kind}:{_address(scope)}", limit, 1, kind, added)
            return
        if path.startswith("/v1/keys"):
            kind, limit = "keys", caller.plan.key_requests_per_minute
        else:
            kind, limit = "all", caller.plan.requests_per_minute
        subject = f"{kind}:{caller.subject}"

        async def spend(cost: int) -> None:
            await self._take(subject, limit, cost, kind, [])

        scope["nsl.spend"] = spend
        await self._take(subject, limit, 1, kind, added)

    async def _take(self, subject: str, limit: int, cost: int, kind: str, added: list[tuple[bytes, bytes]]) -> None:
        """Raises RateLimited; and Unavailable, where nothing is let through that cannot be counted."""
        allowance = self._limiter.take_now(subject, limit, cost)
        if allowance is None:
            allowance = await self._limiter.take(subject, limit, cost, strict=kind in _STRICT)
        added += _limit_headers(allowance)
        if not allowance.admitted:
            _limited.labels(kind).inc()
            raise exhausted(allowance)

    def _believe_proxy(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Take the caller's address and certificate from a proxy of ours, and from nobody else."""
        if _address(scope) not in self._policy.trusted_proxies:
            return
        # What the proxy connects with is its own, and nobody's that it speaks for.
        scope.pop("nsl.certificate", None)
        if forwarded := headers.get(b"x-forwarded-for"):
            # The last is the one that our proxy saw; those before it, anybody may have written.
            scope["client"] = (forwarded.decode("latin-1").rpartition(",")[2].strip(), 0)
        if certificate := headers.get(b"client-cert"):
            try:
                scope["nsl.certificate"] = b64decode(certificate.strip().strip(b":"), validate=True)
            except ValueError as error:
                raise BadToken("The Client-Cert header cannot be read (RFC 9440).") from error

    async def _caller(self, path: str, headers: dict[bytes, bytes], scope: Scope) -> Caller | None:
        """None without a token, and at the provider's endpoints, where Authorization means something else."""
        authorization = headers.get(b"authorization")
        if authorization is None or (path.startswith("/oauth2/") and path != "/oauth2/userinfo"):
            return None
        kind, _, encoded = authorization.partition(b" ")
        scheme = kind.lower()
        if scheme not in (b"bearer", b"dpop") or not encoded.isascii():
            raise BadToken("Send the access token as: Authorization: Bearer TOKEN.")
        token = encoded.decode("ascii")
        caller = self._tokens.known(token) or await self._tokens.verify(token)
        if caller.binding is not None or scheme == b"dpop":
            await self._prove(caller.binding, scheme, token, headers, scope)
        return caller

    async def _prove(
        self, binding: Binding | None, scheme: bytes, token: str, headers: dict[bytes, bytes], scope: Scope
    ) -> None:
        """Whether whoever sent a bound token holds what it is bound to. Raises ProofRefused, BadToken."""
        if binding is None:
            raise BadToken("This token is not bound to a key: send it as Authorization: Bearer TOKEN.")
        if binding.kind == "jkt":
            proof = headers.get(b"dpop")
            if scheme != b"dpop" or proof is None:
                raise ProofRefused("This token is bound to a key: send Authorization: DPoP TOKEN and a DPoP proof.")
            found = await self._proofs.dpop(proof.decode("latin-1"), scope["method"], scope["path"], token)
        else:
            certificate = scope.get("nsl.certificate")
            if scheme != b"bearer" or not isinstance(certificate, bytes):
                raise ProofRefused("This token is bound to a certificate: connect with it.")
            found = certificate_binding(certificate)
        if found != binding:
            raise ProofRefused("This token is bound to another key or certificate.")

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


def _check_address_text(scope: Scope) -> None:
    """PostgreSQL holds no NUL, so no name, filter or id has one. Raises Malformed."""
    if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
        raise Malformed("The address holds a NUL character.")


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
