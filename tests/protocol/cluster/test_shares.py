"""Shares of the root: enough give it back, a bad one is named."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_protocol.cluster.shares import Share, bad_shares, combine, split
from nsl_protocol.errors import CodecError

CONTEXT = b"cluster" * 4 + b"\1"


@settings(max_examples=40, deadline=None)
@given(
    st.binary(min_size=32, max_size=32), st.integers(1, 5).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n)))
)
def test_any_threshold_of_them_give_the_root_back(root: bytes, sizes: tuple[int, int]) -> None:
    threshold, count = sizes
    shares = split(root, threshold, count)
    for chosen in itertools.combinations(shares, threshold):
        assert combine(chosen) == root
    if threshold > 1:
        assert all(combine(few) != root for few in itertools.combinations(shares, threshold - 1))


@given(st.integers(0, 4), st.integers(0, 31), st.integers(1, 255))
def test_the_bad_share_is_named(at: int, byte: int, change: int) -> None:
    shares = list(split(bytes(range(32)), 3, 5))
    commitments = [share.commitment(CONTEXT) for share in shares]
    assert bad_shares(shares, commitments, CONTEXT) == ()
    value = bytearray(shares[at].value)
    value[byte] ^= change
    shares[at] = Share(shares[at].index, bytes(value))
    assert bad_shares(shares, commitments, CONTEXT) == (at + 1,)


def test_a_share_of_another_epoch_or_beyond_the_count_is_bad() -> None:
    shares = split(bytes(32), 2, 3)
    commitments = [share.commitment(CONTEXT) for share in shares]
    assert bad_shares(shares, commitments, CONTEXT + b"2") == (1, 2, 3)
    assert bad_shares([Share(9, bytes(32))], commitments, CONTEXT) == (9,)


def test_encoding() -> None:
    share = Share(3, bytes(range(32)))
    assert Share.decode(share.encode()) == share
    assert "0001" not in repr(share)
    for damaged in (b"", share.encode()[:-1], share.encode() + b"\0", bytes(33)):
        with pytest.raises(CodecError):
            Share.decode(damaged)
    with pytest.raises(CodecError, match="twice"):
        combine([share, share])
    for wrong in ((bytes(31), 1, 1), (bytes(32), 0, 1), (bytes(32), 3, 2)):
        with pytest.raises(ValueError, match="a root of 32 bytes"):
            split(*wrong)
