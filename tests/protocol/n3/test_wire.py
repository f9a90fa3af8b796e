"""Variable-length integers: the shortest form or an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neo3.core import serialization

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3.wire import Reader, exactly, uint, var_bytes, var_int

EDGES = (0, 1, 0xFC, 0xFD, 0xFE, 0xFF, 0x100, 0xFFFF, 0x1_0000, 0xFFFF_FFFF, 0x1_0000_0000, 2**64 - 1)


@given(st.sampled_from(EDGES) | st.integers(0, 2**64 - 1))
def test_integers_are_as_mamba_writes_them_and_read_back(value: int) -> None:
    written = var_int(value)
    with serialization.BinaryWriter() as writer:
        writer.write_var_int(value)
        assert writer.to_array() == written
    reader = Reader(written)
    assert reader.var_int(2**64 - 1, "value") == value
    assert reader.at == len(written)
    reader.end()


@pytest.mark.parametrize(
    "data", ["fd0000", "fdfc00", "fe00000000", "feffff0000", "ff0000000000000000", "ffffffffff00000000"]
)
def test_longer_forms_are_refused(data: str) -> None:
    with pytest.raises(CodecError, match="shortest"):
        Reader(bytes.fromhex(data)).var_int(2**64 - 1, "value")


@pytest.mark.parametrize("data", ["", "fd", "fdff", "fe000000", "ff00000000000000"])
def test_a_missing_end_is_refused(data: str) -> None:
    with pytest.raises(CodecError, match="value: ends too early"):
        Reader(bytes.fromhex(data)).var_int(2**64 - 1, "value")


def test_limits_come_before_the_content() -> None:
    with pytest.raises(LimitError, match="above the limit of 10"):
        Reader(var_int(2**63)).var_bytes(10, "value")
    assert Reader(var_bytes(b"0123456789")).var_bytes(10, "value") == b"0123456789"


def test_numbers_that_do_not_fit_are_refused() -> None:
    for value in (-1, 2**64):
        with pytest.raises(LimitError):
            var_int(value)
    for value in (-1, 256):
        with pytest.raises(LimitError, match="number"):
            uint(value, 1, "number")
    with pytest.raises(CodecError, match="must be 3 bytes, not 2"):
        exactly(b"12", 3, "part")


def test_trailing_bytes_are_refused() -> None:
    reader = Reader(b"\x01\x02")
    assert reader.uint(1, "first") == 1
    assert reader.left == 1
    with pytest.raises(CodecError, match="1 bytes follow"):
        reader.end()


def test_an_error_names_its_field() -> None:
    error = CodecError("is wrong", field="part")
    assert (error.reason, error.field, str(error)) == ("is wrong", "part", "part: is wrong")
    assert str(CodecError("is wrong")) == "is wrong"
