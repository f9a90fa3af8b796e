"""NEP-2: a private key under a passphrase, as text that begins with 6P.

scrypt of the passphrase (NFC) salted with the address makes 64 bytes; AES-256-ECB under the second half encrypts the
key, XORed with the first. ECB is what NEP-2 prescribes: two random blocks.
"""

import hashlib
import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from nsl_protocol.errors import ChecksumError, CodecError, LimitError, WrongVersionError
from nsl_protocol.n3.address import base58check_decode, base58check_encode
from nsl_protocol.n3.keys import PRIVATE_BYTES, PublicKey
from nsl_protocol.n3.verification import account
from nsl_protocol.n3.wire import exactly

_PREFIX = bytes((0x01, 0x42, 0xE0))
_SALT_BYTES = 4
_HALF = 32
# 128 * n * r bytes of memory and p rounds of it: these allow 256 MiB, 16 times the standard.
N_MAX = 1 << 18
R_MAX = 8
P_MAX = 16


@dataclass(frozen=True, slots=True)
class ScryptParameters:
    """The cost of trying a passphrase. NEP-2 has n = 16384, r = 8, p = 8; a wallet file may name others."""

    n: int = 16_384
    r: int = 8
    p: int = 8

    def __post_init__(self) -> None:
        if not (1 < self.n <= N_MAX and self.n.bit_count() == 1):
            raise LimitError(f"n must be a power of two from 2 to {N_MAX}", field="scrypt")
        if not (1 <= self.r <= R_MAX and 1 <= self.p <= P_MAX):
            raise LimitError(f"r must be from 1 to {R_MAX} and p from 1 to {P_MAX}", field="scrypt")


STANDARD = ScryptParameters()


def encrypt(private: bytes, passphrase: str, parameters: ScryptParameters = STANDARD) -> str:
    """The NEP-2 text of a private key (32 bytes). Takes about half a second with the standard parameters."""
    salt = _salt(private)
    first, second = _derive(passphrase, salt, parameters)
    cipher = Cipher(AES(second), ECB()).encryptor()  # noqa: S305 - NEP-2 prescribes it
    return base58check_encode(_PREFIX + salt + cipher.update(_xor(private, first)) + cipher.finalize())


def decrypt(text: str, passphrase: str, parameters: ScryptParameters = STANDARD) -> bytes:
    """The private key (32 bytes).

    Raises:
        ChecksumError: a character is wrong, or the passphrase is.
        WrongVersionError: Base58Check text of another kind.
        CodecError: not such text.
    """
    payload = base58check_decode(text, kind="a NEP-2 key")
    if len(payload) != len(_PREFIX) + _SALT_BYTES + PRIVATE_BYTES:
        raise CodecError(f"a NEP-2 key holds 39 bytes, not {len(payload)}")
    if not payload.startswith(_PREFIX):
        raise WrongVersionError("a NEP-2 key of Neo begins with 6P and has version 0x0142e0")
    salt, encrypted = payload[3:7], payload[7:]
    first, second = _derive(passphrase, salt, parameters)
    cipher = Cipher(AES(second), ECB()).decryptor()  # noqa: S305 - NEP-2 prescribes it
    private = _xor(cipher.update(encrypted) + cipher.finalize(), first)
    try:
        right = _salt(private) == salt
    except CodecError:  # not even a private key of the curve
        right = False
    if not right:
        raise ChecksumError("the passphrase is wrong")
    return private


def _salt(private: bytes) -> bytes:
    exactly(private, PRIVATE_BYTES, "private key")
    address = account(PublicKey.of(private)).address.encode("ascii")
    return hashlib.sha256(hashlib.sha256(address).digest()).digest()[:_SALT_BYTES]


def _derive(passphrase: str, salt: bytes, parameters: ScryptParameters) -> tuple[bytes, bytes]:
    secret = unicodedata.normalize("NFC", passphrase).encode()
    kdf = Scrypt(salt=salt, length=2 * _HALF, n=parameters.n, r=parameters.r, p=parameters.p)
    derived = kdf.derive(secret)
    return derived[:_HALF], derived[_HALF:]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
