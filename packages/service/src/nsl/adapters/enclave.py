"""The channel to an enclave: mutual TLS 1.3, many calls under way on one connection, one write per loop turn."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, cast

from nsl.kit.clock import monotonic
from nsl.kit.errors import Denied, Unavailable
from nsl_protocol.enclave.messages import (
    SIGN_ORDERS_MAX,
    Answer,
    CreateKey,
    CreateTokenKey,
    Curve,
    GetStatus,
    KeyCreated,
    KeyName,
    Refused,
    Request,
    Seal,
    Sealed,
    Sign,
    Signature,
    Signed,
    SignOrder,
    SignToken,
    Status,
    TokenKeyCreated,
    TokenKind,
    TokenSigned,
    Unseal,
    Unsealed,
)
from nsl_protocol.enclave.wire import HEADER_BYTES, FrameReader, call_frame, read_reply
from nsl_protocol.errors import CodecError

CALL_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 5.0
RETRY_CONNECT_SECONDS = 0.1
CALLS_UNDER_WAY_MAX = 4096
# A batch stays well below a frame: 256 orders of large payloads go in several calls.
BATCH_BYTES_MAX = 700_000
_CALL_IDS = 2**32


class EnclaveDown(Unavailable):
    """The enclave does not answer. Whether a call was carried out is unknown; every call is safe to repeat."""

    code = "ENCLAVE_UNAVAILABLE"


class EnclaveRefused(Denied):
    """The enclave will not; ``code`` is the enclave's own."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.code = refused.code


class _Channel(asyncio.Protocol):
    """One connection. Calls of one loop turn leave together; replies find their call by its id."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._frames = FrameReader()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._unsent: list[bytes] = []
        self._next_id = 0

    @property
    def usable(self) -> bool:
        """Whether calls can be made."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    async def call(self, request: Request) -> Answer:
        """Send, and wait for the reply. A call that is cancelled forgets its reply."""
        if len(self._waiting) >= CALLS_UNDER_WAY_MAX:
            raise EnclaveDown("Too many enclave calls are under way; the request can be repeated.")
        identifier = self._next_id
        self._next_id = (self._next_id + 1) % _CALL_IDS
        future: asyncio.Future[Answer] = self._loop.create_future()
        frame = call_frame(identifier, request)
        self._waiting[identifier] = future
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(frame)
        try:
            return await future
        finally:
            self._waiting.pop(identifier, None)

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                reply = read_reply(payload)
                future = self._waiting.get(reply.id)
                if future is not None and not future.done():
                    future.set_result(reply.body)
        except CodecError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EnclaveDown("The enclave's connection was lost; the request can be repeated."))

    def close(self) -> None:
        """End the connection; calls under way fail."""
        if self._transport is not None:
            with suppress(RuntimeError):  # the loop may be closed already
                self._transport.abort()


class EnclaveClient:
    """One enclave program at one address. Use as an async context manager; it connects when first needed.

    Args:
        tls_dir: holds ``ca.pem``, ``service.pem`` and ``service.key``.

    Raises:
        EnclaveDown: from every call, when the enclave cannot be reached or does not answer in time.
    """

    def __init__(self, host: str, port: int, tls_dir: Path) -> None:
        self._host = host
        self._port = port
        self._tls_dir = tls_dir
        self._channel: _Channel | None = None
        self._connecting: asyncio.Lock | None = None
        self._retry_at = 0.0

    async def __aenter__(self) -> Self:
        self._connecting = asyncio.Lock()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._channel is not None:
            self._channel.close()

    async def status(self) -> Status:
        """Who answers, in which mode and phase, with which isolation layers."""
        return _expect(Status, await self._call(GetStatus()))

    async def create_key(self, name: KeyName, curve: Curve, *, blind_signing: bool) -> KeyCreated:
        """Make a key; only its wrapped form leaves the enclave. Raises EnclaveRefused."""
        return _expect(KeyCreated, await self._call(CreateKey(name, curve, blind_signing)))

    async def sign(self, orders: Sequence[SignOrder]) -> tuple[Signature | Refused, ...]:
        """A result for each order, in order."""
        parts = [self._call(Sign(tuple(part))) for part in _parts(orders)]
        answers = await asyncio.gather(*parts)
        return tuple(result for answer in answers for result in _expect(Signed, answer).results)

    async def create_token_key(self, kid: str) -> TokenKeyCreated:
        """Make a key that signs access tokens. Raises EnclaveRefused."""
        return _expect(TokenKeyCreated, await self._call(CreateTokenKey(kid)))

    async def sign_token(self, kind: TokenKind, kid: str, wrapped: bytes, claims: bytes) -> str:
        """A JWT over these claims. Raises EnclaveRefused."""
        return _expect(TokenSigned, await self._call(SignToken(kind, kid, wrapped, claims))).token

    async def seal(self, purpose: str, secret: bytes) -> bytes:
        """Encrypt a secret for one purpose."""
        return _expect(Sealed, await self._call(Seal(purpose, secret))).sealed

    async def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """Open it again. Raises EnclaveRefused."""
        return _expect(Unsealed, await self._call(Unseal(purpose, sealed))).secret

    async def _call(self, request: Request) -> Answer:
        channel = await self._connected()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
                return await channel.call(request)
        except TimeoutError as error:
            channel.close()
            raise EnclaveDown("The enclave did not answer in time; the request can be repeated.") from error

    async def _connected(self) -> _Channel:
        if self._channel is not None and self._channel.usable:
            return self._channel
        if self._connecting is None:
            raise RuntimeError("EnclaveClient is used outside its context")
        async with self._connecting:
            if self._channel is None or not self._channel.usable:
                if monotonic() < self._retry_at:
                    raise EnclaveDown("The enclave cannot be reached; the request can be repeated.")
                self._channel = await self._connect()
            return self._channel

    async def _connect(self) -> _Channel:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                _, channel = await asyncio.get_running_loop().create_connection(
                    _Channel, self._host, self._port, ssl=_context(self._tls_dir), server_hostname=self._host
                )
        except (OSError, TimeoutError) as error:
            self._retry_at = monotonic() + RETRY_CONNECT_SECONDS
            raise EnclaveDown("The enclave cannot be reached; the request can be repeated.") from error
        return channel


def _context(directory: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(directory / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(directory / "service.pem", directory / "service.key")
    return context


def _parts(orders: Sequence[SignOrder]) -> list[list[SignOrder]]:
    """Cut into calls of at most 256 orders and of a bounded size."""
    parts: list[list[SignOrder]] = []
    size = 0
    for order in orders:
        weight = HEADER_BYTES + 128 + len(order.wrapped) + len(_payload(order))
        if not parts or len(parts[-1]) == SIGN_ORDERS_MAX or size + weight > BATCH_BYTES_MAX:
            parts.append([])
            size = 0
        parts[-1].append(order)
        size += weight
    return parts


def _payload(order: SignOrder) -> bytes:
    what = order.what
    for name in ("unsigned", "data", "document", "digest"):
        payload = getattr(what, name, None)
        if isinstance(payload, bytes):
            return payload
    return b""


def _expect[T: Answer](kind: type[T], answer: Answer) -> T:
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, Refused):
        raise EnclaveRefused(answer)
    raise EnclaveDown("The enclave gave an answer of another kind.")
