"""What is kept of people, for how long, and what is shown of access. Frozen values and pure decisions."""

from nsl.compliance.model.inventory import IMPERSONAL, INVENTORY, Fate, Holding, Nature
from nsl.compliance.model.records import RETENTION, Erased, Hold, floor_id

__all__ = ["IMPERSONAL", "INVENTORY", "RETENTION", "Erased", "Fate", "Hold", "Holding", "Nature", "floor_id"]
