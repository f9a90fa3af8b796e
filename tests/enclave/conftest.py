"""A cluster of its own for each test."""

from pathlib import Path

import pytest

from tests.enclave.host import Host, founded
from tests.enclave.replica import Founders


@pytest.fixture
def founders(tmp_path: Path) -> Founders:
    return Founders(tmp_path / "manifest")


@pytest.fixture
def host(founders: Founders, tmp_path: Path) -> Host:
    """Of three members, each with a lease."""
    return founded(founders, tmp_path)
