"""PostgreSQL: one transaction per request or job, with the tenant set inside it.

Two pools, by role: the application's, which row-level security confines to ``app.current_tenant``, and the worker's,
which serves every tenant's pipeline. Neither owns a table nor is a superuser. Statements live in ``.sql`` files, each
under a ``-- name: NAME`` line; a comment below that line says why.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, LiteralString, Self, cast
from uuid import UUID

from psycopg import AsyncConnection, OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from nsl.kit.errors import Unavailable

type Connection = AsyncConnection[DictRow]

_DOWN = "The database does not answer; the request can be repeated."
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class DatabaseDown(Unavailable):
    code = "DATABASE_UNAVAILABLE"


def load_queries(package: str, file: str = "queries.sql") -> Mapping[str, LiteralString]:
    """The named statements of a ``.sql`` file that lies beside a package's modules.

    Raises:
        ValueError: a name stands twice.
    """
    parts = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    names, bodies = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{package}/{file}: a query name stands twice")
    return {name: cast("LiteralString", body.strip()) for name, body in zip(names, bodies, strict=True)}


class Database:
    """A pool of connections of one role. Use as an async context manager."""

    def __init__(self, url: str, *, connections_max: int = 8, acquire_timeout_seconds: float = 5.0) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=connections_max,
            timeout=acquire_timeout_seconds,
            open=False,
            kwargs={"row_factory": dict_row, "autocommit": True, "prepare_threshold": 3},
            check=None,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open(wait=False)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def transaction(
        self, tenant: UUID | None = None, *, subject: UUID | None = None
    ) -> AsyncIterator[Connection]:
        """One database transaction, committed when the block ends well, with row-level security set to ``tenant``.

        Without a tenant, tenant tables show no rows to the application role; without a ``subject``, the tables of
        people's secrets show none.

        Raises:
            DatabaseDown: no connection could be had, or it was lost. Whether a lost COMMIT happened is unknown:
                callers make their writes idempotent.
        """
        begin = "BEGIN"
        if tenant is not None:
            begin += f"; SET LOCAL app.current_tenant = '{tenant}'"
        if subject is not None:
            begin += f"; SET LOCAL app.current_subject = '{subject}'"
        try:
            connection = await self._begun(begin)
            try:
                try:
                    yield connection
                except BaseException:
                    if not connection.closed:
                        await connection.execute("ROLLBACK", prepare=False)
                    raise
                await connection.execute("COMMIT", prepare=False)
            finally:
                await self._pool.putconn(connection)
        except (OperationalError, PoolTimeout, IdleInTransactionSessionTimeout) as error:
            raise DatabaseDown(_DOWN) from error

    async def _begun(self, begin: str) -> Connection:
        """A connection with a transaction begun. Those that were lost while they lay in the pool are passed over.

        A restart of the server loses all of them at once: nothing was asked on them, so nobody's request need fail.
        """
        for _ in range(self._pool.max_size):
            connection = await self._pool.getconn()
            try:
                # One message for both; a UUID cannot carry SQL.
                await connection.execute(begin, prepare=False)
            except BaseException as error:
                await self._pool.putconn(connection)
                if not isinstance(error, OperationalError):
                    raise
            else:
                return connection
        raise DatabaseDown(_DOWN)

    async def check(self) -> None:
        """An empty transaction, for readiness. Raises DatabaseDown."""
        async with self.transaction():
            pass


async def work_for(connection: Connection, tenant: UUID) -> None:
    """Let the rest of the present transaction work for another tenant."""
    await connection.execute(f"SET LOCAL app.current_tenant = '{tenant}'", prepare=False)


async def work_as(connection: Connection, subject: UUID) -> None:
    """Let the rest of the present transaction reach this person's own rows."""
    await connection.execute(f"SET LOCAL app.current_subject = '{subject}'", prepare=False)


async def fetch_one(connection: Connection, query: LiteralString, parameters: Mapping[str, Any]) -> DictRow | None:
    """The only row of a statement, or None."""
    cursor = await connection.execute(query, parameters)
    return await cursor.fetchone()


async def fetch_all(connection: Connection, query: LiteralString, parameters: Mapping[str, Any]) -> list[DictRow]:
    """Every row of a statement."""
    cursor = await connection.execute(query, parameters)
    return await cursor.fetchall()
