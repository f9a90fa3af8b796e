"""Consents, identity providers and logout notices in PostgreSQL, inside the caller's transaction."""

from typing import Any

from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries

_QUERIES = load_queries("nsl.oauth")


async def one(connection: Connection, query: str, **parameters: Any) -> dict[str, Any] | None:
    """The only row of one of the named statements, or None."""
    return await fetch_one(connection, _QUERIES[query], parameters)


async def every(connection: Connection, query: str, **parameters: Any) -> list[dict[str, Any]]:
    """All rows of one of the named statements."""
    return await fetch_all(connection, _QUERIES[query], parameters)


async def do(connection: Connection, query: str, **parameters: Any) -> None:
    """One of the named statements, without rows."""
    await connection.execute(_QUERIES[query], parameters)
