"""Attacks on the key enclave's port: peers that break the protocol, and too many of them."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from nsl.adapters.enclave import visit
from nsl_enclave.kernel.server import CONNECTIONS_MAX
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import ApplyManifest, Bootstrap, SubmitShare
from nsl_protocol.enclave.messages import (
    FRAME_BYTES_MAX,
    CreateKey,
    Curve,
    GetStatus,
    Request,
    Seal,
    Sign,
    SignOrder,
    Status,
    Unseal,
)
from nsl_protocol.enclave.signable import SignMessage
from nsl_protocol.enclave.wire import call_frame, read_reply
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Policy
from tests.support.enclave import Enclave, enclave

NAME = KeyName(b"t" * 16, b"k" * 16, 1)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def kme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enclave]:
    folder: Path = tmp_path_factory.mktemp("kme")
    with enclave(folder) as running:
        yield running


# Peers ---------------------------------------------------------------------------------------------------------------


def _anonymous(*, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if newest is not None:
        context.maximum_version = newest
    return context


def _enrolled(kme: Enclave) -> ssl.SSLContext:
    async def enrol() -> ssl.SSLContext:
        async with visit(kme.address, Program.KME, kme.cluster.trust()) as visiting:
            return (await visiting.enrol(kme.cluster.identity())).context

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, enrol()).result()


def _connect(kme: Enclave, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(kme.address, timeout=10)
    return context.wrap_socket(raw, server_hostname="kme")


def _ended(peer: socket.socket) -> bool:
    """Whether the enclave closes the connection without an answer."""
    try:
        return peer.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def _serves(kme: Enclave) -> bool:
    with closing(_connect(kme, _anonymous())) as peer:
        peer.sendall(call_frame(7, GetStatus()))
        length = int.from_bytes(peer.recv(4))
        received = b""
        while len(received) < length:
            received += peer.recv(length - len(received))
        reply = read_reply(received)
        return reply.id == 7 and isinstance(reply.body, Status)


STATUS = call_frame(1, GetStatus())
BAD_FRAMES = {
    "oversized": (FRAME_BYTES_MAX + 1).to_bytes(4) + b"x",
    "empty": bytes(4),
    "no msgpack": b"\x00\x00\x00\x03abc",
    "trailing bytes": (len(STATUS) - 3).to_bytes(4) + STATUS[4:] + b"\x00",
    # The call id 1 written in five bytes instead of one.
    "not canonical": (len(STATUS)).to_bytes(4) + STATUS[4:6] + b"\xce\x00\x00\x00\x01" + STATUS[7:],
    "unknown version": STATUS[:5] + b"\x02" + STATUS[6:],
    "no UTF-8": b"\x00\x00\x00\x0a\x93\x01\x01\x91\xa5\xd5\xdc\xbd\\\xc0",
    "unknown message": b"\x00\x00\x00\x0a\x93\x01\x01\x91\xa5Steal",
}


@pytest.mark.parametrize("what", sorted(BAD_FRAMES))
async def test_a_bad_frame_of_a_stranger_ends_that_connection_and_no_other(kme: Enclave, what: str) -> None:
    with closing(_connect(kme, _anonymous())) as peer, closing(_connect(kme, _anonymous())) as other:
        peer.sendall(BAD_FRAMES[what])
        assert _ended(peer)
        other.sendall(STATUS)
        assert other.recv(1) != b""
    assert _serves(kme)


@pytest.mark.parametrize("what", [*sorted(BAD_FRAMES), "not permitted"])
async def test_whoever_has_shown_a_certificate_loses_it_with_a_bad_frame(kme: Enclave, what: str) -> None:
    context, innocent = _enrolled(kme), _enrolled(kme)
    bad = BAD_FRAMES.get(what) or call_frame(1, ApplyManifest(b"{}"))
    with (
        closing(_connect(kme, context)) as peer,
        closing(_connect(kme, context)) as second,
        closing(_connect(kme, innocent)) as other,
    ):
        for each in (second, other):
            each.sendall(STATUS)
            assert each.recv(1) != b""
        peer.sendall(bad)
        assert _ended(peer)
        while not _ended(second):
            pass  # what was answered before
        with suppress(ssl.SSLError, ConnectionError), closing(_connect(kme, context)) as again:
            again.sendall(STATUS)
            assert _ended(again)
        other.sendall(STATUS)
        assert other.recv(1) != b""
    assert _serves(kme)


WORK: dict[str, Request] = {
    "sign": Sign((SignOrder(NAME, b"x", SignMessage(b"m"), uuid4().bytes),)),
    "create a key": CreateKey(NAME, Curve.SECP256R1, Policy(blind_signing=True).canonical),
    "seal": Seal("totp", b"secret"),
    "unseal": Unseal("totp", b"sealed"),
    "bootstrap": Bootstrap(b"q" * 32, {}),
    "submit a share": SubmitShare(b"q" * 32, "development", b"p", None, b"s" * 64),
}


@pytest.mark.parametrize("what", sorted(WORK))
async def test_without_a_certificate_nothing_is_worked(kme: Enclave, what: str) -> None:
    with closing(_connect(kme, _anonymous())) as peer:
        peer.sendall(call_frame(1, WORK[what]))
        assert _ended(peer)
    assert _serves(kme)


async def test_a_certificate_of_somebody_else_is_not_let_in(kme: Enclave) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service")])
    forged = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    context = _anonymous()
    with NamedTemporaryFile() as file:
        file.write(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + forged.public_bytes(Encoding.PEM)
        )
        file.flush()
        context.load_cert_chain(file.name)
    with suppress(ssl.SSLError, ConnectionError), closing(_connect(kme, context)) as peer:
        peer.sendall(STATUS)
        assert _ended(peer)
    assert _serves(kme)


async def test_older_tls_is_refused(kme: Enclave) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _connect(kme, _anonymous(newest=ssl.TLSVersion.TLSv1_2)).close()


async def test_a_silent_handshake_is_dropped_and_stops_nobody(kme: Enclave) -> None:
    silent = [socket.create_connection(("127.0.0.1", kme.port), timeout=15) for _ in range(20)]
    assert _serves(kme)
    assert await asyncio.to_thread(_ended, silent[0])
    for each in silent:
        each.close()


async def test_many_connections_are_served_side_by_side(kme: Enclave) -> None:
    peers = [_connect(kme, _anonymous()) for _ in range(100)]
    try:
        for number, peer in enumerate(peers):
            peer.sendall(call_frame(number, GetStatus()))
        for number, peer in enumerate(peers):
            length = int.from_bytes(peer.recv(4))
            assert read_reply(peer.recv(length)).id == number
    finally:
        for peer in peers:
            peer.close()


async def test_strangers_who_hold_all_connections_make_room(kme: Enclave) -> None:
    held = [_connect(kme, _anonymous()) for _ in range(CONNECTIONS_MAX)]
    try:
        assert _serves(kme)
        assert _ended(held[0])
    finally:
        for each in held:
            each.close()


async def test_a_frame_cut_into_bytes_is_still_one(kme: Enclave) -> None:
    with closing(_connect(kme, _anonymous())) as peer:
        for byte in STATUS:
            peer.sendall(bytes([byte]))
        assert int.from_bytes(peer.recv(4)) > 0


# The last of this file: for a moment it leaves strangers nothing to ask with.
async def test_strangers_cannot_ask_without_end_and_clients_are_served_meanwhile(kme: Enclave) -> None:
    client = _connect(kme, _enrolled(kme))
    with closing(client), closing(_connect(kme, _anonymous())) as stranger:
        with suppress(ConnectionError, ssl.SSLError):
            stranger.sendall(b"".join(call_frame(number, GetStatus()) for number in range(2000)))
        answered = 0
        with suppress(ConnectionError, ssl.SSLError):
            while length := stranger.recv(4):
                left = int.from_bytes(length)
                while left and (part := stranger.recv(left)):
                    left -= len(part)
                answered += left == 0
        assert answered < 1000
        client.sendall(STATUS)
        assert client.recv(1) != b""
