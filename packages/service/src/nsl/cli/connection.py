"""Which layer a command talks to, and as whom."""

import os
from pathlib import Path
from typing import Annotated

import typer

from nsl.cli.output import fail
from nsl_client import Client

DEFAULT_CREDENTIALS = Path(".state/credentials.json")

Credentials = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        envvar="NSL_CREDENTIALS",
        help="File with base_url, client_id and client_secret; by default .state/credentials.json.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def connect(credentials: Path | None) -> Client:
    """The client of a credentials file."""
    file = credentials or DEFAULT_CREDENTIALS
    if not file.is_file():
        fail(
            f"There are no credentials at {file}. Start a layer with `nsl up`, or name a file with --credentials or "
            f"NSL_CREDENTIALS{'' if 'NSL_CREDENTIALS' not in os.environ else ' (which is set)'}."
        )
    try:
        return Client.from_credentials(file)
    except (KeyError, ValueError):
        fail(f"{file} is not a credentials file: it must hold base_url, client_id and client_secret as JSON.")
