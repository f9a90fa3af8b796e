"""The running API, for the tests that ask it from outside; and a database, for those that are inside."""

from tests.support.database import server
from tests.support.service import service

__all__ = ["server", "service"]
