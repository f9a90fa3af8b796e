"""Script hashes and addresses of Neo N3.

An account is the RIPEMD-160 of the SHA-256 of its verification script: 20 bytes, little-endian on the wire and in
scripts, written big-endian with 0x as text, or in Base58Check with version 53 as an address ("N...").
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

import base58

from nsl_protocol.errors import ChecksumError, CodecError, WrongVersionError
from nsl_protocol.n3.wire import exactly

ADDRESS_VERSION = 53
NEO_LEGACY_VERSION = 23
SCRIPT_HASH_BYTES = 20
CHECKSUM_BYTES = 4
# An address has 34 characters and a NEP-2 key 58: longer text is refused before it costs any work.
BASE58_CHARACTERS_MAX = 128
_HEX_20 = re.compile("0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True, order=True)
class ScriptHash:
    """An account or contract. ``raw`` is the 20 little-endian bytes of the wire."""

    raw: bytes

    def __post_init__(self) -> None:
        exactly(self.raw, SCRIPT_HASH_BYTES, "script hash")

    def __str__(self) -> str:
        return "0x" + self.raw[::-1].hex()

    @property
    def address(self) -> str:
        """The Base58Check text with version 53."""
        return base58check_encode(bytes((ADDRESS_VERSION,)) + self.raw)

    @classmethod
    def of(cls, script: bytes) -> Self:
        """The hash of a verification script."""
        return cls(hashlib.new("ripemd160", hashlib.sha256(script).digest()).digest())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "0x" and 40 hexadecimal digits, big-endian.

        Raises:
            CodecError: it is anything else.
        """
        if not _HEX_20.fullmatch(text):
            raise CodecError("a script hash is 0x and 40 hexadecimal digits")
        return cls(bytes.fromhex(text[2:])[::-1])

    @classmethod
    def from_address(cls, text: str) -> Self:
        """Read a Neo N3 address.

        Raises:
            ChecksumError: a character is wrong.
            WrongVersionError: an address of another network, or of Neo X.
            CodecError: no address at all.
        """
        if _HEX_20.fullmatch(text):
            raise WrongVersionError(
                "0x and 40 digits is a script hash or a Neo X address; a Neo N3 address begins with N"
            )
        payload = base58check_decode(text, kind="a Neo N3 address")
        if len(payload) != 1 + SCRIPT_HASH_BYTES:
            raise CodecError(f"a Neo N3 address holds 21 bytes, not {len(payload)}")
        if payload[0] == NEO_LEGACY_VERSION:
            raise WrongVersionError("this is an address of Neo Legacy (version 23); Neo N3 addresses begin with N")
        if payload[0] != ADDRESS_VERSION:
            raise WrongVersionError(f"address version {payload[0]} is of another chain; Neo N3 has version 53")
        return cls(payload[1:])


ZERO = ScriptHash(bytes(SCRIPT_HASH_BYTES))


def base58check_encode(payload: bytes) -> str:
    """Base58 of the payload and the first four bytes of its double SHA-256."""
    return base58.b58encode(payload + _checksum(payload)).decode("ascii")


def base58check_decode(text: str, *, kind: str) -> bytes:
    """The payload without its checksum; ``kind`` names what was expected, for the error.

    Raises:
        ChecksumError: the checksum does not match.
        CodecError: not Base58, too short or too long.
    """
    if len(text) > BASE58_CHARACTERS_MAX or not text.isascii() or not text.isalnum():
        raise CodecError(f"{kind} is Base58 text of letters and digits")
    try:
        raw = base58.b58decode(text)
    except ValueError:
        raise CodecError(f"{kind} is Base58 text: no 0, O, I or l") from None
    payload, checksum = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
    if not payload:
        raise CodecError(f"{kind} is longer than this")
    if _checksum(payload) != checksum:
        raise ChecksumError(f"the checksum of {kind} does not match: a character is wrong or missing")
    return payload


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:CHECKSUM_BYTES]
