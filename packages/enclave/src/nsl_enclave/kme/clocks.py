"""Whether a replica's clock is right, as far as others can tell: a host that sets one of them ahead stops it."""

from collections.abc import Collection

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.ledger import SKEW_SECONDS

SKEW_MS = SKEW_SECONDS * 1000


def agreed(asked: int, present: int, others: Collection[int], majority: int, *, fresh: bool) -> int:
    """The time to go by, in ms: the replica's own where a majority has it too, or a later one that a majority has.

    Args:
        asked: its own when it asked.
        present: its own now; the others' are of between.
        majority: how many replicas that is, this one included.
        fresh: it has signed nothing yet, so that an earlier time is as good.

    Raises:
        Refusal: ``CLOCK_APART``.
    """
    near = [each for each in others if asked - SKEW_MS <= each <= present + SKEW_MS]
    if 1 + len(near) >= majority:
        return present
    for first in sorted(each for each in others if fresh or each > present):
        if sum(first <= each <= first + SKEW_MS + present - asked for each in others) >= majority:
            return first
    raise Refusal(
        "CLOCK_APART",
        f"This replica's clock is more than {SKEW_SECONDS} seconds from the others', or from that of the only one that "
        "answers: set the hosts' clocks by one source, and start it again.",
    )
