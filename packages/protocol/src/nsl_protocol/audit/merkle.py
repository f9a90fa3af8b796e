"""The audit log's tree (RFC 9162 section 2.1, as in RFC 6962): hashes, and the frontier that it grows by."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Self

from msgspec import Meta, Struct

from nsl_protocol.errors import CodecError

HASH_BYTES = 32
#: the root of a tree without leaves
EMPTY_ROOT = hashlib.sha256(b"").digest()

type Hash = Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]


def leaf_hash(content: bytes) -> bytes:
    """Of a leaf, 32 bytes."""
    return hashlib.sha256(b"\0" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of an inner node, 32 bytes."""
    return hashlib.sha256(b"\1" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Of a subtree over these, a power of two of them."""
    level = list(hashes)
    if len(level).bit_count() != 1:
        raise ValueError(f"{len(level)} hashes make no perfect subtree")
    while len(level) > 1:
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]


class Frontier(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All that has to be known of a tree to append to it: the roots of its perfect subtrees, the largest first.

    There is one for each bit that is set in ``size``.
    """

    size: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    hashes: Annotated[tuple[Hash, ...], Meta(max_length=53)] = ()

    def __post_init__(self) -> None:
        if len(self.hashes) != self.size.bit_count():
            raise CodecError(f"{len(self.hashes)} subtrees do not make a tree of {self.size} leaves", field="frontier")

    @property
    def root(self) -> bytes:
        """Of the whole tree."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def appended(self, leaves: Iterable[bytes]) -> Self:
        """The frontier with these leaves' hashes behind its own."""
        hashes, size = list(self.hashes), self.size
        for each in leaves:
            hash_, full = each, size
            while full & 1:
                hash_ = node_hash(hashes.pop(), hash_)
                full >>= 1
            hashes.append(hash_)
            size += 1
        return type(self)(size, tuple(hashes))
