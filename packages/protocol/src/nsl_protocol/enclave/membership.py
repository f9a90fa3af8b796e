"""Messages by which enclaves prove themselves, peers enrol, and the key cluster gets and keeps its root."""

from typing import Annotated

from msgspec import Meta

from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.enclave.agreement import Certificate
from nsl_protocol.enclave.fields import (
    Bytes32,
    CollateralBytes,
    Message,
    Name,
    PublicKey,
    QuoteBytes,
    Signature64,
    Wrapped,
)

# Attestation and enrolment ----------------------------------------------------------------------------------------


class GetQuote(Message, frozen=True):
    """Prove who you are, for this purpose and to this nonce. Answered by ``Quoted``."""

    purpose: Purpose
    nonce: Bytes32


class KeyProof(Message, frozen=True):
    """A host process: a signature (ECDSA P-256, SHA-256, DER) by the key that the manifest lists under its name."""

    public_key: PublicKey
    signature: Annotated[bytes, Meta(min_length=8, max_length=72)]


class QuoteProof(Message, frozen=True):
    """An enclave: a quote over ``ENROL_CLIENT``, the challenge, its TLS key and the server's."""

    quote: QuoteBytes
    collateral: CollateralBytes


class Enrol(Message, frozen=True):
    """Ask for a certificate over ``tls_key`` (DER SubjectPublicKeyInfo), after a ``GetQuote`` on this connection.

    ``name`` is a client's of the manifest for a ``KeyProof``, a program's for a ``QuoteProof``.
    """

    name: Name
    tls_key: PublicKey
    proof: KeyProof | QuoteProof


# The cluster ------------------------------------------------------------------------------------------------------


class Bootstrap(Message, frozen=True):
    """Make the cluster's first root, in the enclave that made the ``BOOTSTRAP`` quote with this SHA-256.

    ``approvals``: by custodian, an Ed25519 signature over ``custody.statement`` of it.
    """

    quote_digest: Bytes32
    approvals: Annotated[dict[Name, Signature64], Meta(max_length=16)]


class SubmitShare(Message, frozen=True):
    """One custodian's package, encrypted to the key of the ``RECOVERY`` quote with this SHA-256, and his signature.

    ``certificate`` is the register's, as the database has it: he signs over its head too, and with it accepts what the
    database may have lost. None: no key was ever made. Answered by ``ShareTaken`` until they are enough, then by
    ``Founded``: new packages, the old ones are worthless.
    """

    quote_digest: Bytes32
    custodian: Name
    package: Wrapped
    certificate: Certificate | None
    approval: Signature64


class RotateRoot(Message, frozen=True):
    """Replace the root: custodians' signatures over the ``ROTATION`` quote with this SHA-256. Answered by ``Founded``.

    A new epoch begins, from the register of keys that ``certificate`` is of: nobody may change it meanwhile. What was
    wrapped before still opens, until it is wrapped anew and ``RetireRoots``.
    """

    certificate: Certificate
    quote_digest: Bytes32
    approvals: Annotated[dict[Name, Signature64], Meta(max_length=16)]


class RetireRoots(Message, frozen=True):
    """Forget the roots of before: signatures over the ``RETIREMENT`` quote. What is still under them is lost."""

    certificate: Certificate
    quote_digest: Bytes32
    approvals: Annotated[dict[Name, Signature64], Meta(max_length=16)]


class GetPackages(Message, frozen=True):
    """The custodians' packages once more: whoever bootstrapped may have been cut off from the answer."""


class PrepareJoin(Message, frozen=True):
    """To a replica without a root: prove yourself to a member that asks with this challenge."""

    challenge: Bytes32


class Admit(Message, frozen=True):
    """To a member: what ``PrepareJoin`` answered."""

    quote: QuoteBytes
    collateral: CollateralBytes
    recipient_key: Bytes32
    manifest_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    challenge: Bytes32


class Join(Message, frozen=True):
    """To the replica: what ``Admit`` answered."""

    quote: QuoteBytes
    collateral: CollateralBytes
    package: Wrapped


class ApplyManifest(Message, frozen=True):
    """A later manifest, signed by enough custodians."""

    document: Annotated[bytes, Meta(min_length=1, max_length=262_144)]


# Answers ----------------------------------------------------------------------------------------------------------


class Quoted(Message, frozen=True):
    """A quote over ``binding.report_data(purpose, cluster, nonce, *keys)``.

    Attributes:
        collateral: JSON, where the platform brings its own (SIM); else ask a PCCS.
        keys: what is bound, in the purpose's order.
        challenge: the nonce that the next proof on this connection must be over.
    """

    quote: bytes
    collateral: bytes | None
    cluster: bytes
    keys: tuple[bytes, ...]
    challenge: bytes


class Enrolled(Message, frozen=True):
    """A certificate and its authority, both DER, good until ``expires_at`` (Unix seconds) or the next manifest."""

    certificate: bytes
    authority: bytes
    expires_at: int
    manifest_version: int


class Founded(Message, frozen=True):
    """The root is there.

    Attributes:
        packages: by custodian, his share, encrypted to his recipient key; keep them all.
        certificate: of the register of keys that the epoch goes on from.
    """

    epoch: int
    packages: dict[str, bytes]
    certificate: Certificate


class ShareTaken(Message, frozen=True):
    """How many good shares there are, of how many."""

    taken: int
    needed: int


class JoinPrepared(Message, frozen=True):
    """A quote over ``JOIN``, the challenge, recipient key and manifest digest; ``challenge`` is for the member."""

    quote: bytes
    collateral: bytes | None
    recipient_key: bytes
    manifest_version: int
    challenge: bytes


class Admitted(Message, frozen=True):
    """A quote over ``WELCOME``, the replica's challenge, its recipient key and SHA-256 of the package."""

    quote: bytes
    collateral: bytes | None
    package: bytes


class Joined(Message, frozen=True):
    epoch: int


class ManifestApplied(Message, frozen=True):
    version: int
