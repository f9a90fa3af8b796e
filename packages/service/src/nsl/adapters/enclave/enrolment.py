"""First contact: the enclave proves itself over our nonce, then it may know who we are and give us a certificate."""

import asyncio
import hashlib
import ssl
from base64 import encodebytes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from nsl.adapters.enclave.channel import CONNECT_TIMEOUT_SECONDS, Channel, connect
from nsl.adapters.enclave.errors import EnclaveDown, EnclaveRefused, EnclaveUntrusted
from nsl.adapters.enclave.trust import Trust
from nsl.kit.clock import random_bytes
from nsl.kit.files import write_private
from nsl_protocol.attestation.binding import NONCE_BYTES, Purpose
from nsl_protocol.attestation.policy import Verdict
from nsl_protocol.cluster.enrolment import key_statement
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import Enrol, Enrolled, GetQuote, KeyProof, Quoted
from nsl_protocol.enclave.messages import Answer, Refused, Request


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this process is: the name and the P-256 key that the manifest lists among its clients."""

    name: str
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def read(cls, name: str, path: Path) -> "Identity":
        """The key from a PEM file (PKCS #8). Raises EnclaveUntrusted: it is none."""
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except OSError as error:
            raise EnclaveUntrusted(f"{path} cannot be read ({error.strerror}): set NSL_CLIENT_KEY.") from error
        except (ValueError, TypeError) as error:
            raise EnclaveUntrusted(f"{path} holds no private key in PEM (PKCS #8).") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise EnclaveUntrusted(f"{path} holds a key of another curve than P-256.")
        return cls(name, key)

    @classmethod
    def make(cls, path: Path, name: str = "service") -> "Identity":
        """A fresh key, written to a file of mode 0600."""
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
        return cls(name, key)

    @property
    def public_key(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        return spki(self.key.public_key())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, as the manifest lists it."""
        return hashlib.sha256(self.public_key).hexdigest()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate of the cluster, ready to be used; ``verdict`` is on the enclave that gave it."""

    context: ssl.SSLContext
    expires_at: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Visit:
    """A connection on which nobody has shown who he is."""

    channel: Channel
    program: Program
    trust: Trust

    async def ask[T: Answer](self, kind: type[T], request: Request) -> T:
        """The answer, which must be of that kind. Raises EnclaveRefused, EnclaveDown."""
        return await self.ask_either(kind, kind, request)

    async def ask_either[T: Answer, U: Answer](self, kind: type[T], other: type[U], request: Request) -> T | U:
        """The answer, which must be of one of two kinds. Raises EnclaveRefused, EnclaveDown."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                answer = await self.channel.call(request)
        except TimeoutError as error:
            raise EnclaveDown("The enclave did not answer in time; the request can be repeated.") from error
        if isinstance(answer, Refused):
            raise EnclaveRefused(answer)
        if not isinstance(answer, (kind, other)):
            raise EnclaveDown("The enclave gave an answer of another kind.")
        return answer

    async def proven(self, purpose: Purpose, nonce: bytes | None = None) -> tuple[Quoted, Verdict]:
        """A fresh quote, which the policy accepts. Raises EnclaveUntrusted."""
        nonce = nonce or random_bytes(NONCE_BYTES)
        quoted = await self.ask(Quoted, GetQuote(purpose, nonce))
        # Somebody in between can pass on a genuine quote; it is over the genuine server's key.
        keys = (self.channel.server_key,) if purpose is Purpose.ENROL_SERVER else quoted.keys
        return quoted, await self.trust.insist(self.program, purpose, nonce, keys, quoted)

    async def enrol(self, identity: Identity) -> Leaf:
        """A certificate for this process. Raises EnclaveUntrusted, EnclaveRefused, EnclaveDown."""
        quoted, verdict = await self.proven(Purpose.ENROL_SERVER)
        key = ec.generate_private_key(ec.SECP256R1())
        tls_key = spki(key.public_key())
        statement = key_statement(quoted.cluster, quoted.challenge, tls_key, self.channel.server_key)
        proof = KeyProof(identity.public_key, identity.key.sign(statement, ec.ECDSA(hashes.SHA256())))
        enrolled = await self.ask(Enrolled, Enrol(identity.name, tls_key, proof))
        return Leaf(_context(key, enrolled), enrolled.expires_at, verdict)


@asynccontextmanager
async def visit(address: tuple[str, int], program: Program, trust: Trust) -> AsyncIterator[Visit]:
    """Connect without a certificate, to somebody who has proven nothing yet. Raises EnclaveDown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # a certificate says nothing here: the quote does
    context.verify_mode = ssl.CERT_NONE
    channel = await connect(*address, context, program)
    try:
        yield Visit(channel, program, trust)
    finally:
        channel.close()


def spki(key: ec.EllipticCurvePublicKey) -> bytes:
    """DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _context(key: ec.EllipticCurvePrivateKey, enrolled: Enrolled) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=enrolled.authority)
        # The standard library takes a key from a file alone; this one is gone as soon as it was read.
        with NamedTemporaryFile() as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.write(_pem(enrolled.certificate))
            file.flush()
            context.load_cert_chain(file.name)
    except ssl.SSLError as error:
        raise EnclaveUntrusted("The enclave gave a certificate that cannot be used.") from error
    return context


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + encodebytes(der) + b"-----END CERTIFICATE-----\n"
