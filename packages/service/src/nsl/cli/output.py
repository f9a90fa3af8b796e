"""What commands print: tables for people, JSON for programs, one clear sentence for errors."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPED_WIDTH: Final = 240  # a table that is piped has no terminal to fit into: ids stay whole

_HINTS: Final = {
    401: "Are the credentials those of this layer? See --credentials.",
    404: "Is the id right, and of this tenant?",
}
#: where the code says more than the status: a policy's refusal explains itself
_HINTS_BY_CODE: Final = {"SCOPE_MISSING": "`nsl up` writes credentials that have every scope."}
_COLOURS: Final = {
    "active": "green", "confirmed": "green", "disabled": "yellow", "frozen": "blue", "destroyed": "red",
    "accepted": "cyan", "signed": "cyan", "submitted": "cyan", "failed": "red", "expired": "red",
}  # fmt: skip


def fail(sentence: str) -> NoReturn:
    """End with status 1 and a sentence that says what to do."""
    from rich.text import Text

    _console(sys.stderr).print(Text.assemble(("error: ", "bold red"), sentence), soft_wrap=True)
    raise typer.Exit(1)


@contextmanager
def explained() -> Iterator[None]:
    """Turn every expected error into one sentence and exit status 1; a defect keeps its traceback."""
    try:
        yield
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        fail(sentence)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on standard error, where that is a terminal, that something is under way."""
    with _console(sys.stderr).status(what):
        yield


def show_json(value: Any) -> None:
    """One JSON document on one line of standard output."""
    sys.stdout.write(json.dumps(_plain(value)) + "\n")


def show_record(value: Any, *, as_json: bool) -> None:
    """One thing: its fields, one a line."""
    if as_json:
        show_json(value)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None)
    for name, field in _plain(value).items():
        if field is not None:
            table.add_row(Text(name, "bold"), _cell(field))
    _console(sys.stdout).print(table)


def show_list(items: Sequence[Any], columns: Mapping[str, str], *, as_json: bool) -> None:
    """Many things: a table of the named fields (heading: field), or a JSON list of everything."""
    if as_json:
        show_json(list(items))
        return
    from rich.table import Table

    table = Table()
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for item in items:
        row = _plain(item)
        table.add_row(*(_cell(row.get(field)) for field in columns.values()))
    _console(sys.stdout).print(table)


def _sentence(error: Exception) -> str | None:
    """What to tell of an expected error; None for a defect."""
    from nsl.kit.errors import Failure
    from nsl_client import ApiError, ConnectionFailed, NslError

    if isinstance(error, ApiError):
        return f"{error} {_HINTS_BY_CODE.get(error.code, _HINTS.get(error.status, ''))}".strip()
    if isinstance(error, ConnectionFailed):
        return f"{error} Is it running? `nsl up` starts it; its address is base_url in the credentials file."
    if isinstance(error, NslError | Failure):
        return str(error)
    return None


def _plain(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)


def _console(stream: Any) -> "Console":
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH)


def _cell(value: Any) -> "Text":
    """Text, never markup: what comes from elsewhere cannot colour or hide anything."""
    from rich.text import Text

    if value is None:
        return Text()
    if isinstance(value, Mapping):
        return Text("\n".join(f"{name}: {_inner(field)}" for name, field in value.items()))
    text = _inner(value)
    return Text(text, _COLOURS.get(text, ""))


def _inner(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
