"""Shares of the root: any ``threshold`` of them give it back, fewer say nothing of it.

Shamir's scheme over GF(2^128) as PyCryptodome has it, on both halves of the 32-byte root. A commitment to each share is
public, so that a bad share is named and not only noticed.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from Crypto.Protocol.SecretSharing import Shamir

from nsl_protocol.errors import CodecError

ROOT_BYTES = 32
SHARE_BYTES = 33
_HALF = 16
_TAG = b"nsl-share-v1\0"


@dataclass(frozen=True, slots=True)
class Share:
    """``index`` from 1, ``value`` 32 bytes. Secret: ``repr`` shows only the index."""

    index: int
    value: bytes

    def __repr__(self) -> str:
        return f"Share({self.index})"

    def encode(self) -> bytes:
        """33 bytes: index, value."""
        return bytes((self.index,)) + self.value

    @classmethod
    def decode(cls, data: bytes) -> "Share":
        """Raises CodecError: not 33 bytes, or index 0."""
        if len(data) != SHARE_BYTES or data[0] == 0:
            raise CodecError(f"is not {SHARE_BYTES} bytes with an index from 1", field="share")
        return cls(data[0], data[1:])

    def commitment(self, context: bytes) -> bytes:
        """SHA-256 over ``context`` (cluster and epoch), index and value: nobody guesses 256 bits, so it hides them."""
        return hashlib.sha256(_TAG + len(context).to_bytes(4) + context + self.encode()).digest()


def split(root: bytes, threshold: int, count: int) -> tuple[Share, ...]:
    """``count`` shares of a 32-byte root, any ``threshold`` of which give it back. A threshold of 1 copies it."""
    if len(root) != ROOT_BYTES or not 1 <= threshold <= count:
        raise ValueError("a root of 32 bytes, and 1 <= threshold <= count")
    halves = [Shamir.split(threshold, count, part, ssss=False) for part in (root[:_HALF], root[_HALF:])]
    return tuple(Share(index, left + right) for (index, left), (_, right) in zip(*halves, strict=True))


def combine(shares: Sequence[Share]) -> bytes:
    """The root of which these are shares; of too few or mixed ones, some other 32 bytes: check what comes out."""
    if len({share.index for share in shares}) != len(shares):
        raise CodecError("the same share was given twice", field="share")
    halves = ([(share.index, share.value[part]) for share in shares] for part in (slice(_HALF), slice(_HALF, None)))
    return b"".join(Shamir.combine(half, ssss=False) for half in halves)


def bad_shares(shares: Sequence[Share], commitments: Sequence[bytes], context: bytes) -> tuple[int, ...]:
    """The indices of those that are not the shares that were committed to."""
    return tuple(
        share.index
        for share in shares
        if share.index > len(commitments)
        or not hmac.compare_digest(share.commitment(context), commitments[share.index - 1])
    )
