"""The log kept, and read."""

from nsl.audit.service.keeping import LogKeeper

__all__ = ["LogKeeper"]
