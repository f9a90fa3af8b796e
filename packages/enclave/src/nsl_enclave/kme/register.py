"""The replica's part in the register of keys: what it believes, what it accepts, and how long it may sign by itself.

A change is made in three steps that a host carries: one member makes a record of it, members accept it (each durably,
and at most one record for a number), and with a majority of acks it holds. Any two majorities have a member in common,
which ``runs`` keeps from being two, so no two changes of one number ever hold. A member signs under a lease that a
majority has granted: one of them knows of every change that holds, and tells. After a restart a replica knows only what
it sealed, which a host can bring back from long ago; so it grants and accepts nothing until enough others have told it
how far they are.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from nsl_enclave.kernel.clock import monotonic, random_bytes
from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.clocks import agreed
from nsl_enclave.kme.macs import Macs
from nsl_enclave.kme.runs import Runs, agreeing
from nsl_enclave.kme.state import Registered
from nsl_enclave.kme.wrapping import NOTHING, Opened
from nsl_protocol.cluster.register import EMPTY, Leaf, Path, edition_at, entered
from nsl_protocol.enclave.agreement import (
    Accept,
    Ack,
    Ask,
    AskLease,
    Candidate,
    Certificate,
    Change,
    Conclude,
    Enlistment,
    Entry,
    Freeze,
    GetHead,
    GrantLease,
    Head,
    HeadShown,
    Item,
    Lease,
    Leased,
    Record,
    Show,
    TakeLease,
)
from nsl_protocol.errors import CodecError

MEMBER_BYTES = 16
_NONCE_BYTES = 32
_ASKS_KEPT = 64


def first(macs: Macs, epoch: int) -> Registered:
    """An empty register, of which this replica is the only member."""
    member = random_bytes(MEMBER_BYTES)
    return Registered(member, macs.certify(Head(epoch, 0, EMPTY, (member,))))


def alone(macs: Macs, epoch: int, former: Certificate) -> Registered:
    """The same register in a new epoch, of which this replica is the only member."""
    member = random_bytes(MEMBER_BYTES)
    head = replace(former.head, epoch=epoch, number=former.head.number + 1, members=(member,))
    return Registered(member, macs.certify(head))


@dataclass(frozen=True, slots=True)
class Clock:
    """Steady time in Unix seconds, and how it takes up one that a majority has."""

    now: Callable[[], float]
    set: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class _Asked:
    """When a lease was asked for, and how many runs of others had ended by then."""

    at: float
    unix_ms: int
    changes: int


class Register:
    """
    Args:
        state: where this replica is; ``keep`` makes another one durable.
        fresh: it was given the root just now, and not by its own seal.
        changed: is told what has another edition now, or None: anything may.
        clock: steady time.
    """

    def __init__(
        self,
        macs: Macs,
        state: Registered,
        keep: Callable[[Registered], None],
        changed: Callable[[Entry | None], None],
        clock: Clock,
        *,
        fresh: bool,
    ) -> None:
        self._macs = macs
        self._state = state
        self._keep = keep
        self._changed = changed
        self._clock = clock
        self._current = fresh or self._alone
        self._runs = Runs(state.member)
        self._asked: OrderedDict[bytes, _Asked] = OrderedDict()  # several hosts may ask at a time
        self._leased_until = 0.0
        self._fenced = False
        self._has_signed = self._alone  # or may have

    @property
    def head(self) -> Head:
        """The newest that is known to hold."""
        return self._state.certificate.head

    @property
    def certificate(self) -> Certificate:
        """Of the head."""
        return self._state.certificate

    @property
    def freeze(self) -> Freeze | None:
        """The one that holds, or that was accepted here and may hold. An end to it has to hold first."""
        accepted = self._state.accepted
        return self.head.freeze or (None if accepted is None else accepted.head.freeze)

    def lease_seconds(self) -> int | None:
        """How long it may go on signing. None: it needs no lease, being the only member. 0: another epoch has begun."""
        if self._fenced:
            return 0
        return None if self._alone else max(0, int(self._leased_until - monotonic()))

    def insist_on_lease(self) -> None:
        """Raises Refusal: the lease has run out, or none was ever granted."""
        if self._fenced or (not self._alone and self._leased_until <= monotonic()):
            raise Refusal("NO_LEASE", "This replica signs only while a majority of the cluster has granted it a lease.")

    def insist_on_newest(self, certificate: Certificate) -> None:
        """That no change is under way, and none is known here that is not in what was brought.

        Raises:
            Refusal: ``OTHER_ACCEPTED``, or as ``adopt`` says.
        """
        self.adopt(certificate)
        if self._state.accepted is not None:
            raise Refusal("OTHER_ACCEPTED", "A change was accepted here that the database has nothing written of.")

    def check(self, request: Show, edition: bytes) -> None:
        """That the register has exactly this edition of what is shown.

        Raises:
            Refusal: ``NOT_REGISTERED``; ``PATH_WRONG``, where the path is of another moment.
        """
        accepted, index = self._state.accepted, request.item.index
        if accepted is not None and accepted.leaf is not None and accepted.leaf.index == index:
            # Once a change was accepted the former edition is not taken up any more, whether it comes to hold or not.
            raise Refusal("PATH_WRONG", "The stored key is being replaced: read it anew.")
        present = self._present(index, request.path)
        if present != edition:
            what = "never entered into" if present is None else "not the present edition in"
            raise Refusal("NOT_REGISTERED", f"The stored key is {what} the register of keys.")

    def propose[T](self, certificate: Certificate, entry: Item, opened: Opened[T], path: Path) -> Record:
        """The record that enters a key, or another edition of it.

        Raises:
            Refusal: ``NOT_REGISTERED``: it does not take the present edition's place; ``ALREADY_REGISTERED``: it has
                taken it, so that a host that does not know how far it had come goes on.
        """
        self.insist_on_newest(certificate)
        present = self._present(entry.index, path)
        if present == opened.edition:
            raise Refusal("ALREADY_REGISTERED", "The register of keys has this edition already.")
        if (present or NOTHING) != opened.replaces:
            raise Refusal("NOT_REGISTERED", "The wrapped key takes the place of another edition than the present one.")
        leaf = Leaf(entry.index, opened.edition)
        root = entered(leaf, path)[-1].hash
        return self._record(replace(self.head, number=self.head.number + 1, root=root), entry, leaf)

    def enlist(self, certificate: Certificate, entry: Enlistment, members_max: int) -> Record:
        """The record that makes a candidate a member, in somebody's place or in a free one.

        Raises:
            Refusal: ``NOT_A_CANDIDATE``, or ``CLUSTER_FULL``.
        """
        candidate, members = entry.candidate, self.head.members
        genuine = self._macs.holds("candidate", _candidate(candidate.member, candidate.epoch), candidate.mac)
        if not genuine or candidate.epoch != self.head.epoch or candidate.member in members:
            raise Refusal("NOT_A_CANDIDATE", "It is no replica of this epoch, or a member already.")
        remaining = tuple(each for each in members if each != entry.leaves)
        if entry.leaves is not None and len(remaining) == len(members):
            raise Refusal("NOT_A_CANDIDATE", "Whose place it should take is no member.")
        if len(remaining) >= members_max:
            raise Refusal("CLUSTER_FULL", f"The manifest has {members_max} replicas: name the one that leaves.")
        return self.change_head(certificate, entry, replace(self.head, members=(*remaining, candidate.member)))

    def change_head(self, certificate: Certificate, entry: Change, head: Head) -> Record:
        """The record of a change that enters nothing into the tree. Raises Refusal as ``insist_on_newest``."""
        self.insist_on_newest(certificate)
        return self._record(replace(head, number=self.head.number + 1), entry, None)

    def accept(self, request: Accept) -> Ack:
        """Take a record up; on return it is on the disk. The same once more gives the same answer.

        Raises:
            Refusal: ``CATCHING_UP``: ask for a lease first; ``OTHER_ACCEPTED``; ``NOT_A_MEMBER``; ``BEHIND``.
        """
        if request.record.head != self.head:
            self.adopt(request.certificate)
        return self._accept(request.record)

    def conclude(self, request: Conclude) -> Certificate:
        """The change holds, if these acks and our own are a majority.

        Raises:
            Refusal: ``NO_MAJORITY``.
        """
        record = request.record
        if record.head == self.head:
            return self._state.certificate
        self.adopt(request.certificate)
        self._insist_on_next(record)
        digest, members = record.head.digest, self.head.members
        acks = [ack for ack in request.acks if ack.head == digest and self._genuine("ack", ack)]
        if self._state.member in members and self._current:
            acks.insert(0, self._accept(record))
        counted = agreeing(ack.speaker for ack in acks if ack.speaker.member in members)
        if len(counted) < self.head.majority:
            raise Refusal("NO_MAJORITY", f"{len(counted)} of {len(members)} replicas have accepted the change.")
        self._take_up(self._macs.certify(record.head))
        return self._state.certificate

    def adopt(self, certificate: Certificate) -> None:
        """Take up a later head.

        Raises:
            Refusal: ``DATABASE_OLDER``: it is an earlier one than this replica knows to hold; ``OTHER_EPOCH``: a later
                epoch has begun without it; ``NOT_CERTIFIED``.
        """
        head = certificate.head
        if head == self.head:
            return
        if not self._macs.certified(certificate):
            raise Refusal("NOT_CERTIFIED", "The register is of another cluster, or of a root not known here.")
        if head.order < self.head.order:
            raise Refusal(
                "DATABASE_OLDER",
                f"The database has change {head.number} of epoch {head.epoch}; this replica knows of change "
                f"{self.head.number} of epoch {self.head.epoch}. What is between them was lost or taken away.",
            )
        if head.epoch != self.head.epoch:
            self._fenced = True
            raise Refusal("OTHER_EPOCH", f"Epoch {head.epoch} has begun: let this replica join again.")
        self._take_up(certificate)

    def shown(self, _: GetHead) -> HeadShown:
        """Where this replica is."""
        member, epoch = self._state.member, self.head.epoch
        candidate = Candidate(member, epoch, self._macs.make("candidate", _candidate(member, epoch)))
        record = self._state.accepted
        accepted = None if record is None else record.head.digest
        return HeadShown(self._state.certificate, accepted, candidate, self._current, self.lease_seconds())

    def ask(self, request: AskLease) -> Ask:
        """A wish for a lease; the time counts from here."""
        self.adopt(request.certificate)
        unsigned = Ask(self._runs.speaker, random_bytes(_NONCE_BYTES), b"")
        self._asked[unsigned.nonce] = _Asked(monotonic(), self._ms(), self._runs.changes)
        if len(self._asked) > _ASKS_KEPT:
            self._asked.popitem(last=False)
        return replace(unsigned, mac=self._macs.make("ask", unsigned.content))

    def grant(self, request: GrantLease) -> Lease:
        """How far this replica is, which the asker must reach first.

        Raises:
            Refusal: ``NOT_A_MEMBER``: one of the two is none; ``OTHER_RUN``: another run of the asker came after it.
        """
        self.adopt(request.certificate)
        asked, members = request.ask, self.head.members
        if not self._genuine("ask", asked):
            raise Refusal("NOT_A_MEMBER", "No replica of this cluster has asked that.")
        if asked.speaker.member not in members or self._state.member not in members:
            raise Refusal("NOT_A_MEMBER", "A lease is granted by a member to a member.")
        if not self._runs.meet(asked.speaker):
            raise Refusal("OTHER_RUN", "The same replica was started again after this one.")
        accepted = self._state.accepted
        unsigned = Lease(self._runs.speaker, asked.nonce, *self.head.order, accepted, self._current, self._ms(), b"")
        return replace(unsigned, mac=self._macs.make("lease", unsigned.content))

    def take(self, request: TakeLease, seconds: int) -> Leased:
        """What the others have answered: whether this replica is up to date, and whether it has a lease.

        What one of them has accepted may hold already, so it is accepted here before anything is signed by the former.

        Raises:
            Refusal: ``BEHIND``: one of them is further than the certificate that was brought; ``OTHER_ACCEPTED``: two
                have accepted different changes, which only a database that was brought back can lead to;
                ``CLOCK_APART``.
        """
        self.adopt(request.certificate)
        asked = self._asked.pop(request.nonce, None)
        answers = self._answers(request)
        if asked is None or asked.changes != self._runs.changes or self._state.member not in self.head.members:
            # Where one was started again since the question, those who answered may have met different runs of it.
            return Leased(self.lease_seconds())
        if any((each.epoch, each.number) > self.head.order for each in answers):
            raise Refusal("BEHIND", "Another replica is further: bring the certificate of the head that it is at.")
        under_way = [each.accepted for each in answers] + [self._state.accepted]
        following = {each.head: each for each in under_way if each is not None and each.previous == self.head.digest}
        if len(following) > 1:
            raise Refusal("OTHER_ACCEPTED", f"Replicas have accepted different changes {self.head.number + 1}.")
        if len(answers) >= self.head.others_to_hear:
            self._current = True
        if self._current:
            for record in following.values():
                self._accept(record)
        current = [each.unix_ms for each in answers if each.current]
        if self._current and 1 + len(current) >= self.head.majority:
            fresh = not self._has_signed
            self._clock.set(agreed(asked.unix_ms, self._ms(), current, self.head.majority, fresh=fresh) / 1000)
            self._has_signed = True
            self._leased_until = asked.at + seconds
        return Leased(self.lease_seconds())

    def _answers(self, request: TakeLease) -> list[Lease]:
        """By other members who have met each other's runs, and this one's."""
        members = set(self.head.members)
        found = {
            each.speaker.member: each
            for each in request.leases
            if each.nonce == request.nonce and each.speaker.member in members and self._genuine("lease", each)
            if each.speaker.member != self._state.member and self._runs.meet(each.speaker)
        }
        counted = agreeing([self._runs.speaker, *(each.speaker for each in found.values())])
        return [found[each.member] for each in counted[1:]]

    def _ms(self) -> int:
        return int(self._clock.now() * 1000)

    @property
    def _alone(self) -> bool:
        return self.head.members == (self._state.member,)

    def _present(self, index: bytes, path: Path) -> bytes | None:
        try:
            return edition_at(self.head.root, index, path)
        except CodecError as error:
            raise Refusal("PATH_WRONG", f"The path {error.reason}: read it anew.") from error

    def _record(self, head: Head, entry: Entry, leaf: Leaf | None) -> Record:
        unsigned = Record(self.head.digest, head, entry, leaf, b"")
        return replace(unsigned, mac=self._macs.make("record", unsigned.content))

    def _insist_on_next(self, record: Record) -> None:
        if not self._macs.holds("record", record.content, record.mac):
            raise Refusal("NOT_CERTIFIED", "No replica of this cluster has made that record.")
        if record.previous != self.head.digest:
            raise Refusal("BEHIND", f"The record does not follow change {self.head.number}, which this replica is at.")

    def _accept(self, record: Record) -> Ack:
        digest = record.head.digest
        if record.head != self.head:
            self._insist_on_next(record)
            if self._state.member not in self.head.members:
                raise Refusal("NOT_A_MEMBER", "This replica is no member yet.")
            if not self._current:
                raise Refusal("CATCHING_UP", "This replica was restarted and has not heard from the others yet.")
            accepted = self._state.accepted
            if accepted is not None and accepted != record:
                raise Refusal("OTHER_ACCEPTED", f"Another change {record.head.number} was accepted here.")
            if accepted is None:
                self._save(replace(self._state, accepted=record))
                self._changed(record.entry)
        unsigned = Ack(self._runs.speaker, digest, b"")
        return replace(unsigned, mac=self._macs.make("ack", unsigned.content))

    def _take_up(self, certificate: Certificate) -> None:
        accepted = self._state.accepted
        self._save(replace(self._state, certificate=certificate, accepted=None))
        self._runs.keep(certificate.head.members)
        if accepted is None or accepted.head != certificate.head:
            self._changed(None)

    def _save(self, state: Registered) -> None:
        self._keep(state)
        self._state = state

    def _genuine(self, kind: str, word: Ack | Ask | Lease) -> bool:
        return self._macs.holds(kind, word.content, word.mac)


def _candidate(member: bytes, epoch: int) -> bytes:
    return member + epoch.to_bytes(8)
