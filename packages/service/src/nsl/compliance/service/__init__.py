"""Holds, people's data, and reports on who could and who did."""

from nsl.compliance.service.access import Access
from nsl.compliance.service.holds import Holds
from nsl.compliance.service.people import People

__all__ = ["Access", "Holds", "People"]
