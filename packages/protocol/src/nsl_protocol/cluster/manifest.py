"""The manifest: who the custodians are, which enclaves may hold the root, which programs may call them.

The first manifest (genesis) is trusted by its SHA-256, which is the cluster's id: it is in every quote, certificate and
client's pin. Each later one has the next version, names the cluster, keeps the genesis custodians and their threshold,
and carries the signatures of that many of them.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import DecodeError, Meta, Struct, field
from msgspec.json import decode, encode

from nsl_protocol.attestation.policy import SW_HARDENING_NEEDED, UP_TO_DATE, EnclaveRule, Floors, Policy
from nsl_protocol.errors import CodecError

MANIFEST_BYTES_MAX = 262_144
CUSTODIANS_MAX = 16
REPLICAS_MAX = 7
LEAF_SECONDS_MAX = 86_400

_MANIFEST_TAG = b"nsl-manifest-v1\0"

type Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
type Name = Annotated[str, Meta(pattern="^[a-z0-9](-?[a-z0-9]){0,62}$")]


class Program(StrEnum):
    """The enclave programs of the layer."""

    KME = "kme"
    CCE = "cce"
    AVE = "ave"
    CBE = "cbe"


class Custodian(Struct, frozen=True, forbid_unknown_fields=True):
    """A person who answers for the cluster: an Ed25519 key to sign with, an X25519 key to receive a share by."""

    name: Name
    signing_key: Hex32
    recipient_key: Hex32


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    Attributes:
        cluster: the cluster's id; absent in version 1, which makes it.
        threshold: how many custodians it takes, to sign and to recover.
        programs: by program, the enclaves that may be it. The KME's may receive the root.
        clients: the host processes that may call enclaves: by name, SHA-256 of the public key they enrol with.
        replicas: how many KMEs the cluster has; a majority of them must agree on changes.
        leaf_seconds: how long a certificate of the cluster is good for.
        lease_seconds: how long a replica that has lost the majority goes on signing.
    """

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    custodians: Annotated[tuple[Custodian, ...], Meta(min_length=1, max_length=CUSTODIANS_MAX)]
    threshold: Annotated[int, Meta(ge=1, le=CUSTODIANS_MAX)]
    programs: dict[Program, Annotated[tuple[EnclaveRule, ...], Meta(min_length=1, max_length=64)]]
    clients: dict[Name, Hex32]
    cluster: Hex32 | None = None
    tcb_statuses: tuple[str, ...] = (UP_TO_DATE, SW_HARDENING_NEEDED)
    advisories: tuple[str, ...] = ()
    replicas: Annotated[int, Meta(ge=1, le=REPLICAS_MAX)] = 3
    leaf_seconds: Annotated[int, Meta(ge=5, le=LEAF_SECONDS_MAX)] = LEAF_SECONDS_MAX
    lease_seconds: Annotated[int, Meta(ge=1, le=7 * 86_400)] = 3600

    def __post_init__(self) -> None:
        for each in ("name", "signing_key", "recipient_key"):
            if len({getattr(custodian, each) for custodian in self.custodians}) != len(self.custodians):
                raise ValueError(f"two custodians have the same {each}")
        if self.threshold > len(self.custodians):
            raise ValueError("the threshold is above the number of custodians")
        if Program.KME not in self.programs:
            raise ValueError("programs names no enclave for kme")
        if (self.cluster is None) != (self.version == 1):
            raise ValueError("version 1 has no cluster, every later version has one")

    def policy(self, program: Program, floors: Floors) -> Policy:
        """Who passes for that program. An unlisted program has no enclave: nobody does."""
        return Policy(self.programs.get(program, ()), self.tcb_statuses, self.advisories, floors)


class SignedManifest(Struct, frozen=True, forbid_unknown_fields=True):
    """``manifest`` is the exact text that was signed; ``signatures`` are hex, by custodian."""

    manifest: Annotated[str, Meta(max_length=MANIFEST_BYTES_MAX)]
    signatures: dict[Name, Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text."""
        return hashlib.sha256(self.manifest.encode()).digest()

    def signed_by(self, name: str, key: Ed25519PrivateKey) -> "SignedManifest":
        """With that custodian's signature."""
        return SignedManifest(self.manifest, self.signatures | {name: key.sign(_MANIFEST_TAG + self.digest).hex()})


def sign_off(manifest: Manifest) -> SignedManifest:
    """As text, to be signed."""
    return SignedManifest(encode(manifest).decode())


def read_signed(document: bytes) -> tuple[SignedManifest, Manifest]:
    """Read a manifest's file, whose signatures nobody has checked.

    Raises:
        CodecError: it cannot be read; the reason says where.
    """
    if len(document) > MANIFEST_BYTES_MAX:
        raise CodecError(f"more than {MANIFEST_BYTES_MAX} bytes", field="manifest")
    try:
        signed = decode(document, type=SignedManifest)
        return signed, decode(signed.manifest, type=Manifest)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error), field="manifest") from error


def read_genesis(document: bytes, cluster: bytes | None = None) -> tuple[bytes, Manifest]:
    """The cluster's id and its first manifest.

    Args:
        cluster: the id that is trusted, where it is known already.

    Raises:
        CodecError: not a first manifest, or another cluster's.
    """
    signed, manifest = read_signed(document)
    if manifest.version != 1:
        raise CodecError("is not a first manifest", field="manifest")
    if cluster is not None and signed.digest != cluster:
        raise CodecError(f"is the genesis of cluster {signed.digest.hex()}, not of {cluster.hex()}", field="manifest")
    return signed.digest, manifest


def read_update(document: bytes, cluster: bytes, genesis: Manifest, present: Manifest) -> tuple[bytes, Manifest]:
    """The digest and content of a manifest that may follow the present one.

    Raises:
        CodecError: not the next version, another cluster's, of other custodians, or signed by too few.
    """
    signed, manifest = read_signed(document)
    if manifest.version <= present.version:
        raise CodecError(f"is version {manifest.version}; version {present.version} holds already", field="manifest")
    if manifest.cluster != cluster.hex():
        raise CodecError("is of another cluster", field="manifest")
    if (manifest.custodians, manifest.threshold) != (genesis.custodians, genesis.threshold):
        raise CodecError("changes the custodians, who stay those of the genesis", field="manifest")
    signers = approvals(genesis, _MANIFEST_TAG + signed.digest, signed.signatures)
    if len(signers) < genesis.threshold:
        raise CodecError(f"is signed by {len(signers)} custodians; it takes {genesis.threshold}", field="manifest")
    return signed.digest, manifest


def approvals(genesis: Manifest, statement: bytes, signatures: Mapping[str, str]) -> frozenset[str]:
    """The custodians whose signature (hex) over ``statement`` holds; others are left out."""
    found = set()
    for custodian in genesis.custodians:
        signature = signatures.get(custodian.name)
        if signature is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(custodian.signing_key)).verify(
                bytes.fromhex(signature), statement
            )
        except (InvalidSignature, ValueError):
            continue
        found.add(custodian.name)
    return frozenset(found)
