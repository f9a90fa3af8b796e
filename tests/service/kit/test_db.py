"""Connections to PostgreSQL that are lost while nobody uses them are nobody's failure."""

import asyncio

import psycopg

from nsl.cli.up.postgres import APP, SUPERUSER
from nsl.kit.db import Database
from tests.support.service import Service

CONNECTIONS = 4


async def test_a_restart_of_the_server_costs_nobody_a_request(service: Service) -> None:
    together = asyncio.Barrier(CONNECTIONS)

    async def backend(database: Database) -> int:
        async with database.transaction() as connection:
            row = await (await connection.execute("SELECT pg_backend_pid() AS pid")).fetchone()
            await together.wait()
        assert row is not None
        return int(row["pid"])

    async with Database(service.postgres.url(APP), connections_max=CONNECTIONS) as database:
        before = await asyncio.gather(*(backend(database) for _ in range(CONNECTIONS)))
        with psycopg.connect(service.postgres.url(SUPERUSER), autocommit=True) as superuser:
            superuser.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) AS pid", [before])
        after = await asyncio.gather(*(backend(database) for _ in range(CONNECTIONS)))
    assert not {*before} & {*after}
