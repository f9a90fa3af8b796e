"""The register of keys in PostgreSQL, and what stands for it in tests: one contract."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from nsl.adapters.enclave import PostgresRegister, register_store
from nsl.cli.up.postgres import APP, OWNER, WORKER, Postgres
from nsl.kit import migrate
from nsl.kit.db import Database, DatabaseDown
from tests.contract.register_port import RegisterStorePort
from tests.support.drivers import postgres
from tests.support.register import MemoryRegister


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    folder: Path = tmp_path_factory.mktemp("postgres")
    async with postgres(folder) as running:
        for phase in migrate.PHASES:
            await migrate.apply(running.url(OWNER), phase)
        yield running


class TestMemoryRegister(RegisterStorePort):
    @pytest.fixture
    def store(self) -> MemoryRegister:
        return MemoryRegister()


class TestPostgresRegister(RegisterStorePort):
    @pytest.fixture(params=[APP, WORKER])
    async def store(self, server: Postgres, request: pytest.FixtureRequest) -> AsyncIterator[PostgresRegister]:
        with psycopg.connect(server.url(OWNER), autocommit=True) as owner:
            owner.execute("UPDATE key_register SET certificate = NULL, pending = NULL")
            owner.execute("DELETE FROM key_register_nodes")
        async with Database(server.url(request.param)) as database:
            yield PostgresRegister(database)


async def test_whoever_hangs_with_the_register_loses_it(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    query = register_store._QUERIES["give_back"]
    shorter = query.replace("session_timeout = '30s'", "session_timeout = '1s'").replace("'30s'", "'200ms'")
    assert shorter.count("'30s'") == 0
    monkeypatch.setattr(register_store, "_QUERIES", {**register_store._QUERIES, "give_back": shorter})
    async with Database(server.url(APP)) as hanging, Database(server.url(WORKER)) as other:
        taken: list[bool] = []
        with pytest.raises(DatabaseDown):
            await _hang(PostgresRegister(hanging), PostgresRegister(other), taken)
    assert taken == [False, True]


async def _hang(register: PostgresRegister, other: PostgresRegister, taken: list[bool]) -> None:
    async with register.changing():
        for _ in range(2):
            try:
                async with other.changing():
                    taken.append(True)
            except DatabaseDown:
                taken.append(False)
            await asyncio.sleep(1)


@pytest.mark.parametrize("role", [APP, WORKER])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM key_register",
        "INSERT INTO key_register (one_row) VALUES (false)",
        "DELETE FROM key_register_nodes",
        "UPDATE key_register_nodes SET position = ''",
        "TRUNCATE key_register_nodes",
    ],
)
def test_the_service_can_take_nothing_out(server: Postgres, role: str, statement: str) -> None:
    with (
        psycopg.connect(server.url(role), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)
