"""Which run of each member is the present one.

A host can copy a seal and run it twice. Both runs are genuine and have one name; were both counted, one name could
stand in two majorities for two histories. So each replica keeps to the run that it met last, and one that was followed
by another never counts here again. Those who are counted together must have met each other's present runs.
"""

from collections.abc import Iterable

from nsl_enclave.kernel.clock import random_bytes
from nsl_protocol.enclave.agreement import Speaker

_RUN_BYTES = 16


class Runs:
    """Of one replica, since its start. ``changes`` counts how often another run took the place of one that was met."""

    def __init__(self, member: bytes) -> None:
        self._member = member
        self._own = random_bytes(_RUN_BYTES)
        self._present: dict[bytes, bytes] = {}
        self._over: set[bytes] = set()  # each costs the host a start of a genuine program
        self.changes = 0

    @property
    def speaker(self) -> Speaker:
        """Who speaks here, and whom it has met."""
        return Speaker(self._member, self._own, dict(self._present))

    def meet(self, other: Speaker) -> bool:
        """Whether that is the present run of this member: no other has come after it."""
        if other.run in self._over:
            return False
        former = self._present.get(other.member)
        if former != other.run:
            self._present[other.member] = other.run
            if former is not None:
                self._over.add(former)
                self.changes += 1
        return True

    def keep(self, members: Iterable[bytes]) -> None:
        """Forget those who have left."""
        self._present = {member: self._present[member] for member in members if member in self._present}


def agreeing(speakers: Iterable[Speaker]) -> list[Speaker]:
    """Those, each member once, who have met each other's runs; who speaks first is kept before the others."""
    found: list[Speaker] = []
    for one in speakers:
        if all(_met(one, other) and _met(other, one) for other in found):
            found.append(one)
    return found


def _met(one: Speaker, other: Speaker) -> bool:
    return one.member != other.member and one.seen.get(other.member) == other.run
