"""The running API, for the tests that ask it from outside."""

from tests.support.service import service

__all__ = ["service"]
