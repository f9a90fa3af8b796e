"""What comes with a request to sign, over HTTP: the client's own signature, and a scorer's."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from nsl.identity.model import Caller
from nsl.keys.errors import RequesterUnknown
from nsl.keys.service import Keys
from nsl.kit.errors import Malformed
from nsl_protocol.enclave.policies import Approval, ScoreGiven
from nsl_protocol.policy.approvers import Name
from nsl_protocol.policy.scoring import Score


class RequestSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By the client's own key, where the policy has `requesters`: over cluster, tenant, key, policy, request and this.

    ``nonce``: with an ``approval_id``, that; and ``expires_at`` (Unix seconds) is the approval's. `nsl_client.requests`
    makes one.
    """

    requester: Name
    nonce: UUID
    expires_at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    signature: Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]

    @property
    def given(self) -> Approval:
        """As the enclave takes it."""
        return Approval(self.nonce.bytes, self.expires_at, {self.requester: bytes.fromhex(self.signature)})


class ScoreBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How risky a scorer holds it, where the policy has `risk`. `nsl_client.scoring` makes one.

    ``score``: 0 (harmless) to 100; ``scored_at``: Unix seconds.
    """

    scorer: Name
    score: Score
    scored_at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    signature: Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]

    @property
    def given(self) -> ScoreGiven:
        """As the enclave takes it."""
        return ScoreGiven(self.scorer, self.score, self.scored_at, bytes.fromhex(self.signature))


async def insist_on_requesters(
    caller: Caller, keys: Keys, key_id: UUID, signatures: Iterable[RequestSignature | None]
) -> None:
    """That nobody who asks approves by that. Raises RequesterUnknown, KeyUnknown."""
    named = {each.requester for each in signatures if each is not None}
    if not named:
        return
    for name in named - set((await keys.get(caller.tenant, key_id)).policy.requesters):
        raise RequesterUnknown(
            f"{name} is none of the requesters of this key's policy; approvers sign with `nsl approvals approve`.",
            field="request_signature.requester",
        )


def together(approved: Approval, requested: Approval | None) -> Approval:
    """What approvers have signed, with what whoever asks has signed of the same. Raises Malformed."""
    if requested is None:
        return approved
    if (requested.id, requested.expires_at) != (approved.id, approved.expires_at):
        raise Malformed(
            "With an approval, the request's signature has the approval's id as its nonce, and its expires_at.",
            field="request_signature",
        )
    return Approval(approved.id, approved.expires_at, {**requested.signatures, **approved.signatures})
