"""Host-enclave messages, version 1.

A frame is a 4-byte big-endian length and that many bytes, at most ``FRAME_BYTES_MAX``: the msgpack encoding of
``Call`` (host to enclave) or ``Reply`` (enclave to host). Encodings are canonical: a decoder encodes what it read and
refuses a frame that differs. The ``id`` pairs a reply with its call; many calls may be under way on one connection.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from nsl_protocol.enclave.agreement import (
    Accept,
    Ack,
    Ask,
    AskLease,
    Certificate,
    Conclude,
    GetHead,
    GrantLease,
    HeadShown,
    Lease,
    Leased,
    Proceed,
    Proceeded,
    Propose,
    Record,
    Show,
    Shown,
    TakeLease,
)
from nsl_protocol.enclave.below import DeriveKeys, KeysDerived
from nsl_protocol.enclave.evaluation import Evaluate, Evaluated
from nsl_protocol.enclave.fields import Bytes32, Id16, MarkedLeaf, Message, Wrapped
from nsl_protocol.enclave.ledger import LeaseWindows, LedgerMade, ReturnWindows
from nsl_protocol.enclave.lifecycle import ChangeKey, KeyChanged
from nsl_protocol.enclave.log import AppendLeaves, GetLeaves, HeadSigned, LeavesAppended, LeavesKept, SignHead
from nsl_protocol.enclave.membership import (
    Admit,
    Admitted,
    ApplyManifest,
    Bootstrap,
    Enrol,
    Enrolled,
    Founded,
    GetPackages,
    GetQuote,
    Join,
    Joined,
    JoinPrepared,
    ManifestApplied,
    PrepareJoin,
    Quoted,
    RetireRoots,
    RotateRoot,
    ShareTaken,
    SubmitShare,
)
from nsl_protocol.enclave.policies import Approval, ChangePolicy, PolicyChanged, ScoreGiven, SettlePolicy
from nsl_protocol.enclave.portable import AttestKey, ExportKey, KeyAttested, KeyExported, Recipients
from nsl_protocol.enclave.signable import Signable
from nsl_protocol.enclave.symmetric import Product, Use
from nsl_protocol.enclave.wrapped import (
    KeyName,
    Kid,
    SecretPurpose,
    WrappedKey,
    WrappedLedger,
    WrappedLog,
    WrappedSecret,
    WrappedTokenKey,
)

VERSION = 1
FRAME_BYTES_MAX = 1 << 20
SIGN_ORDERS_MAX = 256


class Curve(StrEnum):
    """What a key is made for; the last two are secret keys, which have no curve and no public half."""

    SECP256R1 = "secp256r1"
    SECP256K1 = "secp256k1"
    ED25519 = "ed25519"
    RSA_3072 = "rsa-3072"
    AES_256_GCM = "aes-256-gcm"
    HMAC_SHA256 = "hmac-sha256"


SIGNING_CURVES = (Curve.SECP256R1, Curve.SECP256K1, Curve.ED25519, Curve.RSA_3072)


class TokenKind(StrEnum):
    """What a token is: the ``typ`` of its header. One kind never passes for another (RFC 8725 section 3.11)."""

    ACCESS = "at+jwt"  # RFC 9068
    ID = "JWT"  # OpenID Connect Core section 2
    LOGOUT = "logout+jwt"  # OpenID Connect Back-Channel Logout section 2.4


class SignOrder(Message, frozen=True):
    """``id``: of the request, which the leaf and the receipt name; asked once more, it gives the same answer."""

    name: KeyName
    wrapped: Wrapped
    what: Signable
    id: Id16
    approval: Approval | None = None
    score: ScoreGiven | None = None


# Requests ---------------------------------------------------------------------------------------------------------


class GetStatus(Message, frozen=True):
    pass


class CreateKey(Message, frozen=True):
    """``policy``: what it may sign, as JSON (``policy.document``); ``recipients``: whom it may ever be exported to.

    Both are sealed with the key.
    """

    name: KeyName
    curve: Curve
    policy: Annotated[bytes, Meta(max_length=8192)]
    recipients: Recipients = ()


class ImportKey(Message, frozen=True):
    """A private key from elsewhere, encrypted to the enclave for exactly these terms. Answered by ``KeyCreated``.

    Attributes:
        label: its name for people, bound into the encryption.
        wrapping_key: which key it is encrypted to: that of a quote of the purpose ``import``.
        encrypted: as ``key_transport.seal_import`` makes it.
    """

    terms: CreateKey
    label: Annotated[str, Meta(min_length=1, max_length=200)]
    wrapping_key: Bytes32
    encrypted: Wrapped


class Sign(Message, frozen=True):
    """Up to 256 signatures, each answered on its own: one refusal leaves the others standing."""

    orders: Annotated[tuple[SignOrder, ...], Meta(min_length=1, max_length=SIGN_ORDERS_MAX)]


class CreateTokenKey(Message, frozen=True):
    """An RSA-3072 key that signs access tokens and nothing else."""

    kid: Kid


class SignToken(Message, frozen=True):
    """A JWT (RS256) of one kind. The enclave builds the header; ``claims`` is a JSON object."""

    kind: TokenKind
    kid: Kid
    wrapped: Wrapped
    claims: Annotated[bytes, Meta(max_length=16_384)]


class Seal(Message, frozen=True):
    """Encrypt a secret that the service must be able to read again, such as a one-time password's seed.

    ``purpose`` says what it is and whose; it opens under no other.
    """

    purpose: SecretPurpose
    secret: Annotated[bytes, Meta(min_length=1, max_length=4096)]


class Unseal(Message, frozen=True):
    """Open what ``Seal`` made for this purpose."""

    purpose: SecretPurpose
    sealed: Wrapped


class Rewrap(Message, frozen=True):
    """Wrap anew, under the latest root, what was wrapped before; each is answered on its own."""

    items: Annotated[
        tuple[WrappedKey | WrappedTokenKey | WrappedLog | WrappedLedger | WrappedSecret, ...],
        Meta(min_length=1, max_length=SIGN_ORDERS_MAX),
    ]


type Request = (
    GetStatus
    | CreateKey
    | ChangeKey
    | Sign
    | CreateTokenKey
    | SignToken
    | Seal
    | Unseal
    | GetQuote
    | Enrol
    | Bootstrap
    | SubmitShare
    | GetPackages
    | RotateRoot
    | RetireRoots
    | Rewrap
    | PrepareJoin
    | Admit
    | Join
    | ApplyManifest
    | GetHead
    | Show
    | Propose
    | Accept
    | Conclude
    | AskLease
    | GrantLease
    | TakeLease
    | Proceed
    | AppendLeaves
    | SignHead
    | GetLeaves
    | Evaluate
    | ImportKey
    | ExportKey
    | AttestKey
    | LeaseWindows
    | ReturnWindows
    | Use
    | ChangePolicy
    | SettlePolicy
    | DeriveKeys
)


# Answers ----------------------------------------------------------------------------------------------------------


class Status(Message, frozen=True):
    """What a program says of itself; what it can prove is in its quotes.

    Attributes:
        mode: of its platform, ``sim`` or ``hw``.
        phase: ``starting`` until it has the root.
        layers: of isolation, those that are active.
        cluster: the cluster's id; empty where there is none.
        epoch: of the cluster, from 1; it grows with every recovery, rotation and retirement.
        generation: the number of the root that is wrapped under, from 1.
        manifest_version: of the manifest that holds.
        seal: ``none``, ``opened``, or ``lost``: there is one that does not open, so this replica must join again.
        register: the number of changes in its register of keys.
        lease_seconds: how long it may sign without the others; None: it needs no lease, or has no root.
        frozen_at: Unix seconds, of the freeze of the whole cluster; None: there is none that it knows of.
    """

    program: str
    mode: str
    measurement: str
    phase: str
    version: str
    layers: tuple[str, ...]
    cluster: bytes
    epoch: int
    generation: int
    manifest_version: int
    seal: str
    register: int
    lease_seconds: int | None
    frozen_at: int | None = None


class KeyCreated(Message, frozen=True):
    """``public_key``: compressed SEC1 (33 bytes) for the secp curves, 32 raw bytes for ed25519, SPKI DER for RSA.

    For a secret key 32 bytes that tell it from others and say nothing of it.
    """

    public_key: bytes
    wrapped: bytes
    leaf: MarkedLeaf


class Signature(Message, frozen=True):
    """``signature``: r‖s with low s (64 bytes), 64 bytes of Ed25519, 384 of RSA; ``recovery``: 0 or 1 for secp256k1.

    ``salt``: of the N3 message envelope, hex text; ``decoded``: JSON. ``leaf`` is durable before the signature leaves.
    """

    signature: bytes
    recovery: int | None
    algorithm: str
    salt: str | None
    public_key: bytes
    decoded: bytes
    leaf: MarkedLeaf


class Refused(Message, frozen=True):
    """The enclave will not. ``code`` is stable, ``reason`` says what would change it.

    ``leaf``: for the audit log, where it was asked to sign and has understood by what key.
    """

    code: str
    reason: str
    leaf: MarkedLeaf | None = None


class Signed(Message, frozen=True):
    """One result for each order, in order."""

    results: tuple[Signature | Refused, ...]


class Used(Message, frozen=True):
    """One result for each order, in order."""

    results: tuple[Product | Refused, ...]


class TokenKeyCreated(Message, frozen=True):
    """``public_key`` is DER SubjectPublicKeyInfo."""

    public_key: bytes
    wrapped: bytes


class TokenSigned(Message, frozen=True):
    token: str


class Sealed(Message, frozen=True):
    sealed: bytes


class Unsealed(Message, frozen=True):
    secret: bytes


class Rewrapped(Message, frozen=True):
    """One for each item, in order."""

    results: tuple[bytes | Refused, ...]


type Answer = (
    Status
    | KeyCreated
    | KeyChanged
    | Signed
    | TokenKeyCreated
    | TokenSigned
    | Sealed
    | Unsealed
    | Rewrapped
    | Quoted
    | Enrolled
    | Founded
    | ShareTaken
    | JoinPrepared
    | Admitted
    | Joined
    | ManifestApplied
    | HeadShown
    | Shown
    | Record
    | Ack
    | Certificate
    | Ask
    | Lease
    | Leased
    | Proceeded
    | LeavesAppended
    | HeadSigned
    | LeavesKept
    | Evaluated
    | Refused
    | KeyExported
    | KeyAttested
    | LedgerMade
    | Used
    | PolicyChanged
    | KeysDerived
)


class Call(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    id: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    body: Request


class Reply(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    id: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    body: Answer
