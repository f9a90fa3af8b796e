"""The register: which wrapped keys are the present ones, as a tree whose root the key cluster agrees on.

It maps an index (SHA-256 of a key's name) to an edition (16 bytes, sealed inside the wrapped key). The tree is binary
and goes by the bits of the index; a subtree of one leaf is that leaf, an empty one is ``EMPTY``. So a path is about as
long as log2 of how many keys there are, whatever an index is, and the host keeps the nodes while an enclave keeps 32
bytes. Leaves and inner nodes are hashed with different prefixes (RFC 9162 section 2.1.1).
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from nsl_protocol.errors import CodecError

EMPTY = bytes(32)
DEPTH_MAX = 64

type Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
type Edition = Annotated[bytes, Meta(min_length=16, max_length=16)]


class Leaf(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One key's place and its present edition."""

    index: Bytes32
    edition: Edition

    @property
    def hash(self) -> bytes:
        """32 bytes."""
        return hashlib.sha256(b"\0" + self.index + self.edition).digest()


class Path(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The way to an index: the hashes beside it from the root down, and the leaf that stands at its end, if any.

    That leaf may be another's: then there is none of this index.
    """

    siblings: Annotated[tuple[Bytes32, ...], Meta(max_length=DEPTH_MAX)]
    leaf: Leaf | None


class Node(Struct, frozen=True):
    """A node as the host keeps it. ``position`` is its depth (1 byte) and as many bits of its indexes."""

    position: bytes
    hash: bytes
    leaf: Leaf | None


def edition_at(root: bytes, index: bytes, path: Path) -> bytes | None:
    """The present edition under that index; None: it has none.

    Raises:
        CodecError: the path does not lead from that root to that index.
    """
    depth, leaf = len(path.siblings), path.leaf
    if leaf is not None and any(_bit(leaf.index, each) != _bit(index, each) for each in range(depth)):
        raise CodecError("leads to another index", field="path")
    value = EMPTY if leaf is None else leaf.hash
    for each in reversed(range(depth)):
        value = _inner(index, each, value, path.siblings[each])
    if value != root:
        raise CodecError("does not lead to the root", field="path")
    return leaf.edition if leaf is not None and leaf.index == index else None


def entered(leaf: Leaf, path: Path) -> tuple[Node, ...]:
    """The nodes that are other ones once the leaf is in, deepest first; the last is the root.

    Args:
        path: to the leaf's index; ``edition_at`` has found it to be right.

    Raises:
        CodecError: there is an index too much like this one, which no two hashes are.
    """
    depth, index, other = len(path.siblings), leaf.index, path.leaf
    nodes = []
    if other is None or other.index == index:
        nodes.append(Node(position(index, depth), leaf.hash, leaf))
    else:
        fork = next((each for each in range(depth, DEPTH_MAX) if _bit(other.index, each) != _bit(index, each)), None)
        if fork is None:
            raise CodecError("is too much like another", field="index")
        nodes += [Node(position(each.index, fork + 1), each.hash, each) for each in (other, leaf)]
        value = _inner(index, fork, leaf.hash, other.hash)
        nodes.append(Node(position(index, fork), value, None))
        for each in reversed(range(depth, fork)):
            value = _inner(index, each, value, EMPTY)
            nodes.append(Node(position(index, each), value, None))
    value = nodes[-1].hash
    for each in reversed(range(depth)):
        value = _inner(index, each, value, path.siblings[each])
        nodes.append(Node(position(index, each), value, None))
    return tuple(nodes)


def position(index: bytes, depth: int) -> bytes:
    """Where the node stands that all indexes with these first ``depth`` bits go through."""
    count = (depth + 7) // 8
    bits = int.from_bytes(index[:count]) >> (8 * count - depth) << (8 * count - depth)
    return bytes((depth,)) + bits.to_bytes(count)


def positions(index: bytes) -> list[bytes]:
    """Where nodes of the path to an index can stand: its own and those beside it."""
    own = [position(index, depth) for depth in range(DEPTH_MAX + 1)]
    return own + [_beside(index, depth) for depth in range(1, DEPTH_MAX + 1)]


def path_to(index: bytes, stored: Mapping[bytes, Node]) -> Path:
    """The path to an index through the host's nodes, by position."""
    siblings: list[bytes] = []
    for depth in range(DEPTH_MAX + 1):
        node = stored.get(position(index, depth))
        if node is None or node.leaf is not None:
            return Path(tuple(siblings), None if node is None else node.leaf)
        beside = stored.get(_beside(index, depth + 1))
        siblings.append(EMPTY if beside is None else beside.hash)
    raise CodecError("goes deeper than a tree of hashes does", field="path")


def _beside(index: bytes, depth: int) -> bytes:
    flipped = int.from_bytes(index) ^ (1 << (8 * len(index) - depth))
    return position(flipped.to_bytes(len(index)), depth)


def _bit(index: bytes, place: int) -> int:
    return index[place // 8] >> (7 - place % 8) & 1


def _inner(index: bytes, depth: int, own: bytes, beside: bytes) -> bytes:
    left, right = (beside, own) if _bit(index, depth) else (own, beside)
    return hashlib.sha256(b"\1" + left + right).digest()
