"""One migrated database for all tests of a session that make what they need in it anew (`benched`)."""

import asyncio
from collections.abc import Generator

import pytest

from nsl.cli.up.postgres import OWNER, Postgres
from nsl.kit import migrate
from tests.support.drivers import postgres


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Postgres]:
    with asyncio.Runner() as runner:
        context = postgres(tmp_path_factory.mktemp("postgres"))
        running = runner.run(context.__aenter__())
        try:
            for phase in migrate.PHASES:
                runner.run(migrate.apply(running.url(OWNER), phase))
            yield running
        finally:
            runner.run(context.__aexit__(None, None, None))
