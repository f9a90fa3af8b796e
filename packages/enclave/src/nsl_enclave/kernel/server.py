"""One blocking loop that serves many connections over mutual TLS 1.3.

Frames that have arrived are answered together and leave in one write. Everything is bounded: connections, the time a
handshake may take, a frame, and what may wait to be written. A peer that breaks the protocol loses its connection and
nothing else happens.
"""

import selectors
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from nsl_enclave.kernel.clock import monotonic
from nsl_enclave.kernel.errors import Violation
from nsl_protocol.enclave.wire import FrameReader
from nsl_protocol.errors import CodecError

CONNECTIONS_MAX = 256
HANDSHAKE_SECONDS_MAX = 5.0
READ_BYTES = 262_144
UNWRITTEN_BYTES_MAX = 8 << 20
_BACKLOG = 128
_TICK_SECONDS = 1.0

type Handle = Callable[[bytes], bytes]


def tls_context(directory: Path, name: str) -> ssl.SSLContext:
    """Mutual TLS 1.3: our ``NAME.pem`` and ``NAME.key``, and peers whose client certificate ``ca.pem`` has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(directory / "ca.pem")
    context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")
    context.num_tickets = 0
    return context


class _Connection:
    """One peer: its socket, what has arrived of a frame, and what has not left yet."""

    def __init__(self, peer: ssl.SSLSocket) -> None:
        self.peer = peer
        self.frames = FrameReader()
        self.unwritten = bytearray()
        self.handshake_until: float | None = monotonic() + HANDSHAKE_SECONDS_MAX

    def read(self) -> bytes | None:
        """What has arrived; None when the peer has closed."""
        received = bytearray()
        try:
            while len(received) < READ_BYTES:
                part = self.peer.recv(READ_BYTES)
                if not part:
                    return bytes(received) or None
                received += part
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        return bytes(received)

    def write(self) -> None:
        """Send what waits, as far as the socket takes it."""
        try:
            while self.unwritten:
                del self.unwritten[: self.peer.send(self.unwritten)]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass


class Server:
    """Serves ``handle`` (a frame's payload in, reply frames out) until SIGTERM or SIGINT.

    ``handle`` raises Violation or CodecError to end the connection that a payload came from.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, handle: Handle) -> None:
        self._context = context
        self._handle = handle
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((host, port), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: dict[int, _Connection] = {}
        # A signal writes to one end, the loop reads the other.
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        """Serve until a signal asks to stop."""
        while True:
            for key, events in self._selector.select(_TICK_SECONDS):
                if key.fileobj is self._woken:
                    self._close_all()
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._advance(key.fd, events)
            self._drop_slow_handshakes()

    def _accept(self) -> None:
        try:
            raw, _ = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= CONNECTIONS_MAX:
            raw.close()
            return
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = self._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        self._connections[peer.fileno()] = _Connection(peer)
        self._selector.register(peer, selectors.EVENT_READ)

    def _advance(self, descriptor: int, events: int) -> None:
        connection = self._connections[descriptor]
        try:
            if connection.handshake_until is not None and not self._handshake(connection):
                return
            if events & selectors.EVENT_WRITE:
                connection.write()
            if len(connection.unwritten) <= UNWRITTEN_BYTES_MAX:
                received = connection.read()
                if received is None:
                    self._drop(connection)
                    return
                for payload in connection.frames.feed(received):
                    connection.unwritten += self._handle(payload)
                connection.write()
            self._watch(connection)
        except (OSError, CodecError, Violation):
            self._drop(connection)

    def _handshake(self, connection: _Connection) -> bool:
        try:
            connection.peer.do_handshake()
        except ssl.SSLWantReadError:
            self._selector.modify(connection.peer, selectors.EVENT_READ)
            return False
        except ssl.SSLWantWriteError:
            self._selector.modify(connection.peer, selectors.EVENT_WRITE)
            return False
        connection.handshake_until = None
        return True

    def _watch(self, connection: _Connection) -> None:
        """A peer that does not read its answers is not read either."""
        events = selectors.EVENT_READ if len(connection.unwritten) <= UNWRITTEN_BYTES_MAX else 0
        if connection.unwritten:
            events |= selectors.EVENT_WRITE
        if self._selector.get_key(connection.peer).events != events:
            self._selector.modify(connection.peer, events)

    def _drop_slow_handshakes(self) -> None:
        present = monotonic()
        for connection in list(self._connections.values()):
            if connection.handshake_until is not None and connection.handshake_until < present:
                self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        del self._connections[connection.peer.fileno()]
        self._selector.unregister(connection.peer)
        connection.peer.close()

    def _close_all(self) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._listener.close()
