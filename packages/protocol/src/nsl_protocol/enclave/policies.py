"""Messages by which those whom a policy names approve what is signed, and change the policy."""

from typing import Annotated

from msgspec import Meta

from nsl_protocol.enclave.fields import Id16, MarkedLeaf, Message, Name, Proof, Signature64, Wrapped
from nsl_protocol.enclave.wrapped import KeyName

type PolicyBytes = Annotated[bytes, Meta(max_length=8192)]


class Approval(Message, frozen=True):
    """Of what is to be signed. ``signatures``: by approver, over ``policy.approving.SigningApproval``."""

    id: Id16
    expires_at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    signatures: Annotated[dict[Name, Proof], Meta(max_length=16)]


class ScoreGiven(Message, frozen=True):
    """How risky a scorer holds what is to be signed. ``signature``: over ``policy.scoring.RiskScore``."""

    scorer: Name
    score: Annotated[int, Meta(ge=0, le=100)]
    scored_at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    signature: Signature64


class ChangePolicy(Message, frozen=True):
    """Make the edition in which another policy holds, or waits to. Answered by ``PolicyChanged``.

    ``approvals``: by approver, a signature over ``policy.changing.PolicyChange``.
    """

    name: KeyName
    wrapped: Wrapped
    policy: PolicyBytes
    expires_at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    approvals: Annotated[dict[Name, Proof], Meta(max_length=16)]


class SettlePolicy(Message, frozen=True):
    """Make the edition in which the policy that waits holds, or waits no more. Answered by ``PolicyChanged``.

    ``withdrawn``: which anybody may ask for: the present policy goes on.
    """

    name: KeyName
    wrapped: Wrapped
    withdrawn: bool


# Answers ----------------------------------------------------------------------------------------------------------


class PolicyChanged(Message, frozen=True):
    """The next edition.

    Attributes:
        number: of the policy that holds in it.
        policy: that policy, in its one encoding.
        following: the one that waits; None: none does.
        holds_at: enclave time from which that may hold, Unix seconds; 0: none waits.
    """

    wrapped: bytes
    number: int
    policy: bytes
    following: bytes | None
    holds_at: int
    leaf: MarkedLeaf
