"""What is handed out once, by functions of the database that show one row and no list."""

from typing import Any

from psycopg.types.json import Jsonb

from nsl.identity.store.clients import QUERIES
from nsl.kit.db import Connection, fetch_one


async def put_one_time(connection: Connection, sha256: bytes, purpose: str, data: Jsonb, seconds: int) -> None:
    """Keep it for so many seconds."""
    parameters = {"sha256": sha256, "purpose": purpose, "data": data, "seconds": seconds}
    await connection.execute(QUERIES["put_one_time"], parameters)


async def look_at_one_time(connection: Connection, sha256: bytes, purpose: str) -> dict[str, Any] | None:
    """What it stands for."""
    row = await fetch_one(connection, QUERIES["look_at_one_time"], {"sha256": sha256, "purpose": purpose})
    return None if row is None else row["data"]


async def take_one_time(connection: Connection, sha256: bytes, purpose: str) -> dict[str, Any] | None:
    """What it stood for until now."""
    row = await fetch_one(connection, QUERIES["take_one_time"], {"sha256": sha256, "purpose": purpose})
    return None if row is None else row["data"]
