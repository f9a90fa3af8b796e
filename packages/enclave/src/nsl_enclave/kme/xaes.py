"""XAES-256-GCM (c2sp.org/XAES-256-GCM): AES-256-GCM with nonces of 192 bits, which may be random without a limit.

Each nonce leads to a key of its own, by CMAC (NIST SP 800-108r1) over its first half. So a key is not used up by 2**32
messages, which replicas that know nothing of each other could not count.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BLOCK_BYTES = 16
_HALF_BYTES = 12
_R128 = 0x87
_MOST = (1 << 8 * _BLOCK_BYTES) - 1


def encrypt(key: bytes, nonce: bytes, plaintext: bytes, context: bytes) -> bytes:
    """
    Args:
        key: 32 bytes.
        nonce: 24 random bytes.
    """
    return AESGCM(_derived(key, nonce)).encrypt(nonce[_HALF_BYTES:], plaintext, context)


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, context: bytes) -> bytes:
    """Raises InvalidTag."""
    return AESGCM(_derived(key, nonce)).decrypt(nonce[_HALF_BYTES:], ciphertext, context)


def _derived(key: bytes, nonce: bytes) -> bytes:
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the block cipher under CMAC
    doubled = int.from_bytes(block.update(bytes(_BLOCK_BYTES))) << 1
    mask = (doubled ^ _R128 if doubled > _MOST else doubled) & _MOST
    halves = (bytes((0, number)) + b"X\0" + nonce[:_HALF_BYTES] for number in (1, 2))
    return b"".join(block.update((int.from_bytes(half) ^ mask).to_bytes(_BLOCK_BYTES)) for half in halves)
