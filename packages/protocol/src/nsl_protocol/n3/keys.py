"""Public keys on P-256 (secp256r1), and private keys as WIF text."""

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec

from nsl_protocol.errors import CodecError, WrongVersionError
from nsl_protocol.n3.address import base58check_decode, base58check_encode
from nsl_protocol.n3.wire import exactly

COMPRESSED_BYTES = 33
UNCOMPRESSED_BYTES = 65
PRIVATE_BYTES = 32
WIF_VERSION = 0x80
_WIF_COMPRESSED = 0x01
# The order of the base point: a private key is from 1 to one less (FIPS 186-5, P-256).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A point of P-256 other than infinity. ``raw`` is its compressed SEC1 form, 33 bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        exactly(self.raw, COMPRESSED_BYTES, "public key")
        _point(self.raw)

    def __str__(self) -> str:
        return self.raw.hex()

    @property
    def order(self) -> tuple[int, int]:
        """Where the key stands in a multi-signature script: by X, then by Y (not by its bytes)."""
        numbers = _point(self.raw).public_numbers()
        return numbers.x, numbers.y

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read hexadecimal text, compressed or uncompressed SEC1.

        Raises:
            CodecError: not such text, or not a point of the curve.
        """
        try:
            return cls.from_bytes(bytes.fromhex(text))
        except CodecError:
            raise
        except ValueError:
            raise CodecError("not hexadecimal", field="public key") from None

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read 33 or 65 bytes of SEC1.

        Raises:
            CodecError: another length or prefix, or not a point of the curve.
        """
        if len(raw) == UNCOMPRESSED_BYTES:
            numbers = _point(raw).public_numbers()
            raw = bytes((2 + numbers.y % 2,)) + numbers.x.to_bytes(32, "big")
        return cls(raw)

    @classmethod
    def of(cls, private: bytes) -> Self:
        """The public key of a private key (32 bytes, big-endian)."""
        numbers = ec.derive_private_key(_scalar(private), ec.SECP256R1()).public_key().public_numbers()
        return cls(bytes((2 + numbers.y % 2,)) + numbers.x.to_bytes(32, "big"))


def wif_encode(private: bytes) -> str:
    """Wallet import format of a private key: Base58Check of 0x80, 32 bytes, 0x01."""
    _scalar(private)
    return base58check_encode(bytes((WIF_VERSION,)) + private + bytes((_WIF_COMPRESSED,)))


def wif_decode(text: str) -> bytes:
    """The 32 bytes of the private key.

    Raises:
        ChecksumError: a character is wrong.
        WrongVersionError: Base58Check text of another kind.
        CodecError: not such text, or not a private key of P-256.
    """
    payload = base58check_decode(text, kind="a WIF key")
    if len(payload) != 1 + PRIVATE_BYTES + 1:
        raise CodecError(f"a WIF key holds 34 bytes, not {len(payload)}")
    if payload[0] != WIF_VERSION or payload[-1] != _WIF_COMPRESSED:
        raise WrongVersionError("a WIF key of Neo has version 0x80 and a compressed public key")
    private = payload[1:-1]
    _scalar(private)
    return private


def _scalar(private: bytes) -> int:
    value = int.from_bytes(exactly(private, PRIVATE_BYTES, "private key"), "big")
    if not 0 < value < ORDER:
        raise CodecError("must be from 1 to the order of the curve minus 1", field="private key")
    return value


def _point(raw: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise CodecError("not a point of the curve secp256r1 in SEC1 form", field="public key") from None
