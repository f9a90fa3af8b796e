"""Messages by which the replicas of the KME agree on the register of keys, and on who may sign until when.

Hosts carry them and can change nothing: each that one replica believes of another bears a MAC under a key that follows
from the cluster's root. ``certificate`` in a request is the newest one that the database has: a replica that is behind
takes it up first, and one that is ahead refuses the database as older than what was agreed.
"""

import hashlib
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.msgpack import encode

from nsl_protocol.cluster.register import Bytes32, Leaf, Path
from nsl_protocol.enclave.fields import Id16, Message, Name, Signature64
from nsl_protocol.enclave.wrapped import WrappedKey, WrappedLedger, WrappedLog, WrappedTokenKey

MEMBERS_MAX = 7

type Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Freeze(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The emergency stop of the whole cluster.

    Attributes:
        epoch, number: of the head before it, so that no two are equal.
        at: Unix seconds, by the clock of the enclave that proposed it.
    """

    epoch: Count
    number: Count
    at: Count


class Head(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The register at one moment.

    Attributes:
        epoch: of the cluster.
        number: of the changes so far.
        root: of the tree.
        members: the replicas that agree; a majority of them makes the next head.
        freeze: under which nothing is signed; None: there is none.
    """

    epoch: Count
    number: Count
    root: Bytes32
    members: Annotated[tuple[Id16, ...], Meta(min_length=1, max_length=MEMBERS_MAX)]
    freeze: Freeze | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256, for custodians and the next record to name it by."""
        return hashlib.sha256(b"nsl-register-head-v1\0" + encode(self)).digest()

    @property
    def majority(self) -> int:
        """How many members that is."""
        return len(self.members) // 2 + 1

    @property
    def others_to_hear(self) -> int:
        """From how many others a restarted member must hear, so that no majority can have been without them."""
        return min(self.majority, len(self.members) - 1)

    @property
    def order(self) -> tuple[int, int]:
        """Later is larger."""
        return self.epoch, self.number


class Certificate(Message, frozen=True):
    """A head that a majority has accepted, said by a replica that has seen it."""

    head: Head
    mac: Bytes32


class Candidate(Message, frozen=True):
    """A replica that has the root of this epoch and may become a member."""

    member: Id16
    epoch: Count
    mac: Bytes32


class Enlistment(Message, frozen=True):
    """A change of the members. ``leaves``: whose place the candidate takes; None: there is room."""

    candidate: Candidate
    leaves: Id16 | None


class ClusterFreeze(Message, frozen=True):
    """From here on no key signs, decrypts or goes out, at any replica. Whoever is enrolled may ask for it."""


class ClusterThaw(Message, frozen=True):
    """The end of a freeze: as many custodians as make a root have signed ``Act.UNFREEZE`` over ``thaw_digest``."""

    freeze: Freeze
    expires_at: Count
    approvals: Annotated[dict[Name, Signature64], Meta(max_length=16)]


type Item = WrappedKey | WrappedTokenKey | WrappedLog | WrappedLedger
type Change = Enlistment | ClusterFreeze | ClusterThaw
type Entry = Item | Change


class Record(Message, frozen=True):
    """A change that is proposed: the head that it makes, from which head, and by what. Written down before it is sent.

    ``leaf``: what is entered into the tree; None for a change of the head alone.
    """

    previous: Bytes32
    head: Head
    entry: Entry
    leaf: Leaf | None
    mac: Bytes32

    @property
    def content(self) -> bytes:
        """What its MAC is over."""
        return encode((self.previous, self.head, self.entry, self.leaf))


class Speaker(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A member, by which of its runs it speaks, and which runs of the others it has met last.

    A run is from a start of the program to its end; its name is random.
    """

    member: Id16
    run: Id16
    seen: Annotated[dict[Id16, Id16], Meta(max_length=4 * MEMBERS_MAX)]


class Ack(Message, frozen=True):
    """A member has accepted that head, and will never accept another of the same number in this epoch."""

    speaker: Speaker
    head: Bytes32
    mac: Bytes32

    @property
    def content(self) -> bytes:
        """What its MAC is over."""
        return encode((self.speaker, self.head))


class Ask(Message, frozen=True):
    """A member's wish for a lease."""

    speaker: Speaker
    nonce: Bytes32
    mac: Bytes32

    @property
    def content(self) -> bytes:
        """What its MAC is over."""
        return encode((self.speaker, self.nonce))


class Lease(Message, frozen=True):
    """One member's answer to another: how far it is.

    Attributes:
        epoch, number: of the newest head that it knows to hold.
        accepted: what it has accepted beyond that, which may hold already.
        current: False after a restart, until enough others were asked: its word then counts as news, not as a lease.
        unix_ms: its steady time.
    """

    speaker: Speaker
    nonce: Bytes32
    epoch: Count
    number: Count
    accepted: Record | None
    current: bool
    unix_ms: Count
    mac: Bytes32

    @property
    def content(self) -> bytes:
        """What its MAC is over."""
        return encode((self.speaker, self.nonce, self.epoch, self.number, self.accepted, self.current, self.unix_ms))


# Requests ---------------------------------------------------------------------------------------------------------


class GetHead(Message, frozen=True):
    """Where this replica is. Answered by ``HeadShown``."""


class Show(Message, frozen=True):
    """A wrapped key that is about to be used: the register must have exactly this edition of it."""

    certificate: Certificate
    item: Item
    path: Path


class Propose(Message, frozen=True):
    """Make the record of a change. Nothing is changed yet. ``path``: to an item's index; else None."""

    certificate: Certificate
    entry: Entry
    path: Path | None


class Accept(Message, frozen=True):
    """Take a record up, durably. Answered by ``Ack``."""

    certificate: Certificate
    record: Record


class Conclude(Message, frozen=True):
    """With these acks and its own, which must be a majority, the change holds. Answered by ``Certificate``."""

    certificate: Certificate
    record: Record
    acks: Annotated[tuple[Ack, ...], Meta(max_length=MEMBERS_MAX)]


class AskLease(Message, frozen=True):
    """Answered by ``Ask``, which is carried to the other members."""

    certificate: Certificate


class GrantLease(Message, frozen=True):
    """Answered by ``Lease``."""

    certificate: Certificate
    ask: Ask


class TakeLease(Message, frozen=True):
    """What the others have answered to that ask. Answered by ``Leased``."""

    certificate: Certificate
    nonce: Bytes32
    leases: Annotated[tuple[Lease, ...], Meta(max_length=MEMBERS_MAX)]


class Proceed(Message, frozen=True):
    """Go on alone from this head, in a new epoch: custodians have signed over the ``PROCEED`` quote and the head.

    For when a majority is lost, or the database is older than what was agreed. Answered by ``Proceeded``.
    """

    quote_digest: Bytes32
    certificate: Certificate
    approvals: Annotated[dict[Name, Signature64], Meta(max_length=16)]


# Answers ----------------------------------------------------------------------------------------------------------


class HeadShown(Message, frozen=True):
    """
    Attributes:
        accepted: digest of the head that it has accepted beyond the certificate's.
        candidate: this replica, should it not be a member yet.
        current: whether it knows that its head is the newest.
        lease_seconds: how long it may go on signing by itself; None: it needs no lease, being alone.
    """

    certificate: Certificate
    accepted: Bytes32 | None
    candidate: Candidate
    current: bool
    lease_seconds: int | None


class Shown(Message, frozen=True):
    """It can be used."""


class Leased(Message, frozen=True):
    """``seconds`` is None where it needs no lease, and 0 where too few have granted one."""

    seconds: int | None


class Proceeded(Message, frozen=True):
    """``fenced_after_seconds``: by then, whatever went on in the former epoch has certainly stopped signing."""

    epoch: int
    number: int
    fenced_after_seconds: int
