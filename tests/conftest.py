"""For every test: with ``NSL_REQUIRE_ALL=1`` a skip is a failure, except for data that lies outside the project."""

import os
from collections.abc import Generator

import pytest

from tests.support.live import live  # noqa: F401 - a fixture for every folder of tests

OUTSIDE = "../shared"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("NSL_REQUIRE_ALL") == "1":
        reason = str(report.longrepr)
        if OUTSIDE not in reason:
            report.outcome = "failed"
            report.longrepr = f"NSL_REQUIRE_ALL=1 and this was skipped: {reason}"
    return report
