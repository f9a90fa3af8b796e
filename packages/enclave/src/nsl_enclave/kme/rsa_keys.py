"""RSA-3072 private keys (RFC 8017): kept as their two primes, which are a fifth of PKCS #8, and signing by PSS."""

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from nsl_protocol.enclave.signed import RSA_BITS, RSA_EXPONENT, RSA_PSS

_PRIME_BYTES: Final = RSA_BITS // 16
SECRET_BYTES: Final = 2 * _PRIME_BYTES
_PREHASHED: Final = Prehashed(hashes.SHA256())


def new_primes() -> bytes:
    """Of a new key. It takes a quarter of a second, in which the enclave does nothing else."""
    return _primes(rsa.generate_private_key(RSA_EXPONENT, RSA_BITS))


def primes_in(pkcs8: bytes) -> bytes | None:
    """Those of a private key in PKCS #8 DER; None: it is no RSA key of 3072 bits with the exponent 65537."""
    try:
        key = load_der_private_key(pkcs8, None)
    except (ValueError, TypeError):
        return None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != RSA_BITS:
        return None
    numbers = key.private_numbers()
    sized = all(prime.bit_length() == 8 * _PRIME_BYTES for prime in (numbers.p, numbers.q))
    return _primes(key) if sized and numbers.public_numbers.e == RSA_EXPONENT else None


def pkcs8_of(primes: bytes) -> bytes:
    """The private key as DER."""
    return key_of(primes).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def public_key_of(key: rsa.RSAPrivateKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(key: rsa.RSAPrivateKey, digest: bytes) -> bytes:
    """RSASSA-PSS with SHA-256 and a salt of 32 bytes, over a digest."""
    return key.sign(digest, RSA_PSS, _PREHASHED)


def key_of(primes: bytes) -> rsa.RSAPrivateKey:
    """To work with. Not validated again: what is sealed was, and that takes fifty times as long as signing."""
    p, q = int.from_bytes(primes[:_PRIME_BYTES]), int.from_bytes(primes[_PRIME_BYTES:])
    d = pow(RSA_EXPONENT, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(RSA_EXPONENT, p * q),
    ).private_key(unsafe_skip_rsa_key_validation=True)


def _primes(key: rsa.RSAPrivateKey) -> bytes:
    numbers = key.private_numbers()
    return numbers.p.to_bytes(_PRIME_BYTES) + numbers.q.to_bytes(_PRIME_BYTES)
