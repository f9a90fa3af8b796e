"""One blocking loop that serves many connections over TLS 1.3.

Frames that have arrived are answered together and leave in one write. Everything is bounded: connections, the time a
handshake may take, a frame, and what may wait to be written. A peer that breaks the protocol before it has shown a
certificate loses its connection; one that has shown it loses all of its connections and must enrol again.
"""

import selectors
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import Protocol

from cryptography import x509
from OpenSSL import SSL

from nsl_enclave.kernel.budget import Budget
from nsl_enclave.kernel.clock import monotonic
from nsl_enclave.kernel.errors import Violation
from nsl_enclave.kernel.phases import Role
from nsl_protocol.enclave.wire import FrameReader
from nsl_protocol.errors import CodecError

CONNECTIONS_MAX = 256
HANDSHAKE_SECONDS_MAX = 5.0
#: whoever has shown no certificate: to enrol, or to bring what custodians signed, takes far less
STRANGER_SECONDS_MAX = 60.0
STRANGER_CALLS_PER_SECOND = 100
STRANGER_CALLS_AT_ONCE = 200
READ_BYTES = 262_144
UNWRITTEN_BYTES_MAX = 8 << 20
_RECORD_BYTES = 16_384  # of TLS, at most
_BACKLOG = 128
_TICK_SECONDS = 0.5


@dataclass(slots=True)
class Peer:
    """Who is at the other end.

    Attributes:
        name: of the certificate; empty without one.
        serial: of the certificate; 0 without one.
        expires_at: Unix seconds in the enclave's time; None without a certificate.
        authority: which of our authorities signed it: a number that changes when they all lose their certificates.
        challenge: the nonce that this connection was given last; a proof uses it up.
    """

    role: Role = Role.ANYBODY
    name: str = ""
    serial: int = 0
    expires_at: float | None = None
    authority: int = 0
    challenge: bytes | None = field(default=None, repr=False)


class Program(Protocol):
    """What is served."""

    def context(self) -> SSL.Context:
        """For connections from now on."""

    def peer(self, certificate: x509.Certificate | None) -> Peer:
        """Who shows this certificate, whose signature holds. Raises Violation: nobody who may come now."""

    def stands(self, peer: Peer) -> bool:
        """Whether it may go on."""

    def handle(self, peer: Peer, payload: bytes) -> bytes:
        """A frame's payload in, reply frames out. Raises Violation or CodecError: the peer broke the protocol."""

    def expel(self, peer: Peer) -> None:
        """It broke the protocol: its certificate is worth nothing from now on."""


class _Connection:
    """One peer: its socket, what has arrived of a frame, and what has not left yet."""

    def __init__(self, raw: socket.socket, context: SSL.Context) -> None:
        self.socket = raw
        self.tls = SSL.Connection(context, raw)
        self.tls.set_accept_state()
        self.peer = Peer()
        self.frames = FrameReader()
        self.unwritten = bytearray()
        self.since = monotonic()
        self.handshaking = True

    def read(self) -> bytes | None:
        """What has arrived, a record at least; None when the peer has closed.

        It stops where OpenSSL holds nothing more: asking once more would cost an error each time, and what the socket
        still holds wakes the loop again.
        """
        received = b""
        try:
            received = self.tls.recv(_RECORD_BYTES)
            while self.tls.pending():
                received += self.tls.recv(_RECORD_BYTES)
        except (SSL.WantReadError, SSL.WantWriteError):
            pass
        except SSL.ZeroReturnError:
            return received or None
        return received

    def write(self) -> None:
        """Send what waits, as far as the socket takes it."""
        try:
            while self.unwritten:
                del self.unwritten[: self.tls.send(bytes(self.unwritten[:READ_BYTES]))]
        except (SSL.WantReadError, SSL.WantWriteError):
            pass


class Server:
    """Serves a program until SIGTERM or SIGINT."""

    def __init__(self, host: str, port: int, program: Program) -> None:
        self._program = program
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((host, port), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: dict[int, _Connection] = {}
        self._look_at = 0.0
        self._budget = Budget(STRANGER_CALLS_PER_SECOND, STRANGER_CALLS_AT_ONCE, monotonic())
        # A signal writes to one end, the loop reads the other.
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)

    @property
    def _strangers(self) -> list[_Connection]:
        """The oldest first."""
        return [each for each in self._connections.values() if each.peer.role is Role.ANYBODY]

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
                elif key.fd in self._connections:
                    self._advance(self._connections[key.fd], events)
            self._drop_those_who_may_not_stay()

    def _accept(self) -> None:
        try:
            raw, _ = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= CONNECTIONS_MAX:
            strangers = self._strangers
            if not strangers:
                raw.close()
                return
            # Whoever only holds connections open does not keep out those who want to work.
            self._drop(strangers[0])
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[raw.fileno()] = _Connection(raw, self._program.context())
        self._selector.register(raw, selectors.EVENT_READ)

    def _advance(self, connection: _Connection, events: int) -> None:
        try:
            if connection.handshaking and not self._handshake(connection):
                return
            if events & selectors.EVENT_WRITE:
                connection.write()
            if len(connection.unwritten) <= UNWRITTEN_BYTES_MAX:
                received = connection.read()
                if received is None:
                    self._drop(connection)
                    return
                for payload in connection.frames.feed(received):
                    connection.unwritten += self._answer(connection.peer, payload)
                connection.write()
            self._watch(connection)
        except (CodecError, Violation):
            self._expel(connection)
        except (OSError, SSL.Error):
            self._drop(connection)
        except Exception as defect:  # noqa: BLE001 - one peer's bytes must not end the service of all
            print(f"nsl-enclave: a defect: {type(defect).__name__}", file=sys.stderr, flush=True)  # noqa: T201
            self._expel(connection)

    def _answer(self, peer: Peer, payload: bytes) -> bytes:
        """An answer, unless the one before has ended this peer's rights."""
        if not self._program.stands(peer):
            raise Violation("the certificate is not good any more")
        if peer.role is Role.ANYBODY and not self._budget.take(monotonic()):
            raise Violation("strangers ask too much")
        return self._program.handle(peer, payload)

    def _handshake(self, connection: _Connection) -> bool:
        try:
            connection.tls.do_handshake()
        except SSL.WantReadError:
            self._selector.modify(connection.socket, selectors.EVENT_READ)
            return False
        except SSL.WantWriteError:
            self._selector.modify(connection.socket, selectors.EVENT_WRITE)
            return False
        connection.peer = self._program.peer(connection.tls.get_peer_certificate(as_cryptography=True))
        connection.handshaking = False
        return True

    def _watch(self, connection: _Connection) -> None:
        """A peer that does not read its answers is not read either."""
        events = selectors.EVENT_READ if len(connection.unwritten) <= UNWRITTEN_BYTES_MAX else 0
        if connection.unwritten:
            events |= selectors.EVENT_WRITE
        if self._selector.get_key(connection.socket).events != events:
            self._selector.modify(connection.socket, events)

    def _drop_those_who_may_not_stay(self) -> None:
        """Slow handshakes and lingering strangers, certificates that have run out, authorities that are no more."""
        present = monotonic()
        if present < self._look_at:
            return
        self._look_at = present + _TICK_SECONDS
        for connection in list(self._connections.values()):
            allowed = HANDSHAKE_SECONDS_MAX if connection.handshaking else STRANGER_SECONDS_MAX
            slow = connection.peer.role is Role.ANYBODY and present - connection.since > allowed
            if slow or not self._program.stands(connection.peer):
                self._drop(connection)

    def _expel(self, connection: _Connection) -> None:
        """End the connection, and whoever showed a certificate on it, everywhere."""
        serial = connection.peer.serial
        self._program.expel(connection.peer)
        for each in list(self._connections.values()):
            if each is connection or (serial and each.peer.serial == serial):
                self._drop(each)

    def _drop(self, connection: _Connection) -> None:
        del self._connections[connection.socket.fileno()]
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _close_all(self) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._listener.close()
