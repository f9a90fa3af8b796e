"""Messages by which a host lets the key enclave keep the audit log.

The enclave holds nothing of the log between two messages: its state is a wrapped blob like a key, whose present edition
the register knows, so that the log has one history. A host that appends is given the next edition, writes it down, and
enters it; then any replica signs the head that it is.
"""

from typing import Annotated

from msgspec import Meta

from nsl_protocol.audit.leaves import LEAF_BYTES_MAX, Count
from nsl_protocol.audit.merkle import Hash
from nsl_protocol.enclave.fields import Bytes32, Id16, MarkedLeaf, Message, Signature64, Wrapped

LEAVES_AT_ONCE_MAX = 1024
LEAVES_KEPT_MAX = 16_384
LEAVES_FETCHED_MAX = 512
NUMBER_MAX = 2**53 - 1


class ToAppend(Message, frozen=True):
    """A leaf for the log. ``mac``: of the enclave that made it; None: the host vouches for it."""

    content: Annotated[bytes, Meta(max_length=LEAF_BYTES_MAX)]
    mac: Bytes32 | None


class Lost(Message, frozen=True):
    """The next leaves of that run, up to ``last``, are nowhere to be had. The log says so from then on."""

    run: Id16
    last: Count


class AppendLeaves(Message, frozen=True):
    """Make the edition of the log that has these behind it; nothing holds by that alone.

    Answered by ``LeavesAppended``. ``log``: what the log is so far; None: nothing yet.
    """

    log: Wrapped | None
    items: Annotated[tuple[ToAppend | Lost, ...], Meta(min_length=1, max_length=LEAVES_AT_ONCE_MAX)]


class SignHead(Message, frozen=True):
    """Sign the head of the log, which the register was shown to have. Answered by ``HeadSigned``."""

    log: Wrapped


class GetLeaves(Message, frozen=True):
    """The leaves of this replica's run, from one on, as long as it keeps them. Answered by ``LeavesKept``."""

    first: Count


# Answers ----------------------------------------------------------------------------------------------------------


class LeavesAppended(Message, frozen=True):
    """The next edition. ``lost``: the leaves that the enclave made for what was said to be lost, in order."""

    log: bytes
    size: Count
    root: Hash
    lost: tuple[bytes, ...]


class HeadSigned(Message, frozen=True):
    """An Ed25519 signature by the log key over the head's text."""

    size: Count
    root: Hash
    log_key: Bytes32
    signature: Signature64


class LeavesKept(Message, frozen=True):
    """``leaves`` begin at ``first``, which is later than what was asked for where the earlier ones are kept no more."""

    run: Id16
    first: Count
    leaves: tuple[MarkedLeaf, ...]
