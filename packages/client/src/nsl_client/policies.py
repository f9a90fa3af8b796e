"""Policies of keys, and what they say."""

from datetime import datetime
from typing import Any

import msgspec


class HeldPolicy(msgspec.Struct, frozen=True):
    """One that a key has or had."""

    number: int
    hash: str
    held_from: datetime
    changed_by: str


class KeyPolicy(msgspec.Struct, frozen=True):
    """``hash``: SHA-256 of the policy's one encoding, by which leaves and receipts name it.

    ``following``: the policy that waits, which may hold from ``following_at``; ``nsl_client.governance`` signs changes.
    ``edition``: SHA-256 of the key as it is wrapped now, hex.
    """

    hash: str
    policy: dict[str, Any]
    number: int = 1
    cluster: str = ""
    edition: str = ""
    history: list[HeldPolicy] = []
    following: dict[str, Any] | None = None
    following_at: datetime | None = None


class PolicyDifference(msgspec.Struct, frozen=True):
    """A signature that another policy would not allow, or by other rules. Codes; none: it is allowed."""

    receipt_id: str
    kind: str
    meaning: str
    before: list[str]
    after: list[str]


class PolicyComparison(msgspec.Struct, frozen=True):
    """``examined``: of how many signatures."""

    examined: int
    differences: list[PolicyDifference]


class Objection(msgspec.Struct, frozen=True):
    """``part``: the rule, or the part of the policy."""

    code: str
    part: str
    reason: str


class WindowLeft(msgspec.Struct, frozen=True):
    """A window of the policy that it counts in, and how much is left; in signatures or an asset's smallest units."""

    window: str
    seconds: int
    amount: str
    limit: str
    left: str


class Evaluation(msgspec.Struct, frozen=True):
    """``decoded``: what the enclave understands; ``would_change``: for each reason, what would."""

    allowed: bool
    decoded: dict[str, Any]
    reasons: list[Objection]
    would_change: list[str]
    rules: list[str]
    policy_hash: str
    windows: list[WindowLeft] = []
    approvals: list[dict[str, Any]] = []
    risk_score_max: int | None = None
