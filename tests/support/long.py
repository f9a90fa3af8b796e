"""Some tests have a longer form, and some have only that: `make test-long` runs those, `make test` the shorter ones."""

import os

LONG = os.environ.get("NSL_TEST_LONG") == "1"


def examples(many: int, few: int) -> int:
    """How many in this run."""
    return many if LONG else few
