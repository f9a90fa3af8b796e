"""Who may change a key's policy, unfreeze the key or destroy it, and what they sign for it.

Pure; one code for whoever signs and for the enclave. The policy names its approvers itself, so its hash, which every
leaf and attestation has, covers who may change it.
"""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

import msgspec

from nsl_protocol.policy.approvers import holds
from nsl_protocol.policy.document import Policy

#: an approval that nobody used by then is worth nothing
EXPIRES_SECONDS_MAX = 30 * 86_400


class _Approved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What approvers sign. Each is good for one change of one key.

    Attributes:
        cluster: of the key enclaves, hex.
        expires_at: Unix seconds.
    """

    tag: ClassVar[bytes]

    cluster: str
    tenant: UUID
    key: UUID
    expires_at: int

    @property
    def signed(self) -> bytes:
        """A tag, and this as JSON with its names in order and no spaces."""
        return self.tag + msgspec.json.encode(self, order="sorted")


class PolicyChange(_Approved, frozen=True, kw_only=True):
    """Another policy. No two changes have the same: each counts the policy's number on.

    Attributes:
        number: of the policy that holds now, from 1.
        from_: its hash, hex.
        to: the hash of the policy that is to hold.
    """

    tag = b"nsl-policy-change-v1\0"

    number: int
    from_: str = msgspec.field(name="from")
    to: str


class Unfreezing(_Approved, frozen=True, kw_only=True):
    """To let a frozen key sign again. No two freezes of a key have the same.

    Attributes:
        policy: the hash of the policy that holds, hex.
        frozen_at: when the key was frozen, enclave time, Unix seconds; later with each freeze of a key.
    """

    tag = b"nsl-key-unfreeze-v1\0"

    policy: str
    frozen_at: int


class Destruction(_Approved, frozen=True, kw_only=True):
    """To destroy a key after a wait. One that was undone leaves another edition, and takes other signatures.

    Attributes:
        policy: the hash of the policy that holds, hex.
        edition: SHA-256 of the key as it is wrapped now, hex.
        wait_seconds: how long it can be undone.
    """

    tag = b"nsl-key-destruction-v1\0"

    policy: str
    edition: str
    wait_seconds: int


type Approvable = PolicyChange | Unfreezing | Destruction


def approved_by(policy: Policy, change: Approvable, approvals: Mapping[str, bytes]) -> frozenset[str]:
    """Those of the present policy's approvers who have signed the change."""
    return frozenset(
        name
        for name, signature in approvals.items()
        if name in policy.approvers and holds(policy.approvers[name], change.signed, signature)
    )
