"""The life of a key: what it may be in, and how a host asks the key enclave to change it.

A change makes another edition of the wrapped key, which takes the present one's place. It holds once the host has
entered it into the register of keys; until then the former edition is the present one.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

from nsl_protocol.enclave.fields import MarkedLeaf, Message, Name, Proof, Wrapped
from nsl_protocol.enclave.wrapped import KeyName

DAY_SECONDS = 86_400
WAIT_SECONDS_MIN = 7 * DAY_SECONDS
WAIT_SECONDS_MAX = 365 * DAY_SECONDS


class KeyState(StrEnum):
    ACTIVE = "active"  # signs
    DISABLED = "disabled"  # signs nothing until it is enabled
    DESTROYING = "destroying"  # signs nothing, and is destroyed when it has waited, unless that is undone
    FROZEN = "frozen"  # signs nothing until whoever may lift it has
    DESTROYED = "destroyed"  # a tombstone: its secret is gone


def inactive(state: KeyState) -> str:
    """What is said where a key that is not active is to be used."""
    return f"The key is {state}; only an active key is used: {_ACTIVE_BY[state]}."


_ACTIVE_BY: Final = {
    KeyState.ACTIVE: "this one is",
    KeyState.DISABLED: "enable it (POST /v1/keys/{id}/enable)",
    KeyState.DESTROYING: "until it is destroyed, enabling it undoes that (POST /v1/keys/{id}/enable)",
    KeyState.FROZEN: "whoever may lift the freeze has to (POST /v1/keys/{id}/unfreeze)",
    KeyState.DESTROYED: "nothing brings it back, so use another key",
}


class KeyChange(StrEnum):
    DISABLE = "disable"
    ENABLE = "enable"
    DESTROY_LATER = "destroy_later"  # begin to wait; by approvers, where the policy names some
    DESTROY = "destroy"  # after the wait
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"  # by approvers, where the policy names some
    ROTATE = "rotate"  # another secret in the place of a secret key's, which is kept for what it was used for


class ChangeApproval(Message, frozen=True):
    """Of an ``UNFREEZE`` or a ``DESTROY_LATER``.

    ``signatures``: by approver, over ``Unfreezing`` or ``Destruction`` of ``policy.changing``.
    """

    expires_at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    signatures: Annotated[dict[Name, Proof], Meta(max_length=16)]


class ChangeKey(Message, frozen=True):
    """Make the edition that a change leads to. Nothing is changed yet. Answered by ``KeyChanged``.

    ``wait_seconds``: for ``DESTROY_LATER``, how long the change can be undone; 0 for the others.
    """

    name: KeyName
    wrapped: Wrapped
    change: KeyChange
    wait_seconds: Annotated[int, Meta(ge=0, le=WAIT_SECONDS_MAX)]
    approval: ChangeApproval | None = None


class KeyChanged(Message, frozen=True):
    """The next edition. ``destroys_at``: the earliest enclave time of its destruction, Unix seconds; 0: none is set.

    ``frozen_at``: of a frozen key, enclave time, Unix seconds. ``version``: of the secret.
    """

    wrapped: bytes
    state: KeyState
    destroys_at: int
    leaf: MarkedLeaf
    frozen_at: int = 0
    version: int = 1
