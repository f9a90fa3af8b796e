"""An alias is one live key's of its tenant: the database keeps to it, and whoever breaks it is told so."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from psycopg.errors import UniqueViolation

from nsl.keys import store
from nsl.keys.errors import AliasTaken
from nsl.keys.model import KeyFilter
from nsl.kit.db import Database


async def insist_on_free(database: Database, tenant: UUID, alias: str | None) -> None:
    """Before a key is made that could not be stored. Raises AliasTaken."""
    if alias is None:
        return
    async with database.transaction(tenant) as connection:
        found = await store.page(connection, tenant, KeyFilter(alias=alias), after=None, limit=1)
    if found:
        raise _taken(alias)


@contextmanager
def aliases_named(alias: str | None) -> Iterator[None]:
    """What the database says of an alias that another live key has, as AliasTaken."""
    try:
        yield
    except UniqueViolation as error:
        if alias is None or error.diag.constraint_name != "keys_by_alias":
            raise
        raise _taken(alias) from error


def _taken(alias: str) -> AliasTaken:
    return AliasTaken(f"Another key has the alias {alias}; take it from that one first.", field="alias")
