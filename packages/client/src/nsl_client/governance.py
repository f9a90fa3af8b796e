"""An approver's part in changing a key's policy: what is signed, and the signature. Nothing here asks the layer."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_client.model import Key
from nsl_client.policies import KeyPolicy
from nsl_protocol.enclave.lifecycle import DAY_SECONDS
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.changing import Approvable, Destruction, PolicyChange, Unfreezing
from nsl_protocol.policy.document import Policy, read_policy


def read_document(policy: Mapping[str, Any]) -> Policy:
    """Raises ValueError: it is no policy; it says why."""
    try:
        return read_policy(msgspec.json.encode(policy))
    except CodecError as error:
        raise ValueError(str(error)) from error


def policy_change(
    key_id: str, tenant_id: str, present: KeyPolicy, policy: Mapping[str, Any], *, expires_at: int
) -> PolicyChange:
    """What approvers sign to put ``policy`` in the place of the present one.

    Args:
        present: as ``keys.policy`` answers it. Read it before you sign: a signature is worth nothing to any other.
        expires_at: Unix seconds, at most 30 days ahead.

    Raises:
        ValueError: the layer shows another policy than it names by its hash, or ``policy`` is none.
    """
    if read_document(present.policy).hash != present.hash:
        raise ValueError("The policy that is shown is not the one that is named: do not sign this.")
    return PolicyChange(
        cluster=present.cluster,
        tenant=UUID(tenant_id),
        key=UUID(key_id),
        number=present.number,
        from_=present.hash,
        to=read_document(policy).hash,
        expires_at=expires_at,
    )


def unfreezing(key: Key, tenant_id: str, present: KeyPolicy, *, expires_at: int) -> Unfreezing:
    """What approvers sign to let a frozen key be what it was.

    Args:
        present: as ``keys.policy`` answers it.
        expires_at: Unix seconds, at most 30 days ahead.

    Raises:
        ValueError: the key is not frozen.
    """
    if key.frozen_at is None:
        raise ValueError("The key is not frozen.")
    return Unfreezing(
        cluster=present.cluster,
        tenant=UUID(tenant_id),
        key=UUID(key.id),
        policy=present.hash,
        frozen_at=int(key.frozen_at.timestamp()),
        expires_at=expires_at,
    )


def destruction(key: Key, tenant_id: str, present: KeyPolicy, *, wait_days: int, expires_at: int) -> Destruction:
    """What approvers sign to destroy a key. Any other change of the key makes it worth nothing.

    Args:
        present: as ``keys.policy`` answers it.
        wait_days: as ``keys.destroy`` is asked.
        expires_at: Unix seconds, at most 30 days ahead.
    """
    return Destruction(
        cluster=present.cluster,
        tenant=UUID(tenant_id),
        key=UUID(key.id),
        policy=present.hash,
        edition=present.edition,
        wait_seconds=wait_days * DAY_SECONDS,
        expires_at=expires_at,
    )


def approve(change: Approvable, private_key: bytes) -> str:
    """By an approver's Ed25519 key (32 bytes): the signature that changing, unfreezing and destroying take."""
    return Ed25519PrivateKey.from_private_bytes(private_key).sign(change.signed).hex()
