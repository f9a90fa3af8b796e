"""Real PostgreSQL and real nodes for tests, each in a folder of its own, by the drivers of `nsl up`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nsl.cli.up.errors import ProgramMissing
from nsl.cli.up.n3 import N3Node
from nsl.cli.up.neox import NeoxNode
from nsl.cli.up.postgres import Postgres
from nsl.cli.up.state import StateFolder
from nsl.cli.up.supervisor import Supervisor
from tests.support.require import require


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[StateFolder, Supervisor]]:
    """A state folder with a supervisor that starts nothing by itself."""
    with StateFolder(directory) as state:
        async with Supervisor(state, print) as supervisor:
            yield state, supervisor


@asynccontextmanager
async def postgres(directory: Path) -> AsyncIterator[Postgres]:
    """An empty database `nsl` with its three roles (`url(role)`), no migration applied."""
    async with running(directory) as (state, supervisor):
        server = Postgres.at(state)
        await server.prepare()
        await supervisor.start(server.spec())
        await server.provision()
        yield server


@asynccontextmanager
async def n3_node(directory: Path, *, block_time_ms: int = 100) -> AsyncIterator[N3Node]:
    """A private Neo N3 network of one validator."""
    async with running(directory) as (state, supervisor):
        node = N3Node.at(state, block_time_ms=block_time_ms)
        await node.prepare()
        await supervisor.start(node.spec())
        yield node


@asynccontextmanager
async def neox_node(directory: Path, *, block_time_ms: int = 100) -> AsyncIterator[NeoxNode]:
    """A Neo X devnet behind its guard; the test is skipped where anvil is missing."""
    async with running(directory) as (state, supervisor):
        try:
            node = NeoxNode.at(state, block_time_ms=block_time_ms)
        except ProgramMissing as error:
            require(False, error.detail)
            raise
        await supervisor.start(node.spec())
        yield node
