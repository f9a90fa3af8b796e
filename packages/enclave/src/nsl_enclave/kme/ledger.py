"""What a key has spent of its policy's windows, so that no number of replicas together spends more than one may.

A key's ledger says what was leased: each share with the run of the enclave that may spend it, and until when. A share
counts in full from when it stands there until its window has passed after the last moment at which it may be spent. So
what a lost replica had counts as spent, and a replica that others believe dead spends nothing that is not counted. The
ledger is an entry of the register of keys (decision 15 in docs/adr): an older one is refused by the majority. Pure.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from nsl_protocol.policy.decision import Spend

#: clocks of replicas that sign are this close to each other (``Register.take``)
SKEW_SECONDS = 5
#: a share is spent within one or two of these; the shortest, and how many there are in a window
GRAIN_SECONDS_MIN = 5
GRAINS = 16
#: of what is left, so much at a time; what is asked for, if that is more
PART = 4

type Seconds = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Share(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    Attributes:
        run: which may spend it; empty: nobody, any more.
        number: of the run's shares.
        until: steady time, Unix seconds, from which it is not spent.
        amount: big-endian.
    """

    run: Annotated[bytes, Meta(max_length=16)]
    number: int
    until: Seconds
    amount: bytes

    @property
    def count(self) -> int:
        """The amount as a number."""
        return int.from_bytes(self.amount)


class Ledger(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """By the names of ``policy.decision.Spend``."""

    counters: dict[str, tuple[Share, ...]] = {}


def counted(shares: Iterable[Share], seconds: int, now: float) -> int:
    """How much of them is within a window that ends now, at the most."""
    return sum(each.count for each in shares if _counts_until(each, seconds) > now)


def free_in(shares: Iterable[Share], seconds: int, now: float) -> int | None:
    """Seconds until the first of them counts no more. None: none does now."""
    ends = [end for each in shares if (end := _counts_until(each, seconds)) > now]
    return int(min(ends) - now) + 1 if ends else None


def leased(
    ledger: Ledger, wants: Iterable[Spend], run: bytes, spent: Container[int], numbers: Callable[[], int], now: float
) -> tuple[Ledger, bool]:
    """The ledger in which this run has a share of each window, and whether there was less than it wanted.

    Args:
        spent: numbers of this run's shares that nothing is left of.
    """
    counters = {name: tidy(shares, _seconds(name), now, run, spent) for name, shares in ledger.counters.items()}
    short = False
    for want in wants:
        shares = counters.get(want.counter, ())
        free = max(0, want.limit - counted(shares, want.seconds, now))
        grant = min(free, max(want.amount, free // PART))
        short = short or grant < want.amount
        if grant:
            made = Share(run, numbers(), _ends(now, want.seconds), _bytes(grant))
            counters[want.counter] = (*shares, made)
    return Ledger({name: shares for name, shares in counters.items() if shares}), short


def returned(ledger: Ledger, run: bytes, left: Mapping[int, int]) -> Ledger:
    """The ledger in which all of a run's shares are closed, by what it has spent of them. ``left``: by number."""
    return Ledger(
        {name: tuple(_closed(each, run, left) for each in shares) for name, shares in ledger.counters.items()}
    )


def tidy(shares: Iterable[Share], seconds: int, now: float, run: bytes, spent: Container[int]) -> tuple[Share, ...]:
    """Without those that count no more; those that nobody spends any more as one for each moment."""
    closed: dict[int, int] = defaultdict(int)
    open_ = []
    for each in shares:
        if _counts_until(each, seconds) <= now:
            continue
        if not each.run or each.until <= now or (each.run == run and each.number in spent):
            closed[each.until] += each.count
        else:
            open_.append(each)
    return (*(Share(b"", 0, until, _bytes(amount)) for until, amount in sorted(closed.items())), *open_)


def _closed(share: Share, run: bytes, left: Mapping[int, int]) -> Share:
    if share.run != run:
        return share
    return Share(b"", 0, share.until, _bytes(share.count - left.get(share.number, 0)))


def _counts_until(share: Share, seconds: int) -> float:
    return share.until + seconds + SKEW_SECONDS


def _ends(now: float, seconds: int) -> int:
    grain = max(GRAIN_SECONDS_MIN, seconds // GRAINS)
    return (int(now) // grain + 2) * grain


def _seconds(counter: str) -> int:
    return int(counter.rsplit("/", 1)[1])


def _bytes(amount: int) -> bytes:
    return amount.to_bytes((amount.bit_length() + 7) // 8)
