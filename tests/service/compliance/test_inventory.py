"""The inventory of personal data and the schema: every column with a text is classified, once."""

from collections.abc import Callable
from typing import Any

from nsl.compliance.model import IMPERSONAL, INVENTORY, Fate

TEXTS = ("text", "json", "jsonb", "bytea", "inet", "ARRAY")
COLUMNS = (
    "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
    " USING (table_schema, table_name) WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
    " AND c.data_type = ANY(%s) AND c.udt_name <> '_uuid' AND c.table_name <> 'schema_migrations'"
)


def test_every_column_is_classified_once(sql: Callable[..., list[tuple[Any, ...]]]) -> None:
    columns = set(sql(COLUMNS, list(TEXTS)))
    personal = [(each.table, field) for each in INVENTORY for field in each.fields]
    impersonal = [(table, field) for table, fields in IMPERSONAL.items() for field in fields.split()]
    assert len(personal + impersonal) == len({*personal, *impersonal})
    ids = {("grants", "subject"), ("delegations", "from_user"), ("delegations", "to_user"), ("legal_holds", "subject")}
    assert columns - {*personal, *impersonal} == set(), "classify them in nsl.compliance.model.inventory"
    assert {*personal, *impersonal} - columns == ids, "there is no such column with a text"


def test_what_expires_says_when() -> None:
    assert all((each.days is not None) == (each.fate is Fate.EXPIRES) for each in INVENTORY)
