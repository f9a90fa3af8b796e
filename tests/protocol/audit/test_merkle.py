"""The tree of the audit log against RFC 9162 section 2.1, and the vectors of Certificate Transparency."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_protocol.audit.merkle import EMPTY_ROOT, Frontier, leaf_hash, perfect_root
from nsl_protocol.errors import CodecError

# The reference inputs and roots of github.com/google/certificate-transparency (merkletree tests).
CT_LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def root_by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = root_by_definition(leaves[:split]), root_by_definition(leaves[split:])
    return hashlib.sha256(b"\1" + left + right).digest()


def test_roots_are_those_of_certificate_transparency() -> None:
    frontier = Frontier()
    assert frontier.root == EMPTY_ROOT
    for leaf, root in zip(CT_LEAVES, CT_ROOTS, strict=True):
        frontier = frontier.appended([leaf_hash(leaf)])
        assert frontier.root.hex() == root


@given(st.lists(st.binary(max_size=8), max_size=70), st.integers(0, 70))
def test_a_frontier_has_the_root_by_definition_however_it_grew(leaves: list[bytes], cut: int) -> None:
    first = Frontier().appended(map(leaf_hash, leaves[:cut]))
    whole = first.appended(map(leaf_hash, leaves[cut:]))
    assert whole.size == len(leaves)
    assert whole.root == root_by_definition(leaves)
    assert whole == Frontier().appended(map(leaf_hash, leaves))


@given(st.integers(0, 6).flatmap(lambda bits: st.lists(st.binary(max_size=4), min_size=1 << bits, max_size=1 << bits)))
def test_a_perfect_subtree_has_the_root_by_definition(leaves: list[bytes]) -> None:
    assert perfect_root(list(map(leaf_hash, leaves))) == root_by_definition(leaves)


def test_what_is_no_frontier_is_refused() -> None:
    with pytest.raises(CodecError):
        Frontier(3, (b"x" * 32,))
    with pytest.raises(ValueError, match="perfect"):
        perfect_root([b"x" * 32] * 3)
