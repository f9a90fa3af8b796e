"""How risky somebody else holds what is to be signed, and how risky it may be. Pure.

A scorer signs a number over exact bytes. The policy names the scorers' keys, so a host can neither invent a score nor
bring one of other bytes, of another key, or of another day.
"""

from collections.abc import Collection
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from nsl_protocol.policy.approvers import (
    Approver,
    Name,
    holds,
    insist_on_apart,
    insist_on_keys,
    insist_on_programs,
)

SCORE_MAX = 100
#: a scorer's clock may be so far ahead of the enclave's
SKEW_SECONDS = 30
_TAG = b"nsl-risk-score-v1\0"

type Score = Annotated[int, Meta(ge=0, le=SCORE_MAX)]


class RiskRule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything that is signed has a score of at most ``score_max``.

    Attributes:
        score_max: from 0 (harmless) to 100.
        scorers: whose scores count; one is enough.
        age_seconds_max: how old a score may be.
    """

    score_max: Score
    scorers: Annotated[dict[Name, Approver], Meta(min_length=1, max_length=16)]
    age_seconds_max: Annotated[int, Meta(ge=1, le=86_400)] = 300


class RiskScore(Struct, frozen=True, forbid_unknown_fields=True):
    """What a scorer signs.

    Attributes:
        cluster: of the key enclaves, hex.
        request: SHA-256 of what is to be signed, as msgpack, hex.
        scorer: by its name in the policy.
        scored_at: Unix seconds.
    """

    cluster: str
    tenant: UUID
    key: UUID
    request: str
    scorer: str
    score: Score
    scored_at: int

    @property
    def signed(self) -> bytes:
        """A tag, and this as JSON with its names in order and no spaces."""
        return _TAG + msgspec.json.encode(self, order="sorted")


def insist_on_scorers(rule: RiskRule | None, others: Collection[Approver]) -> None:
    """Raises CodecError: one of them has no key of its own; ``others``: who ask and approve."""
    if rule is not None:
        insist_on_keys(rule.scorers, "policy.risk.scorers")
        insist_on_programs(rule.scorers, "policy.risk.scorers")
        insist_on_apart(rule.scorers, others, "policy.risk.scorers")


def scored(rule: RiskRule, score: RiskScore, signature: bytes) -> bool:
    """Whether one of the rule's scorers has signed it."""
    scorer = rule.scorers.get(score.scorer)
    return scorer is not None and holds(scorer, score.signed, signature)


def too_risky(rule: RiskRule, score: RiskScore | None, now: int) -> tuple[str, str, str] | None:
    """What speaks against it: code, reason, and what would change it. None: nothing does.

    Args:
        score: that holds; None: there is none.
        now: enclave time, Unix seconds.
    """
    names = ", ".join(sorted(rule.scorers))
    anew = f"A score of at most {rule.score_max} by {names} over exactly this: `nsl policy score` signs one."
    if score is None:
        return (
            "RISK_SCORE_NEEDED",
            f"By risk, it takes a score by {names} over exactly this, for this key; none came with it.",
            anew,
        )
    if not now - rule.age_seconds_max <= score.scored_at <= now + SKEW_SECONDS:
        return (
            "RISK_SCORE_OLD",
            f"By risk, a score counts for {rule.age_seconds_max} seconds; one of {score.scored_at} is none at {now}.",
            anew,
        )
    if score.score > rule.score_max:
        return (
            "RISK_TOO_HIGH",
            f"By risk, at most {rule.score_max} is signed; {score.scorer} gave this {score.score} of {SCORE_MAX}.",
            "Something less risky, by what the scorer goes by; or, where it is wrong about this, another score by it.",
        )
    return None
