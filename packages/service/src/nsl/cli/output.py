"""What commands print: tables for people, JSON for programs, one clear sentence for errors."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from nsl.kit.errors import Failure
from nsl_client import ApiError, NslError

_errors = Console(stderr=True)
_results = Console()

_HINTS = {
    401: "Are the credentials those of this layer? See --credentials.",
    403: "The client's scopes do not allow this.",
    404: "Is the id right, and of this tenant?",
}


def fail(sentence: str) -> NoReturn:
    """End with status 1 and a sentence that says what to do."""
    _errors.print(f"[red]error:[/red] {sentence}", highlight=False, markup=True, soft_wrap=True)
    raise typer.Exit(1)


@contextmanager
def explained() -> Iterator[None]:
    """Turn every expected error into one sentence and exit status 1."""
    try:
        yield
    except ApiError as error:
        fail(f"{error} {_HINTS.get(error.status, '')}".strip())
    except (NslError, Failure) as error:
        fail(str(error))


def show_json(value: Any) -> None:
    """One JSON document on one line of standard output."""
    sys.stdout.write(json.dumps(msgspec.to_builtins(value)) + "\n")


def show_record(value: Any, *, as_json: bool) -> None:
    """One thing: its fields, one a line."""
    if as_json:
        show_json(value)
        return
    table = Table(show_header=False, box=None)
    for name, field in msgspec.to_builtins(value).items():
        if field is not None:
            table.add_row(f"[bold]{name}[/bold]", _text(field))
    _results.print(table)


def show_list(items: Sequence[Any], columns: Mapping[str, str], *, as_json: bool) -> None:
    """Many things: a table of the named fields (heading: field), or a JSON list of everything."""
    if as_json:
        show_json(list(items))
        return
    table = Table(*columns)
    for item in items:
        row = msgspec.to_builtins(item)
        table.add_row(*(_text(row.get(field)) for field in columns.values()))
    _results.print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
