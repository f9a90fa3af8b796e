"""Who has approved what is to be signed or done with a key: by their signatures, which the host only carries."""

import hashlib
from collections.abc import Callable
from uuid import UUID

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.portable import policy_in
from nsl_enclave.kme.wrapping import KeySecret
from nsl_protocol.enclave.lifecycle import ChangeKey, KeyChange
from nsl_protocol.enclave.messages import SignOrder
from nsl_protocol.enclave.symmetric import UseOrder
from nsl_protocol.policy.approving import SigningApproval, request_digest
from nsl_protocol.policy.changing import EXPIRES_SECONDS_MAX, Approvable, Destruction, Unfreezing, approved_by
from nsl_protocol.policy.decision import Objection
from nsl_protocol.policy.document import Policy
from nsl_protocol.policy.scoring import RiskScore, scored, too_risky


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

    def risk(self, order: SignOrder | UseOrder, policy: Policy) -> Objection | None:
        """What speaks against it by the policy's ceiling, where it has one. What is not signed is not scored."""
        rule = policy.risk
        if rule is None:
            return None
        score = None
        if isinstance(order, SignOrder) and order.score is not None:
            given = order.score
            score = RiskScore(
                cluster=self._cluster,
                tenant=UUID(bytes=order.name.tenant),
                key=UUID(bytes=order.name.key),
                request=request_digest(order.what),
                scorer=given.scorer,
                score=given.score,
                scored_at=given.scored_at,
            )
            score = score if scored(rule, score, given.signature) else None
        found = too_risky(rule, score, int(self._now()))
        return None if found is None else Objection(found[0], "risk", *found[1:])

    def insist_on_change(self, request: ChangeKey, key: KeySecret) -> None:
        """That enough of those who change the key's policy have signed this change of it; or it names nobody.

        Raises:
            Refusal: ``TOO_FEW_APPROVALS``; ``APPROVALS_EXPIRED``.
        """
        policy, approval, now = policy_in(key.policy), request.approval, int(self._now())
        if policy.change is None:
            return
        by: frozenset[str] = frozenset()
        if approval is not None:
            insist_on_unexpired(approval.expires_at, now)
            by = approved_by(policy, self._statement(request, key, policy, approval.expires_at), approval.signatures)
        if len(by) < policy.change.threshold:
            verb = "unfreeze" if request.change is KeyChange.UNFREEZE else "destroy"
            raise Refusal(
                "TOO_FEW_APPROVALS",
                f"It takes the signatures of {policy.change.threshold} of {', '.join(sorted(policy.approvers))} to "
                f"{verb} this key; signed: {', '.join(sorted(by)) or 'nobody'}. `nsl keys approve-{verb}` signs.",
            )

    def _statement(self, request: ChangeKey, key: KeySecret, policy: Policy, expires_at: int) -> Approvable:
        tenant, key_id = UUID(bytes=request.name.tenant), UUID(bytes=request.name.key)
        if request.change is KeyChange.UNFREEZE:
            return Unfreezing(self._cluster, tenant, key_id, expires_at, policy=policy.hash, frozen_at=key.frozen_at)
        edition = hashlib.sha256(request.wrapped).hexdigest()
        return Destruction(
            self._cluster,
            tenant,
            key_id,
            expires_at,
            policy=policy.hash,
            edition=edition,
            wait_seconds=request.wait_seconds,
        )


def insist_on_unexpired(expires_at: int, now: int) -> None:
    """Raises Refusal: ``APPROVALS_EXPIRED``, also for those that would be good for too long."""
    if not now < expires_at <= now + EXPIRES_SECONDS_MAX:
        raise Refusal(
            "APPROVALS_EXPIRED",
            f"The approvals expire at {expires_at}, and by the enclave's clock it is {now}: they have to expire later, "
            f"and within {EXPIRES_SECONDS_MAX} seconds (30 days). Let the approvers sign anew.",
        )
