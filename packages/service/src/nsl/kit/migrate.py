"""Migrations: numbered plain SQL files, run once each, in order.

``pre`` runs before new code is deployed and must leave the old code working; ``post`` runs after the last old process
is gone. A file is one transaction together with the note that it ran; an advisory lock keeps two runs apart.
"""

import hashlib
from importlib.resources import files
from typing import Any, LiteralString

from psycopg import AsyncConnection, OperationalError
from psycopg.errors import RaiseException
from psycopg.rows import dict_row

from nsl.kit.db import DatabaseDown, load_queries
from nsl.kit.errors import Conflict

PHASES = ("pre", "post")
_QUERIES = load_queries("nsl.kit", "migrate.sql")


class MigrationChanged(Conflict):
    """A file that has run reads differently now: what the database holds is no longer what the files say."""

    code = "MIGRATION_CHANGED"


class MigrationRefused(Conflict):
    """A file found something that it cannot go on from, and says what to do; it changed nothing."""

    code = "MIGRATION_REFUSED"


async def apply(owner_url: str, phase: str = "pre") -> list[str]:
    """Run what has not run yet, as the role that owns the tables; the names of the files that ran now.

    Raises:
        DatabaseDown: the database does not answer.
        MigrationChanged: a file that ran was edited; nothing was run.
        MigrationRefused: what ran before it stays.
    """
    try:
        connection = await AsyncConnection.connect(owner_url, autocommit=True, row_factory=dict_row)
    except OperationalError as error:
        raise DatabaseDown("The database does not answer; check NSL_DATABASE_OWNER_URL.") from error
    async with connection:
        await connection.execute(_QUERIES["lock"])
        try:
            return await _apply_locked(connection, phase)
        finally:
            await connection.execute(_QUERIES["unlock"])


async def _apply_locked(connection: AsyncConnection[dict[str, Any]], phase: str) -> list[str]:
    await connection.execute(_QUERIES["create_record"])
    cursor = await connection.execute(_QUERIES["applied"], {"phase": phase})
    applied = {row["name"]: row["sha256"] for row in await cursor.fetchall()}
    waiting = []
    for name, text in migrations(phase).items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        if name not in applied:
            waiting.append((name, text, digest))
        elif applied[name] != digest:
            raise MigrationChanged(f"{phase}/{name} has run already and was edited since. Write a new file instead.")
    for name, text, digest in waiting:
        try:
            async with connection.transaction():
                await connection.execute(text)
                await connection.execute(_QUERIES["record"], {"phase": phase, "name": name, "sha256": digest})
        except RaiseException as error:
            raise MigrationRefused(f"{phase}/{name}: {error.diag.message_primary}") from error
    return [name for name, _, _ in waiting]


def migrations(phase: str) -> dict[str, LiteralString]:
    """The files of a phase by name, in order.

    Raises:
        ValueError: no such phase, or two files share a number.
    """
    if phase not in PHASES:
        raise ValueError(f"{phase}: no such phase; there are {' and '.join(PHASES)}")
    folder = files("nsl").joinpath("db", phase)
    found = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".sql")}
    if len({name.partition("_")[0] for name in found}) != len(found):
        raise ValueError(f"{phase}: two migrations share a number")
    return dict(sorted(found.items()))
