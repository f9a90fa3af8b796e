"""The database confines the application's role, whatever the application sends it."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from nsl.cli.up.postgres import APP, OWNER, WORKER, Postgres
from nsl.identity.service import Revocations, Tenancy
from nsl.kit import migrate
from nsl.kit.db import Database
from nsl.kit.replicas import LocalBus
from tests.support.drivers import postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    folder: Path = tmp_path_factory.mktemp("postgres")
    async with postgres(folder) as running:
        for phase in migrate.PHASES:
            await migrate.apply(running.url(OWNER), phase)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tenants(server: Postgres) -> list[UUID]:
    async with Database(server.url(APP)) as app:
        return [
            (await Tenancy(app, Revocations(app, LocalBus())).create_tenant(name, None)).id for name in ("one", "two")
        ]


async def _tables(server: Postgres) -> dict[str, tuple[bool, bool, bool]]:
    """By table: has a tenant column, row-level security enabled, forced."""
    async with await psycopg.AsyncConnection.connect(server.url(OWNER)) as owner:
        cursor = await owner.execute(
            "SELECT c.relname,"
            " EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'),"
            " c.relrowsecurity, c.relforcerowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm')"
        )
        return {name: (tenant, enabled, forced) for name, tenant, enabled, forced in await cursor.fetchall()}


async def test_every_tenant_table_forces_row_level_security(server: Postgres) -> None:
    tables = await _tables(server)
    assert {"clients", "keys", "key_versions", "signatures", "transactions", "transaction_history"} <= set(tables)
    open_tables = [name for name, (tenant, enabled, forced) in tables.items() if tenant and not (enabled and forced)]
    assert open_tables == []
    assert tables["tenants"][1:] == (True, True)


@pytest.mark.parametrize("role", [APP, WORKER, OWNER])
async def test_no_role_is_above_the_rules(server: Postgres, role: str) -> None:
    async with await psycopg.AsyncConnection.connect(server.url(role)) as connection:
        cursor = await connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        )
        assert await cursor.fetchone() == (False, False, False, False)
        cursor = await connection.execute("SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole")
        assert await cursor.fetchone() == (0,)


async def test_a_tenant_sees_itself_and_without_one_nothing_is_seen(server: Postgres, tenants: list[UUID]) -> None:
    async with Database(server.url(APP)) as app:
        for tenant in tenants:
            async with app.transaction(tenant) as connection:
                found = await (await connection.execute("SELECT id FROM tenants")).fetchall()
            assert [row["id"] for row in found] == [tenant]
        async with app.transaction() as connection:
            assert await (await connection.execute("SELECT id FROM tenants")).fetchall() == []


@pytest.mark.parametrize(
    "attack",
    [
        "SET ROLE nsl_owner",
        "SET ROLE nsl_worker",
        "SET SESSION AUTHORIZATION nsl_owner",
        "ALTER TABLE clients DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE clients NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own_tenant ON clients",
        "CREATE POLICY mine ON clients USING (true)",
        "DELETE FROM transactions",
        "UPDATE transactions SET state = 'confirmed'",
        "UPDATE tenants SET platform = true",
        "CREATE FUNCTION leak() RETURNS SETOF clients LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM clients'",
        "CREATE TABLE mine (id int)",
        "CALL confine_to_tenant('clients')",
        "SELECT * FROM chain_accounts",
        "COPY clients TO PROGRAM 'cat'",
    ],
)
async def test_the_application_cannot_get_around_it(server: Postgres, attack: str) -> None:
    async with await psycopg.AsyncConnection.connect(server.url(APP), autocommit=True) as connection:
        with pytest.raises(psycopg.Error):
            await connection.execute(attack)  # type: ignore[arg-type] # fixed texts of this test


async def test_rows_cannot_be_written_for_another_tenant(server: Postgres, tenants: list[UUID]) -> None:
    one, two = tenants
    async with Database(server.url(APP)) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with app.transaction(one) as connection:
                await connection.execute(
                    "INSERT INTO clients (id, tenant_id, name, secret_sha256, scopes) VALUES (gen_random_uuid(), %s,"
                    " 'x', %s, '{}')",
                    (two, bytes(32)),
                )


async def test_one_client_is_found_by_its_id_and_no_list_of_them(server: Postgres) -> None:
    async with Database(server.url(APP)) as app, app.transaction() as connection:
        cursor = await connection.execute("SELECT * FROM client_by_id(gen_random_uuid())")
        assert await cursor.fetchall() == []
        cursor = await connection.execute("SELECT count(*) AS count FROM clients")
        assert (await cursor.fetchone() or {})["count"] == 0


async def test_migrations_run_once_and_an_edited_one_is_refused(server: Postgres) -> None:
    assert await migrate.apply(server.url(OWNER)) == []
    async with await psycopg.AsyncConnection.connect(server.url(OWNER), autocommit=True) as owner:
        await owner.execute("UPDATE schema_migrations SET sha256 = 'edited' WHERE name LIKE '0001%'")
        with pytest.raises(migrate.MigrationChanged):
            await migrate.apply(server.url(OWNER))
