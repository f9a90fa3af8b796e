"""Who has approved what is to be signed: by their signatures, which the host only carries."""

from collections.abc import Callable
from uuid import UUID

from nsl_protocol.enclave.messages import SignOrder
from nsl_protocol.policy.approving import SigningApproval, request_digest
from nsl_protocol.policy.changing import EXPIRES_SECONDS_MAX
from nsl_protocol.policy.document import Policy


class Approvals:
    """
    Args:
        cluster: its identifier.
        now: enclave time, Unix seconds.
    """

    def __init__(self, cluster: bytes, now: Callable[[], float]) -> None:
        self._cluster = cluster.hex()
        self._now = now

    def by(self, order: SignOrder, policy: Policy, policy_hash: str) -> frozenset[str]:
        """The policy's approvers who have approved exactly this; nobody has, once it has expired."""
        approval, now = order.approval, int(self._now())
        if approval is None or not now < approval.expires_at <= now + EXPIRES_SECONDS_MAX:
            return frozenset()
        approved = SigningApproval(
            cluster=self._cluster,
            tenant=UUID(bytes=order.name.tenant),
            key=UUID(bytes=order.name.key),
            policy=policy_hash,
            request=request_digest(order.what),
            id=UUID(bytes=approval.id),
            expires_at=approval.expires_at,
        )
        return approved.by(policy, approval.signatures)
