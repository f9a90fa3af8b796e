"""What a test needs from the machine: absent, the test is skipped, or fails under ``NSL_REQUIRE_ALL=1``."""

import os

import pytest


def require(condition: object, reason: str) -> None:
    """Skip the calling test (or module, or fixture) visibly unless ``condition`` holds; ``NSL_REQUIRE_ALL=1``: fail."""
    if condition:
        return
    if os.environ.get("NSL_REQUIRE_ALL") == "1":
        pytest.fail(f"NSL_REQUIRE_ALL=1, and {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)
