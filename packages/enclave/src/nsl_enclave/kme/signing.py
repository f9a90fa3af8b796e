"""Private keys and their signatures: deterministic (RFC 6979), low s, r‖s.

secp256k1 is libsecp256k1's (OpenSSL is fifteen times slower there); the rest is OpenSSL's. RSA signs by PSS, with a
random salt.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol

from coincurve import PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme import rsa_keys
from nsl_protocol.enclave.messages import SIGNING_CURVES, Curve

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_WORD_BYTES = 32
#: what a secret key is told by, with it in a hash: 256 random bits are not found from that
_CHECK_VALUE = b"nsl-key-check-value-v1\0"
_PREHASHED_SHA256 = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)


@dataclass(frozen=True, slots=True)
class RawSignature:
    """64 bytes, or 384 of RSA; ``recovery`` is 0 or 1 for secp256k1."""

    raw: bytes
    recovery: int | None = None


class PrivateHalf(Protocol):
    """A private key in use. ``sign`` takes a 32-byte digest, except for ed25519, which takes the message."""

    curve: Curve
    algorithm: str
    public_key: bytes

    def sign(self, data: bytes) -> RawSignature: ...


class _Secp256r1:
    curve = Curve.SECP256R1
    algorithm = "ecdsa-secp256r1-sha256"

    def __init__(self, secret: bytes) -> None:
        self._key = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
        self.public_key = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def sign(self, data: bytes) -> RawSignature:
        r, s = decode_dss_signature(self._key.sign(data, _PREHASHED_SHA256))
        return RawSignature(r.to_bytes(_WORD_BYTES) + min(s, P256_ORDER - s).to_bytes(_WORD_BYTES))


class _Secp256k1:
    curve = Curve.SECP256K1
    algorithm = "ecdsa-secp256k1"

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.public_key = self._key.public_key.format(compressed=True)

    def sign(self, data: bytes) -> RawSignature:
        made = self._key.sign_recoverable(data, hasher=None)
        return RawSignature(made[:-1], made[-1])


class _Ed25519:
    curve = Curve.ED25519
    algorithm = "ed25519"

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> RawSignature:
        return RawSignature(self._key.sign(data))


class _Rsa3072:
    curve = Curve.RSA_3072
    algorithm = "rsassa-pss-sha256"

    def __init__(self, secret: bytes) -> None:
        self._key = rsa_keys.key_of(secret)
        self.public_key = rsa_keys.public_key_of(self._key)

    def sign(self, data: bytes) -> RawSignature:
        return RawSignature(rsa_keys.sign(self._key, data))


class _Secret:
    """A key that encrypts or authenticates, and signs nothing."""

    curve: Curve
    algorithm = "none"

    def __init__(self, secret: bytes) -> None:
        self.public_key = hashlib.sha256(_CHECK_VALUE + secret).digest()

    def sign(self, _: bytes) -> RawSignature:
        raise Refusal("WRONG_CURVE", f"A key of {self.curve} signs nothing.")


class _Aes256Gcm(_Secret):
    curve = Curve.AES_256_GCM


class _HmacSha256(_Secret):
    curve = Curve.HMAC_SHA256


_KINDS: dict[Curve, type[_Secp256r1 | _Secp256k1 | _Ed25519 | _Rsa3072 | _Aes256Gcm | _HmacSha256]] = {
    Curve.SECP256R1: _Secp256r1,
    Curve.SECP256K1: _Secp256k1,
    Curve.ED25519: _Ed25519,
    Curve.RSA_3072: _Rsa3072,
    Curve.AES_256_GCM: _Aes256Gcm,
    Curve.HMAC_SHA256: _HmacSha256,
}
SECRET_CURVES = frozenset(Curve) - set(SIGNING_CURVES)
_ORDERS = {Curve.SECP256R1: P256_ORDER, Curve.SECP256K1: SECP256K1_ORDER}


def new_secret(curve: Curve) -> bytes:
    """A private key of the curve: 32 random bytes, or two primes."""
    if curve is Curve.RSA_3072:
        return rsa_keys.new_primes()
    while True:
        secret = random_bytes(_WORD_BYTES)
        if secret_in(curve, secret) is not None:
            return secret


def secret_in(curve: Curve, brought: bytes) -> bytes | None:
    """The private key that somebody has brought: 32 bytes, or PKCS #8 DER of RSA. None: it is none of the curve."""
    if curve is Curve.RSA_3072:
        return rsa_keys.primes_in(brought)
    in_range = curve not in _ORDERS or 0 < int.from_bytes(brought) < _ORDERS[curve]
    return brought if len(brought) == _WORD_BYTES and in_range else None


def given_out(curve: Curve, secret: bytes) -> bytes:
    """A private key in the form in which it is brought."""
    return rsa_keys.pkcs8_of(secret) if curve is Curve.RSA_3072 else secret


def private_half(curve: Curve, secret: bytes) -> PrivateHalf:
    """The key that a secret is."""
    return _KINDS[curve](secret)
