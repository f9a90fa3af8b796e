"""The log kept, and read."""

from nsl.audit.service.keeping import STEP_FULL, LogKeeper
from nsl.audit.service.reading import Inclusion, Log, Receipt
from nsl.audit.service.witnessing import Witnessing

__all__ = ["STEP_FULL", "Inclusion", "Log", "LogKeeper", "Receipt", "Witnessing"]
