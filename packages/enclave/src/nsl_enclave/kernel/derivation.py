"""Keys that follow from a secret: HKDF-SHA256 (RFC 5869), one per purpose."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_WIDE_BYTES = 48


def derive(secret: bytes, purpose: bytes, count: int = 32) -> bytes:
    """``count`` bytes for exactly this purpose."""
    return HKDF(hashes.SHA256(), count, salt=None, info=purpose).derive(secret)


def derive_p256(secret: bytes, purpose: bytes) -> ec.EllipticCurvePrivateKey:
    """A P-256 key: 384 bits reduced, which is as good as uniform (FIPS 186-5, A.2.1)."""
    number = int.from_bytes(derive(secret, purpose, _WIDE_BYTES)) % (_P256_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())
