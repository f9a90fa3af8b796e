import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from nsl.cli.up.postgres import ROLES, SUPERUSER, Postgres
from tests.support import drivers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    async with drivers.postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("role", [SUPERUSER, *ROLES])
async def test_nobody_is_trusted(server: Postgres, role: str) -> None:
    """Neither without a password nor with a wrong one, and there is no socket."""
    for secret in ("", ":wrong"):
        with pytest.raises(psycopg.OperationalError, match=r"no password supplied|password authentication failed"):
            await psycopg.AsyncConnection.connect(f"postgresql://{role}{secret}@127.0.0.1:{server.port}/nsl")
    assert not list(server.directory.rglob(".s.PGSQL.*"))
    rules = [line.split() for line in (server.data / "pg_hba.conf").read_text().splitlines() if line.strip()]
    assert {rule[-1] for rule in rules if not rule[0].startswith("#")} == {"scram-sha-256"}


@pytest.mark.asyncio(loop_scope="module")
async def test_the_service_s_roles_cannot_step_around_row_level_security(server: Postgres) -> None:
    """No superuser, no bypass, nothing to create but what the owner creates in its database."""
    async with await psycopg.AsyncConnection.connect(server.url("nsl_app")) as connection:
        query = """SELECT rolname, rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication
                   FROM pg_roles WHERE rolname LIKE 'nsl%' ORDER BY rolname"""
        found = await (await connection.execute(query)).fetchall()
        assert found == [(role, False) for role in sorted(ROLES)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("CREATE TABLE mine (a int)")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("setting", "value"),
    [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on"), ("data_checksums", "on")],
)
async def test_what_is_committed_is_on_disk(server: Postgres, setting: str, value: str) -> None:
    """Durability is not traded for speed."""
    async with await psycopg.AsyncConnection.connect(server.url("nsl_app")) as connection:
        assert await (await connection.execute(f"SHOW {setting}")).fetchone() == (value,)


async def test_it_comes_back_with_its_data_after_sigkill(tmp_path: Path) -> None:
    """A killed server is started again at once, though its sessions may still be ending."""
    async with drivers.running(tmp_path) as (state, supervisor):
        server = Postgres.at(state)
        await server.prepare()
        child = await supervisor.start(server.spec())
        await server.provision()
        async with await psycopg.AsyncConnection.connect(server.url("nsl_owner")) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 7 AS a")
        await supervisor.kill("postgres")
        again = await supervisor.start(server.spec())
        assert again.pid != child.pid
        await server.provision()
        async with await psycopg.AsyncConnection.connect(server.url("nsl_owner")) as connection:
            assert await (await connection.execute("SELECT a FROM kept")).fetchone() == (7,)
        os.kill(again.pid, signal.SIGQUIT)
        await again.wait()


async def test_a_lock_whose_number_another_program_has_got_is_no_obstacle(tmp_path: Path) -> None:
    """Process ids are reused; only a process that works in the folder is a PostgreSQL there."""
    async with drivers.postgres(tmp_path) as server:
        lock = (server.data / "postmaster.pid").read_text()
    other = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        (server.data / "postmaster.pid").write_text(lock.replace(lock.split()[0], str(other.pid), 1))
        async with drivers.postgres(tmp_path) as again:
            assert again.url("nsl_app")
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()
