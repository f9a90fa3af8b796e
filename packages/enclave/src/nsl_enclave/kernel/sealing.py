"""Sealing: state that only the same program, by the same signer and not of an older version, can open.

Format: 1 byte format, 2 bytes security version, 12 bytes nonce, AES-256-GCM ciphertext with the first three bytes and
the purpose as associated data.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import SealError

_FORMAT = 1
_HEADER_BYTES = 3
_NONCE_BYTES = 12


def seal(key: bytes, security_version: int, purpose: str, secret: bytes) -> bytes:
    """Encrypt ``secret`` under the platform's 32-byte sealing key."""
    header = bytes((_FORMAT,)) + security_version.to_bytes(2)
    nonce = random_bytes(_NONCE_BYTES)
    return header + nonce + AESGCM(key).encrypt(nonce, secret, header + purpose.encode())


def unseal(key: bytes, security_version: int, purpose: str, sealed: bytes) -> bytes:
    """Open what ``seal`` made.

    Raises:
        SealError: another key, purpose or format, tampered bytes, or sealed by a newer version than this one.
    """
    header, nonce = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES]
    if len(header) != _HEADER_BYTES or header[0] != _FORMAT:
        raise SealError("The seal is of an unknown format.")
    if int.from_bytes(header[1:]) > security_version:
        raise SealError("The seal was made by a newer security version: run that version, or a newer one.")
    try:
        return AESGCM(key).decrypt(nonce, sealed[_HEADER_BYTES + _NONCE_BYTES :], header + purpose.encode())
    except (InvalidTag, ValueError) as error:
        raise SealError("The seal does not open: another platform, another program, or tampered bytes.") from error
