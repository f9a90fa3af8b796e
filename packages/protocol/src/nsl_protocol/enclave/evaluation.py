"""Messages by which a host asks what signing would come to, without signing."""

from nsl_protocol.enclave.fields import Message, Wrapped
from nsl_protocol.enclave.signable import Signable
from nsl_protocol.enclave.wrapped import KeyName


class Evaluate(Message, frozen=True):
    """Say what signing this would come to, without signing. Answered by ``Evaluated``.

    ``ledger``: of the key, for what is left of its windows; None: nothing was ever spent.
    """

    name: KeyName
    wrapped: Wrapped
    what: Signable
    ledger: Wrapped | None = None


# Answers ----------------------------------------------------------------------------------------------------------


class ObjectionTo(Message, frozen=True):
    """What speaks against signing: a stable code, the rule or part of the policy, why, and what would change it."""

    code: str
    part: str
    reason: str
    would_change: str


class WindowLeft(Message, frozen=True):
    """One of the policy's windows that it would count in: how much it counts as, and how much there is.

    Counts are decimal text: of signatures, or of an asset's smallest units. ``left`` may be more: what replicas have
    taken in advance counts as spent until they give it back.
    """

    counter: str
    seconds: int
    limit: str
    amount: str
    left: str


class ApprovalNeeded(Message, frozen=True):
    """It takes so many of these approvers."""

    threshold: int
    of: tuple[str, ...]


class Evaluated(Message, frozen=True):
    """``decoded``: as in a signature, with a ``summary`` in the policy's own words. ``rules``: those that allow it.

    ``risk_score_max``: it has to come with a score of at most that; None: it has not.
    """

    decoded: bytes
    policy: str
    objections: tuple[ObjectionTo, ...]
    rules: tuple[str, ...]
    windows: tuple[WindowLeft, ...] = ()
    approvals: tuple[ApprovalNeeded, ...] = ()
    risk_score_max: int | None = None
