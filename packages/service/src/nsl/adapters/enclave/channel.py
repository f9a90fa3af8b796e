"""One connection to an enclave: many calls under way, one write per loop turn."""

import asyncio
import ssl
from contextlib import suppress
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate

from nsl.adapters.enclave.errors import EnclaveDown
from nsl_protocol.enclave.messages import Answer, Request
from nsl_protocol.enclave.wire import FrameReader, call_frame, read_reply
from nsl_protocol.errors import CodecError

CONNECT_TIMEOUT_SECONDS = 5.0
CALLS_UNDER_WAY_MAX = 4096
_CALL_IDS = 2**32


class Channel(asyncio.Protocol):
    """Calls of one loop turn leave together; replies find their call by its id.

    ``answered`` says whether anything ever came back: a server may refuse a certificate only after the handshake.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._frames = FrameReader()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._unsent: list[bytes] = []
        self._next_id = 0
        self._leaving = False
        self.answered = False

    @property
    def server_key(self) -> bytes:
        """What the server showed: its public key, DER SubjectPublicKeyInfo."""
        certificate = None
        if self._transport is not None:
            certificate = self._transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if certificate is None:
            raise EnclaveDown("The enclave's connection was lost; the request can be repeated.")
        return (
            load_der_x509_certificate(certificate)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

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
            if self._leaving and not self._waiting:
                self.close()

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                reply = read_reply(payload)
                self.answered = True
                future = self._waiting.get(reply.id)
                if future is not None and not future.done():
                    future.set_result(reply.body)
        except CodecError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EnclaveDown("The enclave's connection was lost; the request can be repeated."))

    def leave(self) -> None:
        """End the connection as soon as the calls under way have been answered."""
        self._leaving = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        """End the connection; calls under way fail."""
        if self._transport is not None:
            with suppress(RuntimeError):  # the loop may be closed already
                self._transport.abort()


async def connect(host: str, port: int, context: ssl.SSLContext, name: str) -> Channel:
    """Open a connection to the program of that name. Raises EnclaveDown."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            _, channel = await loop.create_connection(Channel, host, port, ssl=context, server_hostname=str(name))
    except (OSError, TimeoutError) as error:
        raise EnclaveDown("The enclave cannot be reached; the request can be repeated.") from error
    return channel
