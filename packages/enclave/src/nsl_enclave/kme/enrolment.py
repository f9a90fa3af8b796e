"""Who may talk to this program: quotes that it gives, certificates that it issues, and the one that it shows itself."""

import hashlib
import hmac

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from OpenSSL import SSL

from nsl_enclave.kernel import tls
from nsl_enclave.kernel.certificates import role_and_name, self_signed
from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import Refusal, Violation
from nsl_enclave.kernel.phases import Role
from nsl_enclave.kernel.server import Peer
from nsl_enclave.kme.cluster import Cluster, Proof
from nsl_enclave.kme.custody import Custody
from nsl_protocol.attestation.binding import NONCE_BYTES, Purpose, report_data
from nsl_protocol.cluster.enrolment import key_statement
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import Enrol, Enrolled, GetQuote, KeyProof, Quoted

_EXPELLED_MAX = 4096


class Enrolment:
    """Of the KME, who is the cluster's authority."""

    def __init__(self, cluster: Cluster, custody: Custody, program: Program) -> None:
        self._cluster = cluster
        self._custody = custody
        self._program = program
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.tls_key = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._context = tls.context(self._key, self_signed(self._key, program), None)
        self._standing = 0
        self._issuer: x509.Name | None = None
        self._renew_at = 0.0
        self._expelled: dict[int, None] = {}

    @property
    def generation(self) -> int:
        """Changes whenever all certificates lose their worth: with the epoch and with the manifest."""
        return self._cluster.epoch << 32 | self._cluster.constitution.present.version

    def context(self) -> SSL.Context:
        """For connections from now on: with a certificate of our own authority once there is one, renewed at half."""
        if self._cluster.root is None:
            return self._context
        now = self._cluster.now()
        if self._standing != self.generation or now >= self._renew_at:
            authority, seconds = self._cluster.authority, self._cluster.constitution.present.leaf_seconds
            leaf = authority.issue(self._key.public_key(), Role.ENCLAVE, self._program, now, int(now) + seconds)
            self._context = tls.context(self._key, leaf, authority.certificate)
            self._issuer = authority.certificate.subject
            self._standing, self._renew_at = self.generation, now + seconds / 2
        return self._context

    def peer(self, certificate: x509.Certificate | None) -> Peer:
        """Raises Violation: a certificate that has run out, or was taken away."""
        if certificate is None:
            return Peer()
        role, name = role_and_name(certificate)
        expires = certificate.not_valid_after_utc.timestamp()
        # A handshake may have begun under the authority before this one.
        authority = self._standing if certificate.issuer == self._issuer else 0
        peer = Peer(Role(role), name, certificate.serial_number, expires, authority)
        if not self.stands(peer):
            raise Violation("the certificate is not good any more")
        return peer

    def stands(self, peer: Peer) -> bool:
        """Whether a peer may go on: its certificate has not run out, and nothing has ended it."""
        if peer.expires_at is None:
            return True
        current = peer.authority == self.generation and peer.serial not in self._expelled
        return current and self._cluster.now() < peer.expires_at

    def expel(self, peer: Peer) -> None:
        """Take its certificate away. The oldest are forgotten, whose certificates have run out long since."""
        if peer.serial:
            self._expelled[peer.serial] = None
            if len(self._expelled) > _EXPELLED_MAX:
                del self._expelled[next(iter(self._expelled))]

    def quote(self, peer: Peer, request: GetQuote) -> Quoted:
        """A quote for a purpose that anybody may ask for, and a challenge for what comes next on this connection.

        Raises:
            Refusal: ``PURPOSE_NOT_ALLOWED``: quotes of that kind are made in their own exchange, or not in this phase.
        """
        keys = self._bound(request.purpose)
        cluster = self._cluster.identifier
        quote = self._cluster.platform.quote(report_data(request.purpose, cluster, request.nonce, *keys))
        self._custody.quoted(request.purpose, quote)
        peer.challenge = random_bytes(NONCE_BYTES)
        collateral = self._cluster.platform.collateral(self._cluster.now())
        return Quoted(quote, collateral, cluster, keys, peer.challenge)

    def enrol(self, peer: Peer, request: Enrol) -> Enrolled:
        """A certificate for a listed key or a listed enclave; the challenge is used up whatever comes of it.

        Raises:
            Refusal: ``NOT_ADMITTED``.
        """
        challenge, peer.challenge = peer.challenge, None
        if challenge is None:
            raise Refusal("NOT_ADMITTED", "Ask for a quote first: the proof must be over its challenge.")
        key = _p256(request.tls_key)
        if isinstance(request.proof, KeyProof):
            role = Role.CLIENT
            self._check_key(request, request.proof, challenge)
        else:
            role = Role.ENCLAVE
            bound = (request.tls_key, self.tls_key)
            expected = report_data(Purpose.ENROL_CLIENT, self._cluster.identifier, challenge, *bound)
            self._cluster.admit(_program(request.name), Proof(request.proof.quote, request.proof.collateral), expected)
        now, present = self._cluster.now(), self._cluster.constitution.present
        expires = int(now) + present.leaf_seconds
        authority = self._cluster.authority
        leaf = authority.issue(key, role, request.name, now, expires)
        return Enrolled(
            leaf.public_bytes(Encoding.DER),
            authority.certificate.public_bytes(Encoding.DER),
            expires,
            present.version,
        )

    def _bound(self, purpose: Purpose) -> tuple[bytes, ...]:
        match purpose:
            case Purpose.EVIDENCE if self._cluster.root is not None:
                version = self._cluster.constitution.present.version
                return self._cluster.root.log_key().public_key().public_bytes_raw(), version.to_bytes(4)
            case Purpose.IMPORT if self._cluster.root is not None:
                return (self._cluster.root.import_key().public_key().public_bytes_raw(),)
            case Purpose.ENROL_SERVER:
                return (self.tls_key,)
            case Purpose.BOOTSTRAP | Purpose.RECOVERY if self._cluster.root is None:
                return (self._custody.recipient_key,)
            case Purpose.ROTATION | Purpose.RETIREMENT | Purpose.PROCEED if self._cluster.root is not None:
                return (self._custody.recipient_key,)
            case _:
                raise Refusal("PURPOSE_NOT_ALLOWED", f"No quote for {purpose} is given now, or not in this way.")

    def _check_key(self, request: Enrol, proof: KeyProof, challenge: bytes) -> None:
        listed = self._cluster.constitution.present.clients.get(request.name, "")
        if not hmac.compare_digest(hashlib.sha256(proof.public_key).hexdigest(), listed):
            raise Refusal("NOT_ADMITTED", f"The manifest does not list this key for a client {request.name}.")
        signed = key_statement(self._cluster.identifier, challenge, request.tls_key, self.tls_key)
        try:
            _p256(proof.public_key).verify(proof.signature, signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise Refusal("NOT_ADMITTED", "The signature is not over this challenge and these keys.") from error


def _program(name: str) -> Program:
    try:
        return Program(name)
    except ValueError as error:
        raise Refusal("NOT_ADMITTED", f"There is no program {name}.") from error


def _p256(encoded: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(encoded)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal("NOT_ADMITTED", "The key is not a DER SubjectPublicKeyInfo.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refusal("NOT_ADMITTED", "The key is not of P-256.")
    return key
