"""What the custodians and the replicas keep or hand over, encrypted: a share of the root, or the root itself.

HPKE (RFC 9180) in base mode, X25519, HKDF-SHA256, AES-256-GCM. What a package is for stands in ``info``, so one that
was made for a custodian opens for no enclave, and one of another cluster opens nowhere.
"""

from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from msgspec import DecodeError, Meta, Struct
from msgspec.msgpack import decode, encode

from nsl_protocol.errors import CodecError

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_CUSTODIAN, _ENCLAVE, _JOINER = b"nsl-custodian-v1\0", b"nsl-recovery-v1\0", b"nsl-join-v1\0"

type Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class SharePackage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A custodian's: his share (33 bytes) of the latest root, and what all shares of that epoch must agree on."""

    epoch: int
    share: Annotated[bytes, Meta(min_length=33, max_length=33)]
    commitments: tuple[Bytes32, ...]
    history: bytes  # the number of the root, and the roots of before, encrypted under it

    def for_custodian(self, cluster: bytes, recipient_key: bytes) -> bytes:
        """Encrypted to his 32-byte X25519 key."""
        return _seal(encode(self), recipient_key, _CUSTODIAN + cluster)

    def for_enclave(self, cluster: bytes, recipient_key: bytes) -> bytes:
        """Encrypted to the key that a recovery quote binds."""
        return _seal(encode(self), recipient_key, _ENCLAVE + cluster)

    @classmethod
    def opened_by_custodian(cls, package: bytes, cluster: bytes, key: X25519PrivateKey) -> "SharePackage":
        """Raises CodecError: not this custodian's, or another cluster's."""
        return _read(cls, _open(package, key, _CUSTODIAN + cluster))

    @classmethod
    def opened_by_enclave(cls, package: bytes, cluster: bytes, key: X25519PrivateKey) -> "SharePackage":
        """Raises CodecError: for another enclave, another quote or another cluster."""
        return _read(cls, _open(package, key, _ENCLAVE + cluster))


class Generation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One root: the first has number 1, and every rotation makes the next."""

    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    secret: Bytes32

    def __repr__(self) -> str:
        return f"Generation({self.number})"


class RootPackage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a member hands to a replica that it admits."""

    epoch: int
    roots: Annotated[tuple[Generation, ...], Meta(min_length=1)]  # the latest last
    time: int  # of the member, Unix seconds
    certificate: bytes  # of the register of keys, as the member has it

    def for_joiner(self, cluster: bytes, recipient_key: bytes) -> bytes:
        """Encrypted to the key that the joiner's quote binds."""
        return _seal(encode(self), recipient_key, _JOINER + cluster)

    @classmethod
    def opened_by_joiner(cls, package: bytes, cluster: bytes, key: X25519PrivateKey) -> "RootPackage":
        """Raises CodecError: for another replica or another cluster."""
        return _read(cls, _open(package, key, _JOINER + cluster))


def _seal(secret: bytes, recipient_key: bytes, info: bytes) -> bytes:
    return _SUITE.encrypt(secret, X25519PublicKey.from_public_bytes(recipient_key), info)


def _open(package: bytes, key: X25519PrivateKey, info: bytes) -> bytes:
    try:
        return _SUITE.decrypt(package, key, info)
    except (InvalidTag, ValueError) as error:
        raise CodecError("does not open with this key and for this cluster", field="package") from error


def _read[T: Struct](kind: type[T], data: bytes) -> T:
    try:
        return decode(data, type=kind)
    except (DecodeError, UnicodeDecodeError) as error:
        raise CodecError(str(error), field="package") from error
