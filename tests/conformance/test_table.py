"""The table of docs/reference/conformance.md is the one of the tests."""

from tests.conformance.clauses import SHOWN
from tests.conformance.golden_table import GOLDEN, table


def test_the_table_is_up_to_date() -> None:
    assert table() == GOLDEN.read_text(encoding="utf-8"), "make golden"


def test_the_clauses_are_many() -> None:
    table()
    assert len(SHOWN) >= 200
