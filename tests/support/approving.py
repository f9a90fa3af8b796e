"""Approvers of policies, and what they sign for a change of a key's policy."""

from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from nsl.keys.model import Key
from nsl_protocol.policy.approvers import Approver, ApproverAlgorithm, ChangeRule
from nsl_protocol.policy.changing import PolicyChange
from nsl_protocol.policy.document import Policy

ANN = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
APPROVERS = {"ann": Approver(ApproverAlgorithm.ED25519, ANN.public_key().public_bytes_raw().hex())}


def governed(policy: Policy, *, time_lock_seconds: int = 0) -> Policy:
    """The same, which Ann may change."""
    return replace(policy, approvers=APPROVERS, change=ChangeRule(1, time_lock_seconds))


def signed_by_ann(cluster: bytes, tenant: UUID, key: Key, to: Policy, expires_at: int) -> dict[str, bytes]:
    """Her approval."""
    change = PolicyChange(
        cluster=cluster.hex(),
        tenant=tenant,
        key=key.id,
        number=key.policies.number,
        from_=key.policy.hash,
        to=to.hash,
        expires_at=expires_at,
    )
    return {"ann": ANN.sign(change.signed)}
