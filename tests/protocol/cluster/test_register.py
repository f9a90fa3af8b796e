"""The tree of the register against a slow model that is built from all leaves at once."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_protocol.cluster.register import DEPTH_MAX, EMPTY, Leaf, Node, Path, edition_at, entered, path_to, positions
from nsl_protocol.errors import CodecError

# Few bits differ, so that paths fork deep down as well.
INDEXES = st.tuples(st.sampled_from([0, 1, 2, 3, 128, 255]), st.sampled_from([0, 1, 128])).map(
    lambda pair: bytes([pair[0], 0, 0, pair[1]]) + bytes(28)
)
EDITIONS = st.binary(min_size=16, max_size=16)
CHANGES = st.lists(st.tuples(INDEXES, EDITIONS), max_size=20)


def model(leaves: Mapping[bytes, bytes], depth: int = 0) -> bytes:
    """The root, by RFC 9162's prefixes: a subtree of one leaf is that leaf."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        ((index, edition),) = leaves.items()
        return hashlib.sha256(b"\x00" + index + edition).digest()
    bits = {index: f"{int.from_bytes(index):0256b}"[depth] for index in leaves}
    left, right = ({index: leaves[index] for index in leaves if bits[index] == side} for side in "01")
    return hashlib.sha256(b"\x01" + model(left, depth + 1) + model(right, depth + 1)).digest()


class Stored:
    """The host's nodes; only those that a path can need are handed out."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, Node] = {}
        self.root = EMPTY

    def path(self, index: bytes) -> Path:
        wanted = positions(index)
        return path_to(index, {each: self.nodes[each] for each in wanted if each in self.nodes})

    def enter(self, index: bytes, edition: bytes) -> None:
        nodes = entered(Leaf(index, edition), self.path(index))
        self.nodes |= {node.position: node for node in nodes}
        self.root = nodes[-1].hash


def stored(changes: list[tuple[bytes, bytes]]) -> tuple[Stored, dict[bytes, bytes]]:
    found, leaves = Stored(), {}
    for index, edition in changes:
        found.enter(index, edition)
        leaves[index] = edition
    return found, leaves


@given(CHANGES)
def test_each_change_leads_to_the_root_of_all_leaves(changes: list[tuple[bytes, bytes]]) -> None:
    found, leaves = Stored(), dict[bytes, bytes]()
    for index, edition in changes:
        found.enter(index, edition)
        leaves[index] = edition
        assert found.root == model(leaves)


@given(CHANGES, INDEXES)
def test_a_path_tells_the_present_edition_or_that_there_is_none(
    changes: list[tuple[bytes, bytes]], index: bytes
) -> None:
    found, leaves = stored(changes)
    assert edition_at(found.root, index, found.path(index)) == leaves.get(index)


@given(CHANGES.filter(bool), INDEXES, EDITIONS)
def test_no_path_tells_of_another_edition_or_hides_one(
    changes: list[tuple[bytes, bytes]], index: bytes, edition: bytes
) -> None:
    found, leaves = stored(changes)
    path = found.path(index)
    lies = [
        Path(path.siblings, Leaf(index, edition)),
        Path(path.siblings, None),
        Path(path.siblings[:-1], path.leaf),
        Path((*path.siblings, EMPTY), path.leaf),
        Path((), None),
        Path((), Leaf(index, edition)),
        Path(tuple(reversed(path.siblings)), path.leaf),
    ]
    for lie in lies:
        if lie != path:
            try:
                told = edition_at(found.root, index, lie)
            except CodecError:
                continue
            assert told == leaves.get(index)


@given(CHANGES.filter(lambda changes: len({index for index, _ in changes}) > 1))
def test_the_path_to_another_index_is_no_path_to_this_one(changes: list[tuple[bytes, bytes]]) -> None:
    found, leaves = stored(changes)
    first, second, *_ = leaves
    with suppress(CodecError):
        assert edition_at(found.root, first, found.path(second)) == leaves[first]


def test_indexes_that_no_two_hashes_have_are_refused() -> None:
    found = Stored()
    found.enter(bytes(32), b"e" * 16)
    with pytest.raises(CodecError, match="too much like another"):
        found.enter(bytes(31) + b"\x01", b"e" * 16)
    with pytest.raises(CodecError, match="deeper"):
        path_to(bytes(32), {each: Node(each, b"h" * 32, None) for each in positions(bytes(32))})


def test_a_path_has_as_many_steps_as_its_tree_is_deep() -> None:
    found = Stored()
    for number in range(2000):
        found.enter(hashlib.sha256(number.to_bytes(4)).digest(), b"e" * 16)
    longest = max(len(found.path(hashlib.sha256(number.to_bytes(4)).digest()).siblings) for number in range(2000))
    assert longest < 30 < DEPTH_MAX
