"""Every SQL statement of the packages lives in a ``.sql`` file; transaction control is exempt."""

import ast
import re

from tests.house.tree import product

STATEMENT = re.compile(
    r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|CREATE\s+(TABLE|ROLE|DATABASE|POLICY|FUNCTION)|"
    r"ALTER\s+(TABLE|ROLE|DATABASE|SYSTEM)|GRANT\s|REVOKE\s|DROP\s+(TABLE|ROLE|DATABASE)|LISTEN\s|NOTIFY\s)",
)


def _text(node: ast.AST) -> str | None:
    """The leading literal text of a string or an f-string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value)
    return None


def test_sql_lives_in_sql_files() -> None:
    found = [
        f"{module.place}:{node.lineno}"
        for module in product()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant | ast.JoinedStr) and (text := _text(node)) and STATEMENT.match(text)
    ]
    assert not found
