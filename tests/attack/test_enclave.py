"""Attacks on the key enclave: bytes that mean something elsewhere, and peers that break the protocol."""

import asyncio
import base64
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from coincurve import PublicKey as Secp256k1Key
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from nsl.adapters.enclave import EnclaveClient
from nsl.cli.up.certificates import make_certificates
from nsl_protocol.enclave.messages import FRAME_BYTES_MAX, Curve, GetStatus, KeyName, SignMessage, SignOrder, Status
from nsl_protocol.enclave.wire import call_frame, read_reply
from nsl_protocol.evm.keccak import keccak256
from nsl_protocol.evm.transaction import FeeMarketTransaction, LegacyTransaction
from tests.support.enclave import Enclave, enclave

NAME = KeyName(b"t" * 16, b"k" * 16, 1)
N3_SIGN_DATA = (860833102).to_bytes(4, "little") + hashlib.sha256(b"a transaction").digest()
EVM_LEGACY = LegacyTransaction(47763, 0, 21000, None, 1, b"", 10**9).unsigned_bytes()
EVM_TYPED = FeeMarketTransaction(47763, 0, 21000, None, 1, b"", 1, 10**9).unsigned_bytes()
JWT = b".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
    for part in ({"alg": "RS256", "typ": "at+jwt"}, {"sub": "root", "exp": 9999999999})
)
DANGEROUS = {"n3-sign-data": N3_SIGN_DATA, "evm-legacy": EVM_LEGACY, "evm-typed": EVM_TYPED, "jwt": JWT}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def kme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enclave]:
    folder: Path = tmp_path_factory.mktemp("kme")
    with enclave(folder) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(kme: Enclave) -> AsyncIterator[EnclaveClient]:
    async with kme.client() as connected:
        yield connected


def _verifies(curve: Curve, public_key: bytes, signature: Any, data: bytes) -> bool:
    """Whether the signature stands for exactly these bytes in any of the ways that chains and tokens read them."""
    raw = signature.signature
    try:
        if curve is Curve.ED25519:
            Ed25519PublicKey.from_public_bytes(public_key).verify(raw, data)
            return True
        if curve is Curve.SECP256R1:
            der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
            key.verify(der, data, ec.ECDSA(hashes.SHA256()))
            return True
    except InvalidSignature:
        return False
    recoverable = raw + bytes([signature.recovery])
    digests = (keccak256(data), hashlib.sha256(data).digest())
    return any(
        Secp256k1Key.from_signature_and_message(recoverable, digest, hasher=None).format() == public_key
        for digest in digests
    )


@pytest.mark.parametrize("curve", list(Curve))
@pytest.mark.parametrize("what", sorted(DANGEROUS))
async def test_bytes_that_mean_something_elsewhere_are_worthless_signed_as_a_message(
    client: EnclaveClient, curve: Curve, what: str
) -> None:
    for blind in (False, True):
        made = await client.create_key(NAME, curve, blind_signing=blind)
        signed = (await client.sign([SignOrder(NAME, made.wrapped, SignMessage(DANGEROUS[what]))]))[0]
        assert not _verifies(curve, made.public_key, signed, DANGEROUS[what])


async def test_the_judge_of_this_test_knows_a_real_signature(client: EnclaveClient) -> None:
    from nsl_protocol.enclave.messages import SignDigest

    made = await client.create_key(NAME, Curve.SECP256R1, blind_signing=True)
    digest = hashlib.sha256(N3_SIGN_DATA).digest()
    signed = (await client.sign([SignOrder(NAME, made.wrapped, SignDigest(digest))]))[0]
    assert _verifies(Curve.SECP256R1, made.public_key, signed, N3_SIGN_DATA)


# Peers ---------------------------------------------------------------------------------------------------------------


def _context(tls: Path, *, name: str | None = "service", newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(tls / "ca.pem"))
    if newest is not None:
        context.maximum_version = newest
    if name is not None:
        context.load_cert_chain(tls / f"{name}.pem", tls / f"{name}.key")
    return context


def _connect(kme: Enclave, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", kme.port), timeout=10)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def _ended(peer: socket.socket) -> bool:
    """Whether the enclave closes the connection without an answer."""
    try:
        return peer.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def _serves(kme: Enclave) -> bool:
    with closing(_connect(kme, _context(kme.tls))) as peer:
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
    "unknown message": b"\x00\x00\x00\x0a\x93\x01\x01\x91\xa5Steal",
}


@pytest.mark.parametrize("what", sorted(BAD_FRAMES))
async def test_a_bad_frame_ends_that_connection_and_no_other(kme: Enclave, what: str) -> None:
    with closing(_connect(kme, _context(kme.tls))) as peer:
        peer.sendall(BAD_FRAMES[what])
        assert _ended(peer)
    assert _serves(kme)


async def test_a_stranger_is_not_let_in(kme: Enclave, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    strangers = _context(kme.tls, name=None)
    own = _context(kme.tls, name=None)
    own.load_cert_chain(tmp_path / "service.pem", tmp_path / "service.key")
    wrong_role = _context(kme.tls, name="kme")
    for context in (strangers, own, wrong_role):
        with suppress(ssl.SSLError, ConnectionError), closing(_connect(kme, context)) as peer:
            peer.sendall(STATUS)
            assert _ended(peer)
    assert _serves(kme)


async def test_older_tls_is_refused(kme: Enclave) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _connect(kme, _context(kme.tls, newest=ssl.TLSVersion.TLSv1_2)).close()


async def test_the_service_refuses_an_enclave_of_another_authority(kme: Enclave, tmp_path: Path) -> None:
    from nsl.adapters.enclave import EnclaveDown

    make_certificates(tmp_path)
    async with EnclaveClient("127.0.0.1", kme.port, tmp_path) as stranger:
        with pytest.raises(EnclaveDown):
            await stranger.status()


async def test_a_silent_handshake_is_dropped_and_stops_nobody(kme: Enclave) -> None:
    silent = [socket.create_connection(("127.0.0.1", kme.port), timeout=15) for _ in range(20)]
    assert _serves(kme)
    assert await asyncio.to_thread(_ended, silent[0])
    for each in silent:
        each.close()


async def test_many_connections_are_served_side_by_side(kme: Enclave) -> None:
    peers = [_connect(kme, _context(kme.tls)) for _ in range(100)]
    try:
        for number, peer in enumerate(peers):
            peer.sendall(call_frame(number, GetStatus()))
        for number, peer in enumerate(peers):
            length = int.from_bytes(peer.recv(4))
            assert read_reply(peer.recv(length)).id == number
    finally:
        for peer in peers:
            peer.close()


async def test_a_frame_cut_into_bytes_is_still_one(kme: Enclave) -> None:
    with closing(_connect(kme, _context(kme.tls))) as peer:
        for byte in STATUS:
            peer.sendall(bytes([byte]))
        assert int.from_bytes(peer.recv(4)) > 0
