"""Proofs of the audit log: those of Certificate Transparency, and that nothing else passes."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_protocol.audit.merkle import EMPTY_ROOT, Frontier, leaf_hash, perfect_root
from nsl_protocol.audit.proofs import (
    LEVEL_STEP,
    Kept,
    Span,
    consistency_spans,
    inclusion_spans,
    kept_for,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from nsl_protocol.errors import CodecError
from tests.protocol.audit.test_merkle import CT_LEAVES, CT_ROOTS, root_by_definition

# The reference proofs of github.com/google/certificate-transparency (merkletree tests), by 0-based index or size.
CT_INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CT_CONSISTENCY = {
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def proof(leaves: Sequence[bytes], spans: Sequence[Span]) -> list[bytes]:
    def read(kept: Kept) -> list[bytes]:
        assert kept.level % LEVEL_STEP == 0
        size = 1 << kept.level
        below = [leaves[(kept.first + each) * size : (kept.first + each + 1) * size] for each in range(kept.length)]
        return [perfect_root(list(map(leaf_hash, each))) for each in below]

    return [root_of(each, read) for each in spans]


def test_the_proofs_are_those_of_certificate_transparency() -> None:
    for (index, size), expected in CT_INCLUSION.items():
        assert [each.hex() for each in proof(CT_LEAVES, inclusion_spans(index, size))] == expected
    for (former, size), expected in CT_CONSISTENCY.items():
        assert [each.hex() for each in proof(CT_LEAVES, consistency_spans(former, size))] == expected
        roots = bytes.fromhex(CT_ROOTS[former - 1]), bytes.fromhex(CT_ROOTS[size - 1])
        verify_consistency(former, size, list(map(bytes.fromhex, expected)), *roots)


sizes = st.integers(1, 600)


@settings(max_examples=150)
@given(sizes, st.data())
def test_every_proof_passes_and_with_anything_changed_it_does_not(size: int, data: st.DataObject) -> None:
    leaves = [each.to_bytes(2) for each in range(size)]
    root = root_by_definition(leaves)
    index = data.draw(st.integers(0, size - 1))
    hashes = proof(leaves, inclusion_spans(index, size))
    leaf = leaf_hash(leaves[index])
    verify_inclusion(leaf, index, size, hashes, root)
    former = data.draw(st.integers(0, size))
    between = proof(leaves, consistency_spans(former, size))
    former_root = root_by_definition(leaves[:former])
    verify_consistency(former, size, between, former_root, root)

    other = bytes(32)
    changed = list(hashes)
    if changed:
        changed[data.draw(st.integers(0, len(changed) - 1))] = other
        refused(verify_inclusion, leaf, index, size, changed, root)
        refused(verify_inclusion, leaf, index, size, hashes[1:], root)
    refused(verify_inclusion, leaf, index, size, [*hashes, other], root)
    refused(verify_inclusion, other, index, size, hashes, root)
    refused(verify_inclusion, leaf, index, size, hashes, other)
    refused(verify_inclusion, leaf, index, 0, hashes, root)
    wrong = data.draw(st.integers(0, size - 1).filter(lambda each: each != index) if size > 1 else st.just(size))
    refused(verify_inclusion, leaf, wrong, size, hashes, root)
    refused(verify_consistency, former, size, [*between, other], former_root, root)
    refused(verify_consistency, former, size, between, other, root)
    if former:
        refused(verify_consistency, former, size, between, former_root, other)
    if between:
        refused(verify_consistency, former, size, between[:-1], former_root, root)
    refused(verify_consistency, size + 1, size, between, former_root, root)


def refused(check: object, *arguments: object) -> None:
    assert callable(check)
    with pytest.raises(CodecError):
        check(*arguments)


def test_the_spans_read_little_of_a_large_log() -> None:
    size = (1 << 40) + 12345
    for index in (0, size // 3, size - 1):
        kept = [each for span in inclusion_spans(index, size) for each in kept_for(span)]
        assert len(kept) < 90
        assert max(each.length for each in kept) <= 1 << (LEVEL_STEP - 1)


def test_a_proof_from_nothing_is_empty() -> None:
    verify_consistency(0, 5, [], EMPTY_ROOT, bytes(32))
    verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    refused(verify_consistency, 0, 0, [], EMPTY_ROOT, bytes(32))
    refused(verify_consistency, 0, 0, [], bytes(32), bytes(32))
    refused(verify_consistency, 0, 5, [], bytes(32), bytes(32))
    whole = Frontier().appended([leaf_hash(b"")])
    verify_consistency(1, 1, [], whole.root, whole.root)
