"""Secrets that are handed out to be given back once: links in mails, codes, challenges, requests under way."""

import hashlib
from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from nsl.identity import store
from nsl.kit.clock import random_text
from nsl.kit.db import Connection, Database


class OneTime:
    """Kept by the digest alone. ``purpose`` keeps kinds apart: a code never passes for a link."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, purpose: str, data: Mapping[str, Any], *, seconds: int, secret: str | None = None) -> str:
        """A new secret that stands for ``data`` for so long; or ``secret``, whose data is replaced."""
        async with self._database.transaction() as connection:
            return await make(connection, purpose, data, seconds=seconds, secret=secret)

    async def look(self, purpose: str, secret: str) -> dict[str, Any] | None:
        """What it stands for, if it still does."""
        async with self._database.transaction() as connection:
            return await store.look_at_one_time(connection, _digest(secret), purpose)

    async def take(self, purpose: str, secret: str) -> dict[str, Any] | None:
        """The same, and from now on it stands for nothing."""
        async with self._database.transaction() as connection:
            return await take(connection, purpose, secret)


async def make(
    connection: Connection, purpose: str, data: Mapping[str, Any], *, seconds: int, secret: str | None = None
) -> str:
    """As ``OneTime.make``, inside a transaction."""
    made = secret or random_text()
    await store.put_one_time(connection, _digest(made), purpose, Jsonb(data), seconds)
    return made


async def take(connection: Connection, purpose: str, secret: str) -> dict[str, Any] | None:
    """As ``OneTime.take``, inside a transaction: undone with it."""
    return await store.take_one_time(connection, _digest(secret), purpose)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
