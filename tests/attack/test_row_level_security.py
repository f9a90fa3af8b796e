"""Every tenant table, view and partition that the catalogue knows: one tenant's rows are out of the other's reach.

A row is made for each of two tenants by the owner, who is confined too and works for one tenant at a time. Then the
application's role tries, working for the other one: to read, to write a row for the first, to change one, and to move
one of its own over. A table that is added is attacked without a word here; one that needs a value of its own kind
fails until ``VALUES`` has it.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from psycopg.types.json import Jsonb

from nsl.cli.up.postgres import APP, OWNER, Postgres
from nsl.kit import migrate
from nsl.kit.db import Database
from tests.support.drivers import postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

# By column, where its type alone does not say what fits.
VALUES: dict[str, Any] = {
    "auth_method": "none", "chain": "neo-n3", "curve": "secp256r1", "state": "active", "status": "active",
    "email": "a@example.org", "name": "a-name", "kind": "transfer", "scope": "keys:read", "public_key": bytes(33),
}  # fmt: skip
BY_TABLE: dict[tuple[str, str], Any] = {
    ("transactions", "state"): "accepted", ("transaction_history", "state"): "accepted",
    ("clients", "auth_method"): None,
}  # fmt: skip
BY_TYPE: dict[str, Any] = {
    "text": "text", "integer": 1, "bigint": 1, "boolean": False, "numeric": 1, "jsonb": Jsonb({}),
    "json": Jsonb({}), "text[]": [],
    "timestamp with time zone": "2030-01-01T00:00:00Z", "bytea": bytes(32), "inet": "127.0.0.1",
}  # fmt: skip


class Rows:
    """The database with a row of two tenants in every tenant table."""

    def __init__(self, server: Postgres, tables: dict[str, str]) -> None:
        self.server = server
        self.tables = tables
        self.tenants = (uuid4(), uuid4())
        self.made: dict[tuple[str, UUID], dict[str, Any]] = {}

    async def fill(self, connection: psycopg.AsyncConnection[Any], table: str, tenant: UUID) -> dict[str, Any]:
        """A row, with whatever it refers to made before it."""
        if (table, tenant) in self.made:
            return self.made[table, tenant]
        self.made[table, tenant] = row = {}
        references = await self.references(connection, table)
        for column, kind in await self.needed(connection, table):
            if column == self.tables.get(table):
                row[column] = tenant
                if table != "tenants":
                    await self.fill(connection, "tenants", tenant)
            elif column in references:
                other, target = references[column]
                row[column] = (await self.fill(connection, other, tenant))[target]
            elif kind == "uuid":
                row[column] = uuid4()
            else:
                row[column] = BY_TABLE.get((table, column), VALUES.get(column, BY_TYPE[kind]))
                if column in ("email", "hash", "jti", "cursor", "key") and kind == "text":
                    row[column] = f"{tenant}@x"
                if kind == "bytea" and column != "public_key":
                    row[column] = tenant.bytes * 2
        await connection.execute("SELECT set_config('app.current_tenant', %s, false)", [str(tenant)])
        user = row.get("user_id", row.get("id"))
        await connection.execute("SELECT set_config('app.current_subject', %s, false)", [str(user)])
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row)),
        )
        await connection.execute(statement, list(row.values()))
        return row

    @staticmethod
    async def needed(connection: psycopg.AsyncConnection[Any], table: str) -> list[tuple[str, str]]:
        """The columns without a default that must have a value, and those of the key."""
        cursor = await connection.execute(
            "SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a"
            " WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = ''"
            " AND NOT a.atthasdef AND (a.attnotnull OR a.attname = 'email') ORDER BY a.attnum",
            [table],
        )
        return await cursor.fetchall()

    @staticmethod
    async def references(connection: psycopg.AsyncConnection[Any], table: str) -> dict[str, tuple[str, str]]:
        """By column: the table and column that a foreign key points to."""
        cursor = await connection.execute(
            "SELECT a.attname, c.confrelid::regclass::text, f.attname FROM pg_constraint c"
            " CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (own, other)"
            " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own"
            " JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = k.other"
            " WHERE c.conrelid = %s::regclass AND c.contype = 'f'",
            [table],
        )
        return {column: (other, target) for column, other, target in await cursor.fetchall()}


CATALOGUE = (
    "SELECT c.relname, min(a.attname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('tenant_id', 'user_id')"
    " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f') GROUP BY c.relname"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rows(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rows]:
    folder: Path = tmp_path_factory.mktemp("postgres")
    async with postgres(folder) as server:
        for phase in migrate.PHASES:
            await migrate.apply(server.url(OWNER), phase)
        async with await psycopg.AsyncConnection.connect(server.url(OWNER), autocommit=True) as owner:
            cursor = await owner.execute(CATALOGUE)
            tables = {name: "tenant_id" for name, column in await cursor.fetchall() if column == "tenant_id"}
            tables["tenants"] = "id"
            found = Rows(server, tables)
            for tenant in found.tenants:
                for table in tables:
                    await found.fill(owner, table, tenant)
        yield found


async def _tables(owner: psycopg.AsyncConnection[Any]) -> list[tuple[str, bool, bool, str]]:
    cursor = await owner.execute(
        "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relkind::text FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = ANY('{r,p,v,m,f}')"
    )
    return await cursor.fetchall()


async def test_each_table_is_confined_or_known_to_belong_to_nobody(rows: Rows) -> None:
    """Nothing is left open unseen: what has no owner is listed by hand, with the reason why that is right."""
    nobodys = {
        "schema_migrations",  # which files ran
        "token_keys",  # of the platform; private halves wrapped by the enclave
        "one_time",  # no role but the owner may touch it: functions show one row by its secret's digest
        "mails",  # the application may add and not read
        "revocations",  # ids of what was ended, which every replica must see
        "chain_cursors", "chain_blocks", "chain_accounts",  # of the chains
        "oldest_root", "audit_retention",  # one number, one id
        "audit_log", "audit_positions", "audit_nodes", "audit_runs", "audit_heads", "audit_evidence",  # hashes, quotes
        "key_register", "key_register_nodes",  # hashes and random numbers, which the enclaves check
    }  # fmt: skip
    async with await psycopg.AsyncConnection.connect(rows.server.url(OWNER)) as owner:
        found = await _tables(owner)
    open_tables = {name for name, enabled, forced, _ in found if not (enabled and forced)}
    assert open_tables == nobodys
    assert [name for name, _, _, kind in found if kind in "vmf"] == []


async def test_one_tenants_rows_are_there_and_the_others_are_not_seen(rows: Rows) -> None:
    one, two = rows.tenants
    async with Database(rows.server.url(APP), connections_max=1) as app:
        for mine in (one, two, one):
            # One pooled connection, used by the other tenant just before.
            async with app.transaction(mine) as connection:
                for table, column in rows.tables.items():
                    if not await _may(connection, table, "SELECT"):
                        continue
                    query = sql.SQL("SELECT {} AS tenant FROM {}").format(sql.Identifier(column), sql.Identifier(table))
                    found = {row["tenant"] for row in await (await connection.execute(query)).fetchall()}
                    assert found == {mine}, f"{table}: seen as {mine}"
        async with app.transaction() as connection:
            for table in rows.tables:
                if await _may(connection, table, "SELECT"):
                    query = sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(table))
                    row = await (await connection.execute(query)).fetchone()
                    assert row is not None
                    assert row["n"] == 0, f"{table}: seen without a tenant"


async def test_a_row_cannot_be_written_changed_or_moved_for_another_tenant(rows: Rows) -> None:
    one, two = rows.tenants
    refused = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
    async with Database(rows.server.url(APP), connections_max=1) as app:
        for table, column in rows.tables.items():
            theirs = {**rows.made[table, two], **({"id": uuid4()} if "id" in rows.made[table, two] else {})}
            insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, theirs)),
                sql.SQL(", ").join([sql.Placeholder()] * len(theirs)),
            )
            if table != "tenants":
                with pytest.raises(refused):
                    async with app.transaction(one) as connection:
                        await connection.execute(insert, list(theirs.values()))
            await _change(app, table, column, one, two)


async def _change(app: Database, table: str, column: str, one: UUID, two: UUID) -> None:
    """UPDATE and DELETE of the other's rows find none; one's own cannot be given away."""
    name, tenant = sql.Identifier(table), sql.Identifier(column)
    refused = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ForeignKeyViolation)
    for statement in (
        sql.SQL("UPDATE {} SET {} = {} WHERE {} = {}").format(name, tenant, tenant, tenant, sql.Literal(two)),
        sql.SQL("DELETE FROM {} WHERE {} = {}").format(name, tenant, sql.Literal(two)),
    ):
        try:
            async with app.transaction(one) as connection:
                assert (await connection.execute(statement)).rowcount == 0, table
        except psycopg.errors.InsufficientPrivilege:
            continue
    with pytest.raises(refused):
        async with app.transaction(one) as connection:
            await connection.execute(sql.SQL("UPDATE {} SET {} = {}").format(name, tenant, sql.Literal(two)))


async def _may(connection: psycopg.AsyncConnection[Any], table: str, right: str) -> bool:
    cursor = await connection.execute("SELECT has_table_privilege(%s, %s) AS may", [table, right])
    row = await cursor.fetchone()
    return bool(row and row["may"])


@pytest.mark.parametrize("table", ["users", "passwords", "totps", "recovery_codes", "passkeys", "wallets"])
async def test_a_persons_secrets_are_seen_by_nobody_else(rows: Rows, table: str) -> None:
    async with await psycopg.AsyncConnection.connect(rows.server.url(OWNER), autocommit=True) as owner:
        people = [row for (name, _), row in rows.made.items() if name == "users"]
        user = people[0]["id"]
        column = "id" if table == "users" else "user_id"
        await owner.execute("SELECT set_config('app.current_subject', %s, false)", [str(user)])
        if table != "users":
            own = Rows(rows.server, {})
            own.made = {("users", user): people[0]}
            own.made |= {("users", rows.tenants[0]): people[0]}
            await own.fill(owner, table, rows.tenants[0])
    async with Database(rows.server.url(APP)) as app:
        query = sql.SQL("SELECT {} AS person FROM {}").format(sql.Identifier(column), sql.Identifier(table))
        async with app.transaction(subject=user) as connection:
            assert {row["person"] for row in await (await connection.execute(query)).fetchall()} == {user}
        async with app.transaction(subject=uuid4()) as connection:
            assert await (await connection.execute(query)).fetchall() == []
        tenant = rows.tenants[0]
        async with app.transaction(tenant) as connection:
            seen = await (await connection.execute(query)).fetchall()
        # A tenant sees who belongs to it, and none of their secrets.
        assert (len(seen) > 0) == (table == "users")
