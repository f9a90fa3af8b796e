"""Inclusion and consistency proofs (RFC 9162 sections 2.1.3 and 2.1.4): which hashes they are made of, and their check.

Whoever keeps a log keeps the hashes of its leaves, and the roots of perfect subtrees of 256 leaves, of 256 of those,
and so on. A proof is a row of spans of leaves; the root of each is made out of few of what is kept.
"""

import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from nsl_protocol.audit.merkle import EMPTY_ROOT, node_hash, perfect_root
from nsl_protocol.errors import CodecError

LEVEL_STEP: Final = 8
PROOF_HASHES_MAX: Final = 64


class Span(NamedTuple):
    """Leaves from ``first`` up to, and without, ``end``."""

    first: int
    end: int


class Kept(NamedTuple):
    """Hashes in a row: of leaves (level 0), or of perfect subtrees of 2^level leaves, the level a multiple of 8."""

    level: int
    first: int
    length: int


def inclusion_spans(index: int, size: int) -> tuple[Span, ...]:
    """Of the proof that a leaf is in a tree of that size. Raises CodecError: it is not below the size."""
    if not 0 <= index < size:
        raise CodecError(f"{index} is not below the size {size}", field="index")
    spans, first, end = [], 0, size
    while end - first > 1:
        middle = first + _left(end - first)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(first, middle))
            first = middle
    return tuple(reversed(spans))


def consistency_spans(former: int, size: int) -> tuple[Span, ...]:
    """Of the proof that a tree of ``former`` leaves is the beginning of one of ``size``. Raises CodecError."""
    if not 0 <= former <= size:
        raise CodecError(f"{former} is above the size {size}", field="from")
    if former in (0, size):
        return ()
    spans, first, end, whole = [], 0, size, True
    while former != end:
        middle = first + _left(end - first)
        if former <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(first, middle))
            first, whole = middle, False
    if not whole:
        spans.append(Span(first, end))
    return tuple(reversed(spans))


def kept_for(span: Span) -> tuple[Kept, ...]:
    """What the root of a span is made of, from left to right: one for each of its perfect subtrees."""
    found, first = [], span.first
    while first < span.end:
        level = (span.end - first).bit_length() - 1
        within = level % LEVEL_STEP
        found.append(Kept(level - within, first >> (level - within), 1 << within))
        first += 1 << level
    return tuple(found)


def root_of(span: Span, read: Callable[[Kept], Sequence[bytes]]) -> bytes:
    """The root of a span, whose kept hashes ``read`` gives."""
    roots = [perfect_root(read(each)) for each in kept_for(span)]
    root = roots.pop()
    while roots:
        root = node_hash(roots.pop(), root)
    return root


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf, by its hash, is in the tree (RFC 9162 section 2.1.3.2). Raises CodecError."""
    if not 0 <= index < size:
        raise CodecError(f"{index} is not below the size {size}", field="index")
    place, last, found = index, size - 1, leaf
    for each in _bounded(proof):
        if last == 0:
            raise CodecError("is longer than one of this tree is", field="proof")
        if place & 1 or place == last:
            found = node_hash(each, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, each)
        place, last = place >> 1, last >> 1
    if last != 0 or not hmac.compare_digest(found, root):
        raise CodecError("does not lead from the leaf to the root", field="proof")


def verify_consistency(former: int, size: int, proof: Sequence[bytes], former_root: bytes, root: bytes) -> None:
    """Check that one tree is the beginning of the other (RFC 9162 section 2.1.4.2). Raises CodecError."""
    if not 0 <= former <= size:
        raise CodecError(f"{former} is above the size {size}", field="from")
    hashes = list(_bounded(proof))
    if former in (0, size):
        same = former_root == (root if former == size else EMPTY_ROOT) and (size > 0 or root == EMPTY_ROOT)
        if hashes or not same:
            raise CodecError("of trees of these sizes is empty, and the roots are the same", field="proof")
        return
    if former & (former - 1) == 0:
        hashes.insert(0, former_root)
    if not hashes:
        raise CodecError("is empty", field="proof")
    place, last = former - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            raise CodecError("is longer than one of these trees is", field="proof")
        if place & 1 or place == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, each)
        place, last = place >> 1, last >> 1
    if last != 0 or not hmac.compare_digest(first, former_root) or not hmac.compare_digest(second, root):
        raise CodecError("does not lead to both roots", field="proof")


def _left(count: int) -> int:
    """How many leaves are on the left: the largest power of two below that."""
    return 1 << ((count - 1).bit_length() - 1)


def _bounded(proof: Sequence[bytes]) -> Iterable[bytes]:
    if len(proof) > PROOF_HASHES_MAX or any(len(each) != len(EMPTY_ROOT) for each in proof):
        raise CodecError("is no list of hashes", field="proof")
    return proof
