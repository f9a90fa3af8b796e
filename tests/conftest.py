"""For every test: with ``NSL_REQUIRE_ALL=1`` a skip is a failure, except for data that lies outside the project."""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.live import live  # noqa: F401 - a fixture for every folder of tests
from tests.support.long import LONG

OUTSIDE = "../shared"

# How long an example takes says how busy the machine is; what speed we promise is measured in `bench`.
settings.register_profile("nsl", deadline=None)
settings.load_profile("nsl")

# Temporary folders of this run alone: pytest closes the one that runs share to other users, again at each run, and
# PostgreSQL is another user where tests run as root.
TEMPORARY = Path(tempfile.mkdtemp(prefix="nsl-tests-"))
TEMPORARY.chmod(0o755)
os.environ["PYTEST_DEBUG_TEMPROOT"] = str(TEMPORARY)


def pytest_unconfigure() -> None:
    """Nothing of a run stays behind."""
    shutil.rmtree(TEMPORARY, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked ``long`` takes minutes, and has its own command."""
    left_out = [] if LONG else [each for each in items if each.get_closest_marker("long")]
    items[:] = [each for each in items if each not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("NSL_REQUIRE_ALL") == "1":
        reason = str(report.longrepr)
        if OUTSIDE not in reason:
            report.outcome = "failed"
            report.longrepr = f"NSL_REQUIRE_ALL=1 and this was skipped: {reason}"
    return report
