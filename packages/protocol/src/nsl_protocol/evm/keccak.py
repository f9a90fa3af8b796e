"""Keccak-256, the hash of the EVM (not NIST's SHA3-256)."""

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    """The 32-byte Keccak-256 digest."""
    return keccak.new(digest_bits=256, data=data).digest()
