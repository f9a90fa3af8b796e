"""EVM addresses with the mixed-case checksum of EIP-55."""

import re
from dataclasses import dataclass
from typing import Self

from nsl_protocol.errors import ChecksumError, CodecError
from nsl_protocol.evm.keccak import keccak256

ADDRESS_BYTES = 20
_TEXT = re.compile(r"0x[0-9a-fA-F]{40}")
_UNCOMPRESSED_BYTES = 65


@dataclass(frozen=True, slots=True)
class EvmAddress:
    """A 20-byte account or contract address. ``str()`` gives the EIP-55 form."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != ADDRESS_BYTES:
            raise CodecError(f"{len(self.raw)} bytes, an address has {ADDRESS_BYTES}", field="address")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``0x`` and 40 hex digits; digits of mixed case must be the EIP-55 checksum.

        Raises:
            CodecError: not of that form.
            ChecksumError: mixed case, and not the checksum: most likely a typing error.
        """
        if not _TEXT.fullmatch(text):
            raise CodecError("a Neo X address is 0x and 40 hex digits", field="address")
        address = cls(bytes.fromhex(text[2:]))
        digits = text[2:]
        if digits not in (digits.lower(), digits.upper()) and text != str(address):
            raise ChecksumError("the EIP-55 checksum does not match: a letter was mistyped", field="address")
        return address

    @classmethod
    def from_public_key(cls, uncompressed: bytes) -> Self:
        """The address of a secp256k1 key, given as 65 uncompressed SEC1 bytes."""
        if len(uncompressed) != _UNCOMPRESSED_BYTES or uncompressed[0] != 4:  # noqa: PLR2004 - SEC1's tag
            raise CodecError("an uncompressed public key is 0x04 and 64 bytes", field="public key")
        return cls(keccak256(uncompressed[1:])[-ADDRESS_BYTES:])

    def __str__(self) -> str:
        digits = self.raw.hex()
        nibbles = keccak256(digits.encode()).hex()
        upper = "89abcdef"
        return "0x" + "".join(
            digit.upper() if nibble in upper else digit for digit, nibble in zip(digits, nibbles, strict=False)
        )
