"""Recursive Length Prefix (Ethereum Yellow Paper, appendix B), strict: one encoding for one value.

The ``rlp`` package is the oracle of the tests; it imports pydantic, which has no place in an enclave.
"""

from collections.abc import Sequence

from nsl_protocol.errors import CodecError, LimitError

type Item = bytes | tuple[Item, ...]

DEPTH_MAX = 8
SIZE_MAX = 131_072
_SHORT_MAX = 55
_STRING, _LONG_STRING, _LIST, _LONG_LIST = 0x80, 0xB7, 0xC0, 0xF7


def encode(item: bytes | Sequence[Item]) -> bytes:
    """The RLP of bytes or of a nested sequence of bytes."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _STRING:
            return item
        return _prefix(len(item), _STRING, _LONG_STRING) + item
    body = b"".join(encode(part) for part in item)
    return _prefix(len(body), _LIST, _LONG_LIST) + body


def decode(data: bytes) -> Item:
    """The one item that ``data`` encodes.

    Raises:
        CodecError: not canonical, truncated, or bytes follow the item.
        LimitError: longer than ``SIZE_MAX`` bytes or deeper than ``DEPTH_MAX`` lists.
    """
    if len(data) > SIZE_MAX:
        raise LimitError(f"{len(data)} bytes are above the limit of {SIZE_MAX}", field="rlp")
    item, end = _decode(data, 0, 0)
    if end != len(data):
        raise CodecError(f"{len(data) - end} bytes follow the item", field="rlp")
    return item


def encode_uint(value: int) -> bytes:
    """A number as RLP carries it: big-endian without leading zeros, zero as the empty string."""
    return value.to_bytes((value.bit_length() + 7) // 8)


def decode_uint(item: Item, bits: int, field: str) -> int:
    """A number of at most ``bits`` bits. Raises CodecError for a list, a leading zero or a larger number."""
    if not isinstance(item, bytes):
        raise CodecError("must be a number, not a list", field=field)
    if item[:1] == b"\0":
        raise CodecError("a number has a leading zero", field=field)
    if len(item) * 8 > bits:
        raise LimitError(f"a number is larger than {bits} bits", field=field)
    return int.from_bytes(item)


def _prefix(length: int, short: int, long: int) -> bytes:
    if length <= _SHORT_MAX:
        return bytes((short + length,))
    size = encode_uint(length)
    return bytes((long + len(size),)) + size


def _decode(data: bytes, at: int, depth: int) -> tuple[Item, int]:
    if at >= len(data):
        raise CodecError("it ends early", field="rlp")
    first = data[at]
    if first < _STRING:
        return data[at : at + 1], at + 1
    if first < _LIST:
        start, end = _span(data, at, _STRING, _LONG_STRING)
        if end - start == 1 and data[start] < _STRING:
            raise CodecError("a single byte below 0x80 must stand for itself", field="rlp")
        return data[start:end], end
    if depth >= DEPTH_MAX:
        raise LimitError(f"lists are nested deeper than {DEPTH_MAX}", field="rlp")
    start, end = _span(data, at, _LIST, _LONG_LIST)
    items: list[Item] = []
    while start < end:
        item, start = _decode(data[:end], start, depth + 1)
        items.append(item)
    return tuple(items), end


def _span(data: bytes, at: int, short: int, long: int) -> tuple[int, int]:
    """Where the payload of the item at ``at`` begins and ends."""
    first = data[at]
    if first <= long:
        start, length = at + 1, first - short
    else:
        start = at + 1 + first - long
        size = data[at + 1 : start]
        length = int.from_bytes(size)
        if len(size) != first - long or size[0] == 0 or length <= _SHORT_MAX:
            raise CodecError("a length is not in its shortest form", field="rlp")
    if start + length > len(data):
        raise CodecError("it ends early", field="rlp")
    return start, start + length
