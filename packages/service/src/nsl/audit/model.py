"""Leaves on their way into the log. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from nsl_protocol.enclave.log import LEAVES_AT_ONCE_MAX

#: of what the enclave is sent at once, well below a frame
BYTES_AT_ONCE_MAX: Final = 700_000
_LEAF_OVERHEAD_BYTES: Final = 48
#: what is lost goes with the leaves, in one message
LOST_AT_ONCE_MAX: Final = 64
_TAKEN_MAX: Final = LEAVES_AT_ONCE_MAX - LOST_AT_ONCE_MAX


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf as it is stored. ``run``, ``number`` and ``mac`` are None where the service vouches for it."""

    id: UUID
    content: bytes
    mac: bytes | None
    run: bytes | None
    number: int | None
    tx: int
    sequence: int

    @property
    def order(self) -> tuple[int, int]:
        """In which it was written."""
        return self.tx, self.sequence


@dataclass(frozen=True, slots=True)
class Gap:
    """Leaves of a run that have not come, while later ones have."""

    run: bytes
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into the log next. ``held``: what has to wait for leaves that have not come, the ``gaps``."""

    leaves: tuple[Leaf, ...]
    held: tuple[UUID, ...]
    gaps: tuple[Gap, ...]
    cursor: tuple[int, int]


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where the log is; ``following``: an edition of it that was written down and may hold already."""

    wrapped: bytes | None
    size: int
    cursor: tuple[int, int]
    held: tuple[UUID, ...]
    following: bytes | None
    following_size: int | None


@dataclass(frozen=True, slots=True)
class Head:
    """A head that the key enclave has signed: a checkpoint with the witnesses' lines."""

    size: int
    root: bytes
    log_key: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quote that binds a log key, with the collateral of when it was taken."""

    log_key: bytes
    at: datetime
    nonce: bytes
    manifest_version: int
    quote: bytes
    collateral: str


@dataclass(frozen=True, slots=True)
class SignatureMade:
    """What is kept of a signature; ``request`` is None once it was erased. ``policy``: that decided, as JSON."""

    request: bytes | None
    decoded: str
    signature: bytes
    curve: str
    public_key: bytes
    policy: str | None


@dataclass(slots=True)
class _Run:
    following: int
    waiting: dict[int, Leaf] = field(default_factory=dict)


def batch(held: Iterable[Leaf], written: Iterable[Leaf], following: Mapping[bytes, int], place: LogPlace) -> Batch:
    """The next leaves in their order; those of a run by their numbers, none before the one that precedes it.

    Args:
        held: leaves that waited, and what they may have waited for.
        written: what follows the cursor, in the order in which it was written.
        following: by run, the number of the leaf that the log takes next; 0 for a run that is not named.
    """
    cursor, budget = place.cursor, BYTES_AT_ONCE_MAX
    runs: dict[bytes, _Run] = {}
    taken: list[Leaf] = []

    def come(leaf: Leaf) -> None:
        if leaf.run is None or leaf.number is None:
            taken.append(leaf)
            return
        run = runs.setdefault(leaf.run, _Run(following.get(leaf.run, 0)))
        if leaf.number >= run.following:
            run.waiting[leaf.number] = leaf
        while run.following in run.waiting:
            taken.append(run.waiting.pop(run.following))
            run.following += 1

    for leaf in held:
        budget -= _weight(leaf)
        come(leaf)
    for leaf in written:
        budget -= _weight(leaf)
        if budget < 0:
            break
        come(leaf)
        cursor = leaf.order
    now, later = _cut(taken)
    waiting = [leaf for run in runs.values() for leaf in run.waiting.values()]
    gaps = [Gap(name, run.following, min(run.waiting) - 1) for name, run in runs.items() if run.waiting]
    return Batch(tuple(now), tuple(leaf.id for leaf in (*later, *waiting)), tuple(gaps), cursor)


def _cut(taken: list[Leaf]) -> tuple[list[Leaf], list[Leaf]]:
    """What goes into one message, and the rest, which is held: the cursor has passed it."""
    budget = BYTES_AT_ONCE_MAX
    for place, leaf in enumerate(taken):
        budget -= _weight(leaf)
        if budget < 0 or place == _TAKEN_MAX:
            return taken[:place], taken[place:]
    return taken, []


def _weight(leaf: Leaf) -> int:
    return len(leaf.content) + _LEAF_OVERHEAD_BYTES


def taken_of_runs(leaves: Iterable[Leaf]) -> dict[bytes, int]:
    """By run, the number that follows those that are taken."""
    found: defaultdict[bytes, int] = defaultdict(int)
    for leaf in leaves:
        if leaf.run is not None and leaf.number is not None:
            found[leaf.run] = max(found[leaf.run], leaf.number + 1)
    return dict(found)
