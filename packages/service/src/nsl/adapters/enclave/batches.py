"""Orders, cut into calls that fit a frame."""

from collections.abc import Sequence

from nsl_protocol.enclave.messages import SIGN_ORDERS_MAX, SignOrder
from nsl_protocol.enclave.signable import plain
from nsl_protocol.enclave.symmetric import UseOrder
from nsl_protocol.enclave.wire import HEADER_BYTES

# A batch stays well below a frame: 256 orders of large payloads go in several calls.
BATCH_BYTES_MAX = 700_000
_LARGE = ("unsigned", "data", "document", "digest", "plaintext", "ciphertext")


def parts_of[O: SignOrder | UseOrder](orders: Sequence[O]) -> list[list[O]]:
    """Cut into calls of at most 256 orders and of a bounded size."""
    parts: list[list[O]] = []
    size = 0
    for order in orders:
        weight = HEADER_BYTES + 128 + len(order.wrapped) + _size(order)
        if not parts or len(parts[-1]) == SIGN_ORDERS_MAX or size + weight > BATCH_BYTES_MAX:
            parts.append([])
            size = 0
        parts[-1].append(order)
        size += weight
    return parts


def _size(order: SignOrder | UseOrder) -> int:
    """Of what goes in and, for a secret key, of as much that comes out; and of its context."""
    what = plain(order.what) if isinstance(order, SignOrder) else order.what
    payloads = (getattr(what, name, None) for name in _LARGE)
    size = sum(len(each) for each in payloads if isinstance(each, bytes))
    return size if isinstance(order, SignOrder) else size + len(getattr(order.what, "context", b""))
