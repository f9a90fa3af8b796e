"""Report data: every part counts, none can be moved into another."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from nsl_protocol.attestation.binding import Purpose, report_data

parts = st.binary(max_size=40)


@given(st.sampled_from(Purpose), parts, parts, st.lists(parts, max_size=3))
def test_its_shape(purpose: Purpose, cluster: bytes, nonce: bytes, keys: list[bytes]) -> None:
    found = report_data(purpose, cluster, nonce, *keys)
    assert len(found) == 64
    assert found[32:] == bytes(32)


@given(st.lists(st.tuples(st.sampled_from(Purpose), st.lists(parts, min_size=2, max_size=5)), min_size=2, max_size=6))
def test_different_parts_give_different_data(asked: list[tuple[Purpose, list[bytes]]]) -> None:
    for (one, first), (other, second) in itertools.combinations(asked, 2):
        same = (one, first) == (other, second)
        assert (report_data(one, *first) == report_data(other, *second)) is same
