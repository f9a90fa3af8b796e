"""Our strict RLP against the ``rlp`` package, and every encoding that is not the shortest."""

import pytest
import rlp as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.evm import rlp

ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=4), max_leaves=12)


def _tuples(item: object) -> object:
    return tuple(map(_tuples, item)) if isinstance(item, list) else item


@settings(max_examples=500, deadline=None)
@given(ITEMS)
def test_encodings_are_the_oracles(item: object) -> None:
    encoded = rlp.encode(_tuples(item))  # type: ignore[arg-type]
    assert encoded == oracle.encode(item)
    if encoded.count(b"\xc0") < 4:
        try:
            assert rlp.decode(encoded) == _tuples(item)
        except LimitError:
            assert repr(item).count("[") > rlp.DEPTH_MAX


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_what_we_read_the_oracle_reads_alike(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except CodecError:
        return
    assert rlp.encode(item) == data
    assert _tuples(oracle.decode(data)) == item


@pytest.mark.parametrize(
    "encoded",
    ["", "8100", "817f", "b800", "b8370" + "0" * 109, "b90001ff", "c1", "f80180", "bf" + "f" * 16, "8080", "c0c0"],
)
def test_other_encodings_are_refused(encoded: str) -> None:
    with pytest.raises(CodecError):
        rlp.decode(bytes.fromhex(encoded))


def test_depth_and_size_are_bounded() -> None:
    deep: object = b""
    for _ in range(rlp.DEPTH_MAX + 1):
        deep = (deep,)
    with pytest.raises(LimitError):
        rlp.decode(rlp.encode(deep))  # type: ignore[arg-type]
    with pytest.raises(LimitError):
        rlp.decode(rlp.encode(bytes(rlp.SIZE_MAX)))
