"""What is kept of people, for how long, and what is shown of access. Frozen values and pure decisions."""

from nsl.compliance.model.access import KeyUse, Principal, Remark, Review, digest
from nsl.compliance.model.inventory import IMPERSONAL, INVENTORY, Fate, Holding, Nature
from nsl.compliance.model.records import RETENTION, Erased, Hold, floor_id

__all__ = [
    "IMPERSONAL", "INVENTORY", "RETENTION", "Erased", "Fate", "Hold", "Holding", "KeyUse", "Nature", "Principal",
    "Remark", "Review", "digest", "floor_id",
]  # fmt: skip
