"""Orders to sign, cut into calls that fit a frame."""

from collections.abc import Sequence

from nsl_protocol.enclave.messages import SIGN_ORDERS_MAX, SignOrder
from nsl_protocol.enclave.wire import HEADER_BYTES

# A batch stays well below a frame: 256 orders of large payloads go in several calls.
BATCH_BYTES_MAX = 700_000


def parts_of(orders: Sequence[SignOrder]) -> list[list[SignOrder]]:
    """Cut into calls of at most 256 orders and of a bounded size."""
    parts: list[list[SignOrder]] = []
    size = 0
    for order in orders:
        weight = HEADER_BYTES + 128 + len(order.wrapped) + len(_payload(order))
        if not parts or len(parts[-1]) == SIGN_ORDERS_MAX or size + weight > BATCH_BYTES_MAX:
            parts.append([])
            size = 0
        parts[-1].append(order)
        size += weight
    return parts


def _payload(order: SignOrder) -> bytes:
    what = order.what
    for name in ("unsigned", "data", "document", "digest"):
        payload = getattr(what, name, None)
        if isinstance(payload, bytes):
            return payload
    return b""
