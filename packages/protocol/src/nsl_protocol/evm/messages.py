"""Signed messages: EIP-191, version 0x45 (``personal_sign``)."""

from nsl_protocol.evm.keccak import keccak256


def message_bytes(message: bytes) -> bytes:
    """What is hashed for a message. Its first byte, 0x19, begins no transaction and no RLP list."""
    return b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message


def message_hash(message: bytes) -> bytes:
    """The digest that ``personal_sign`` signs."""
    return keccak256(message_bytes(message))
