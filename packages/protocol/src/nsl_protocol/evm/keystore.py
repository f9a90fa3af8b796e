"""Web3 Secret Storage, version 3: an EVM private key under a passphrase, as JSON that most wallets write.

scrypt or PBKDF2 of the passphrase makes 32 bytes. The first half is the key of AES-128-CTR, the second goes before the
ciphertext into the Keccak-256 that tells a wrong passphrase.
"""

import hmac
from collections.abc import Callable
from typing import Annotated, Literal, cast

from Crypto.Protocol.KDF import scrypt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from msgspec import DecodeError, Meta, Struct
from msgspec.json import decode

from nsl_protocol.errors import ChecksumError, CodecError, LimitError
from nsl_protocol.evm.keccak import keccak256

KEYSTORE_BYTES_MAX = 65_536
# 128 * n * r bytes of memory: 256 MiB, which is what geth writes.
_SCRYPT_BYTES_MAX = 1 << 28
_ROUNDS_MAX = 10_000_000
_DERIVED_BYTES = 32
_HALF = 16

type Hex = Annotated[str, Meta(pattern="^(0x)?([0-9a-fA-F]{2})*$", max_length=1024)]
type Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class _Parameters(Struct):
    salt: Hex
    dklen: Literal[32]
    n: Count = 1
    r: Count = 1
    p: Count = 1
    c: Count = 1
    prf: Literal["hmac-sha256"] = "hmac-sha256"


class _CipherParameters(Struct):
    iv: Hex


class _Crypto(Struct):
    cipher: Literal["aes-128-ctr"]
    cipherparams: _CipherParameters
    ciphertext: Hex
    kdf: Literal["scrypt", "pbkdf2"]
    kdfparams: _Parameters
    mac: Hex


class _Keystore(Struct):
    version: Literal[3]
    crypto: _Crypto


def read_keystore(document: bytes, passphrase: str) -> bytes:
    """The private key, 32 bytes.

    Raises:
        ChecksumError: the passphrase is wrong, or the file was changed.
        LimitError: it asks for more memory or time than is given.
        CodecError: not such a file.
    """
    if len(document) > KEYSTORE_BYTES_MAX:
        raise LimitError(f"more than {KEYSTORE_BYTES_MAX} bytes", field="keystore")
    try:
        found = decode(document, type=_Keystore).crypto
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"is no version 3 keystore: {error}", field="keystore") from error
    initial, ciphertext = _bytes(found.cipherparams.iv), _bytes(found.ciphertext)
    if len(initial) != _HALF or len(ciphertext) != _DERIVED_BYTES:
        raise CodecError("holds no private key of 32 bytes", field="keystore")
    derived = _derive(found, passphrase.encode())
    if not hmac.compare_digest(keccak256(derived[_HALF:] + ciphertext), _bytes(found.mac)):
        raise ChecksumError("the passphrase is wrong")
    cipher = Cipher(AES(derived[:_HALF]), CTR(initial)).decryptor()
    return cipher.update(ciphertext) + cipher.finalize()


def _derive(found: _Crypto, passphrase: bytes) -> bytes:
    cost, salt = found.kdfparams, _bytes(found.kdfparams.salt)
    if found.kdf == "pbkdf2":
        if cost.c > _ROUNDS_MAX:
            raise LimitError(f"more than {_ROUNDS_MAX} rounds", field="kdfparams.c")
        return PBKDF2HMAC(SHA256(), _DERIVED_BYTES, salt, cost.c).derive(passphrase)
    if 128 * cost.n * cost.r > _SCRYPT_BYTES_MAX or cost.p > _HALF:
        raise LimitError(f"more than {_SCRYPT_BYTES_MAX >> 20} MiB of memory, or p above 16", field="kdfparams")
    try:
        # OpenSSL refuses n above 2^(16 r), as RFC 7914 does; keystores with r = 1 exist.
        # Its types ask for text, which it would take as Latin-1; bytes are taken as they are.
        derive = cast("Callable[..., bytes]", scrypt)
        return derive(passphrase, salt, _DERIVED_BYTES, cost.n, cost.r, cost.p)
    except ValueError as error:
        raise CodecError(str(error), field="kdfparams") from error


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
