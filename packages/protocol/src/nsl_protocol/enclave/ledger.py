"""Messages by which a replica of the key enclave gets its share of what a policy allows over time.

What a key has spent is kept in its ledger: a wrapped blob like a key, whose present edition the register knows. A
replica signs from shares that stand in it under the name of its run, and asks for more before they are used up. A host
writes an edition down, enters it, and shows it to the replica, which may spend only then.
"""

from nsl_protocol.enclave.fields import Message, Wrapped
from nsl_protocol.enclave.wrapped import KeyName


class LeaseWindows(Message, frozen=True):
    """Make the edition of a key's ledger in which this run has what it was asked for lately. Nothing holds by it alone.

    Answered by ``LedgerMade``. The key has to have been shown.

    Attributes:
        wrapped: the key.
        ledger: what its ledger is so far; None: nothing yet.
    """

    name: KeyName
    wrapped: Wrapped
    ledger: Wrapped | None


class ReturnWindows(Message, frozen=True):
    """Make the edition in which this run has given back what it has not spent; it does not spend it from here on.

    Answered by ``LedgerMade``.
    """

    name: KeyName
    ledger: Wrapped


# Answers ----------------------------------------------------------------------------------------------------------


class LedgerMade(Message, frozen=True):
    """``ledger``: the next edition; None where it is as it was. ``short``: there is less than was asked for."""

    ledger: bytes | None
    short: bool
