"""JSON-RPC 2.0 over HTTP to several nodes of one network: batches, failover, every answer typed.

Each endpoint is asked for its height and its network's number before it is used and every few seconds after; the
highest one that answers is used, the quicker of two equal ones. One that fails is set aside for a while that doubles
with each failure. Requests are sent in batches (JSON-RPC 2.0 section 6), and answers are decoded once, here.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx
import msgspec

from nsl.kit.clock import monotonic
from nsl.ledger.errors import NodeDown, NodeError, WrongNetwork
from nsl.ledger.model import EndpointHealth

RESPONSE_BYTES_MAX = 64 << 20
CONNECT_TIMEOUT_SECONDS = 2.0
PROBE_TIMEOUT_SECONDS = 3.0
PROBE_EVERY_SECONDS = 3.0
SET_ASIDE_SECONDS_FIRST = 0.1
SET_ASIDE_SECONDS_MAX = 5.0
HTTP_OK = 200
#: our own code, of the range that JSON-RPC leaves to applications: one result of a batch has an unexpected shape
UNREADABLE = -1


class RpcError(msgspec.Struct, frozen=True):
    """A node's refusal. Branch on ``code``; ``data`` is for people."""

    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def text(self) -> str:
        """Message and data in one line, cut to what a problem's detail may carry."""
        data = bytes(self.data).decode("utf-8", "replace")
        return (self.message if data == "null" else f"{self.message}: {data.strip('"')}")[:400]


class _Reply(msgspec.Struct):
    id: int
    result: msgspec.Raw = msgspec.Raw(b"")
    error: RpcError | None = None


_REPLIES = msgspec.json.Decoder(list[_Reply])
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Request[T]:
    """One call and the decoder of its result."""

    method: str
    params: Sequence[Any]
    decoder: msgspec.json.Decoder[T]


@dataclass(frozen=True, slots=True)
class Network:
    """How to recognise a network: ``number`` is the magic number or chain id that ``identity`` must answer."""

    name: str
    number: int
    identity: Request[Any]
    number_of: Callable[[Any], int]
    height: Request[Any]
    height_of: Callable[[Any], int]


class EndpointError(Exception):
    """One endpoint did not answer well; another may."""


class AnswerTooLargeError(Exception):
    """An answer above the limit: the question was too large, not the endpoint at fault."""


class WrongEndpointError(EndpointError):
    """One endpoint serves another network."""


@dataclass(slots=True)
class _Endpoint:
    url: str
    verified: bool = False
    height: int = -1
    latency_seconds: float = 0.0
    failures: int = 0
    aside_until: float = 0.0
    last_failure: str = "not asked yet"

    def failed(self, why: str) -> None:
        present = monotonic()
        if self.aside_until <= present:  # calls that were under way together fail together, and count as one
            wait = min(SET_ASIDE_SECONDS_FIRST * 2**self.failures, SET_ASIDE_SECONDS_MAX)
            self.failures = min(self.failures + 1, 16)
            self.aside_until = present + wait
        self.verified = False
        self.last_failure = why

    def answered(self) -> None:
        self.failures = 0
        self.aside_until = 0.0


class JsonRpc:
    """A client of one network. Use as an async context manager.

    Raises:
        WrongNetwork: on entry, when an endpoint answers and serves another network.
        NodeDown: from any call, when no endpoint answers.
    """

    def __init__(
        self,
        network: Network,
        urls: Sequence[str],
        *,
        batch_max: int = 100,
        timeout_seconds: float = 10.0,
        response_bytes_max: int = RESPONSE_BYTES_MAX,
    ) -> None:
        if not urls:
            raise ValueError(f"{network.name}: no RPC endpoint is configured")
        self.network = network
        self.failovers = 0
        self._endpoints = [_Endpoint(url) for url in urls]
        self._batch_max = batch_max
        self._response_bytes_max = response_bytes_max
        self._probing: asyncio.Task[None] | None = None
        self._probed_at = float("-inf")
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS),
            headers={"content-type": "application/json", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=16),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        wrong = [failure for failure in await self._probe_all() if isinstance(failure, WrongEndpointError)]
        if wrong:
            await self._http.aclose()
            raise WrongNetwork(str(wrong[0]))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._http.aclose()

    async def one[T](self, request: Request[T]) -> T:
        """One call's result. Raises NodeError when the node refuses."""
        return (await self.all([request]))[0]

    async def all[T](self, requests: Sequence[Request[T]]) -> list[T]:
        """Every result, in order. Raises NodeError when the node refuses one."""
        answers = await self.batch(requests)
        return [accepted(request, answer) for request, answer in zip(requests, answers, strict=True)]

    async def batch[T](self, requests: Sequence[Request[T]]) -> list[T | RpcError]:
        """Results in the order of the requests; an ``RpcError`` stands where the node refused.

        More than the endpoint's limit are sent in several calls, one after the other; a batch whose answer is too
        large is asked again in halves.
        """
        results: list[T | RpcError] = []
        for first in range(0, len(requests), self._batch_max):
            part = requests[first : first + self._batch_max]
            try:
                results += await self._anywhere(part)
            except AnswerTooLargeError as error:
                if len(part) == 1:
                    raise NodeError(f"{self.network.name}: {error}.") from error
                middle = len(part) // 2
                results += [*await self.batch(part[:middle]), *await self.batch(part[middle:])]
        return results

    def health(self) -> list[EndpointHealth]:
        """What is known of each endpoint, without asking."""
        present = monotonic()
        return [
            EndpointHealth(
                str(httpx.URL(each.url).copy_with(username=None, password=None, query=None)),
                each.verified and each.aside_until <= present,
                each.height,
                each.latency_seconds,
                each.last_failure,
            )
            for each in self._endpoints
        ]

    async def _anywhere(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """The answer of the best endpoint that gives one."""
        tried: set[str] = set()
        while (endpoint := await self._best(tried)) is not None:
            tried.add(endpoint.url)
            try:
                results = await self._ask(endpoint, requests)
            except EndpointError as error:
                endpoint.failed(str(error))
                self.failovers += 1
                continue
            endpoint.answered()
            return results
        reasons = "; ".join(sorted({each.last_failure for each in self._endpoints}))
        raise NodeDown(f"{self.network.name}: no node answers ({reasons}). The request can be repeated.")

    async def _best(self, tried: set[str]) -> _Endpoint | None:
        several = len(self._endpoints) > 1
        stale = monotonic() - self._probed_at > PROBE_EVERY_SECONDS
        if (several and stale) or not self._usable(tried):
            await self._probe(wait=not self._usable(tried) and not tried)
        usable = self._usable(tried)
        return min(usable, key=lambda each: (-each.height, each.latency_seconds)) if usable else None

    def _usable(self, tried: Iterable[str]) -> list[_Endpoint]:
        present = monotonic()
        return [
            each for each in self._endpoints if each.verified and each.aside_until <= present and each.url not in tried
        ]

    async def _probe(self, *, wait: bool) -> None:
        """Ask every endpoint for its height, at most one round at a time, beside the caller unless it must wait."""
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._probe_quietly())
        if wait:
            await asyncio.shield(self._probing)

    async def _probe_quietly(self) -> None:
        await self._probe_all()

    async def _probe_all(self) -> list[EndpointError | None]:
        present = monotonic()
        self._probed_at = present
        due = [each for each in self._endpoints if each.aside_until <= present]
        return list(await asyncio.gather(*(self._probe_one(each) for each in due)))

    async def _probe_one(self, endpoint: _Endpoint) -> EndpointError | None:
        started = monotonic()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                number, height = await self._ask(endpoint, [self.network.identity, self.network.height])
        except (EndpointError, AnswerTooLargeError, TimeoutError) as error:
            failure = EndpointError(str(error) or "no answer in time")
            endpoint.failed(str(failure))
            return failure
        if isinstance(number, RpcError) or isinstance(height, RpcError):
            endpoint.failed("the node does not tell its network or height")
            return EndpointError(endpoint.last_failure)
        found = self.network.number_of(number)
        if found != self.network.number:
            endpoint.failed(f"it serves network {found}")
            return WrongEndpointError(
                f"{self.network.name}: the node at {httpx.URL(endpoint.url).host} serves network {found}, but "
                f"{self.network.number} is configured: correct the network or the URL."
            )
        endpoint.height = self.network.height_of(height)
        endpoint.latency_seconds = monotonic() - started
        endpoint.verified = True
        endpoint.answered()
        return None

    async def _ask(self, endpoint: _Endpoint, requests: Sequence[Request[Any]]) -> list[Any]:
        """One HTTP round trip with one endpoint. Raises EndpointError."""
        calls = [
            {"jsonrpc": "2.0", "id": number, "method": request.method, "params": request.params}
            for number, request in enumerate(requests)
        ]
        body = await self._post(endpoint.url, _ENCODER.encode(calls))
        try:
            replies = {reply.id: reply for reply in _REPLIES.decode(body)}
            return [_result(request, replies.get(number)) for number, request in enumerate(requests)]
        except msgspec.MsgspecError as error:
            raise EndpointError(f"unreadable answer: {error}") from error

    async def _post(self, url: str, content: bytes) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with self._http.stream("POST", url, content=content) as response:
                if response.status_code != HTTP_OK:
                    raise EndpointError(f"HTTP status {response.status_code}")
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    if size > self._response_bytes_max:
                        raise AnswerTooLargeError(f"an answer of more than {self._response_bytes_max} bytes")
                    chunks.append(chunk)
        except httpx.HTTPError as error:
            raise EndpointError(f"{type(error).__name__}") from error
        return b"".join(chunks)


def _result(request: Request[Any], reply: _Reply | None) -> Any:
    if reply is None or (reply.error is None and not bytes(reply.result)):
        raise EndpointError(f"no answer to {request.method}")
    if reply.error is not None:
        return reply.error
    try:
        return request.decoder.decode(reply.result)
    except (msgspec.MsgspecError, RecursionError) as error:
        # One contract's odd result must not spoil what was asked together with it.
        return RpcError(UNREADABLE, f"unreadable answer: {error}")


def accepted[T](request: Request[T], result: T | RpcError) -> T:
    """The result, where a refusal makes no sense. Raises NodeError."""
    if isinstance(result, RpcError):
        raise NodeError(f"The node refused {request.method}: {result.text}")
    return result
