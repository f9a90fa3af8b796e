"""A file about 400 lines, a function about 70; a longer one needs a reason in ``exceptions.py``."""

import ast

from tests.house.exceptions import LONG_FILES, LONG_FUNCTIONS
from tests.house.tree import everything

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def _functions() -> dict[str, int]:
    lengths = {}
    for module in everything():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lengths[f"{module.place}:{node.name}"] = node.end_lineno - node.lineno + 1
    return lengths


def test_no_file_is_longer_than_400_lines() -> None:
    long = {module.place: lines for module in everything() if (lines := module.text.count("\n")) > FILE_LINES_MAX}
    assert sorted(long) == sorted(LONG_FILES), long


def test_no_function_is_longer_than_70_lines() -> None:
    long = {place: lines for place, lines in _functions().items() if lines > FUNCTION_LINES_MAX}
    assert sorted(long) == sorted(LONG_FUNCTIONS), long
