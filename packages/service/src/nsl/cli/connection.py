"""Which layer a command talks to, and as whom."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsl.cli.output import fail

if TYPE_CHECKING:
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


def connect(credentials: Path | None) -> "Client":
    """The client of a credentials file."""
    from nsl_client import Client

    file = credentials or DEFAULT_CREDENTIALS
    if not file.is_file():
        fail(
            f"There are no credentials at {file}. Start a layer with `nsl up`, or name a file with --credentials or "
            "NSL_CREDENTIALS."
        )
    try:
        return Client.from_credentials(file)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    except (KeyError, ValueError, TypeError):
        fail(f"{file} is not a credentials file: it must hold base_url, client_id and client_secret as JSON.")
