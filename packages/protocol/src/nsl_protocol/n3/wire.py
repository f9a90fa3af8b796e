"""The little-endian wire format of Neo N3 payloads: bounded, strict reading and its inverse.

Variable-length integers are canonical: the shortest form or an error, although nodes read longer ones, so that what
was parsed encodes to the same bytes and has the same hash.
"""

from nsl_protocol.errors import CodecError, LimitError

_MARKED_FROM = 0xFD
# marker: bytes that follow, least value that needs them
_MARKERS = {0xFD: (2, _MARKED_FROM), 0xFE: (4, 1 << 16), 0xFF: (8, 1 << 32)}


def var_int(value: int) -> bytes:
    """1, 3, 5 or 9 bytes: the value itself below 0xFD, else a marker and 2, 4 or 8 bytes."""
    if 0 <= value < _MARKED_FROM:
        return bytes((value,))
    for marker, (size, least) in _MARKERS.items():
        if least <= value < 1 << 8 * size:
            return bytes((marker,)) + value.to_bytes(size, "little")
    raise LimitError(f"{value} is not an unsigned integer of 64 bits")


def var_bytes(value: bytes) -> bytes:
    """The length as a variable-length integer, then the bytes."""
    return var_int(len(value)) + value


def uint(value: int, size: int, field: str) -> bytes:
    """An unsigned integer of ``size`` bytes.

    Raises:
        LimitError: it does not fit.
    """
    if not 0 <= value < 1 << 8 * size:
        raise LimitError(f"{value} is not an unsigned integer of {size} bytes", field=field)
    return value.to_bytes(size, "little")


def exactly(value: bytes, size: int, field: str) -> bytes:
    """The value, which must have that many bytes."""
    if len(value) != size:
        raise CodecError(f"must be {size} bytes, not {len(value)}", field=field)
    return value


class Reader:
    """Reads one payload from front to back. Every method names the field it reads, for the error."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at(self) -> int:
        """How many bytes were read."""
        return self._at

    @property
    def left(self) -> int:
        """How many bytes remain."""
        return len(self._data) - self._at

    def take(self, size: int, field: str) -> bytes:
        """The next ``size`` bytes.

        Raises:
            CodecError: fewer are left.
        """
        end = self._at + size
        if end > len(self._data):
            raise CodecError(f"ends too early: {size} bytes needed, {self.left} left", field=field)
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def uint(self, size: int, field: str) -> int:
        """An unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size, field), "little")

    def var_int(self, most: int, field: str) -> int:
        """A canonical variable-length integer, at most ``most``.

        Raises:
            CodecError: not the shortest form.
            LimitError: above ``most``.
        """
        value = self.uint(1, field)
        if value >= _MARKED_FROM:
            size, least = _MARKERS[value]
            value = self.uint(size, field)
            if value < least:
                raise CodecError("a variable-length integer is not in its shortest form", field=field)
        if value > most:
            raise LimitError(f"{value} is above the limit of {most}", field=field)
        return value

    def var_bytes(self, most: int, field: str) -> bytes:
        """Bytes with their length in front, at most ``most``."""
        return self.take(self.var_int(most, field), field)

    def end(self) -> None:
        """Nothing may be left.

        Raises:
            CodecError: there are trailing bytes.
        """
        if self.left:
            raise CodecError(f"{self.left} bytes follow the end")
