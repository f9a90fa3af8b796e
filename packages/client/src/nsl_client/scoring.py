"""A scorer's part, where a key's policy has `risk`: a signed number over exactly what is to be signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from nsl_client.asking import Signer, asked
from nsl_client.clock import unix_seconds
from nsl_protocol.policy.approving import request_digest
from nsl_protocol.policy.scoring import SCORE_MAX, RiskScore


class SignedScore(msgspec.Struct, frozen=True):
    """As the API takes it. ``score``: 0 (harmless) to 100; ``scored_at``: Unix seconds; ``signature``: hex."""

    scorer: str
    score: int
    scored_at: int
    signature: str


@dataclass(frozen=True, repr=False)
class Scorer(Signer):
    """Who scores."""

    def score(
        self,
        key: str,
        kind: str,
        payload: Mapping[str, Any],
        score: int,
        *,
        network: int | None = None,
        address_index: int | None = None,
    ) -> SignedScore:
        """Sign a score of exactly what ``keys.sign`` of that key is asked with the same arguments.

        Raises:
            ValueError: there is no such thing to sign, or no such score.
        """
        if not 0 <= score <= SCORE_MAX:
            raise ValueError(f"A score is 0 to {SCORE_MAX}, not {score}.")
        made = RiskScore(
            cluster=self.cluster,
            tenant=UUID(self.tenant),
            key=UUID(key),
            request=request_digest(asked(kind, payload, network, address_index)),
            scorer=self.name,
            score=score,
            scored_at=unix_seconds(),
        )
        return SignedScore(self.name, score, made.scored_at, self.signature(made.signed))
