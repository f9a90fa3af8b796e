"""Which layer a command talks to, and as whom."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from nsl.cli.output import fail

if TYPE_CHECKING:
    from nsl_client import Client

DEFAULT_CREDENTIALS = Path(".state/credentials.json")
#: where `nsl login` keeps a person's sign-in
OWN_CREDENTIALS = Path.home() / ".config" / "nsl" / "credentials.json"

Credentials = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        envvar="NSL_CREDENTIALS",
        help="File with credentials; by default .state/credentials.json, else what `nsl login` wrote.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


KeyId = Annotated[str, typer.Argument(help="The key's id or alias.")]


def key_of(client: "Client", named: str) -> str:
    """The id of the key that is named by its id or by its alias."""
    try:
        return str(UUID(named))
    except ValueError:
        pass
    found = [each.id for each in client.keys.list(alias=named).items if each.state != "destroyed"]
    if not found:
        fail(f"No key has the alias {named}: `nsl keys list` shows ids and aliases, `nsl keys update` gives one.")
    return found[0]


def credentials_file(credentials: Path | None) -> Path:
    """The file that is named, else that of a layer started here, else a person's own."""
    if credentials is not None:
        return credentials
    return OWN_CREDENTIALS if OWN_CREDENTIALS.is_file() and not DEFAULT_CREDENTIALS.is_file() else DEFAULT_CREDENTIALS


def connect(credentials: Path | None) -> "Client":
    """The client of a credentials file."""
    from nsl_client import Client

    file = credentials_file(credentials)
    if not file.is_file():
        fail(
            f"There are no credentials at {file}. Start a layer with `nsl up`, sign in with `nsl login`, or name a "
            "file with --credentials or NSL_CREDENTIALS."
        )
    try:
        return Client.from_credentials(file)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    except (KeyError, ValueError, TypeError):
        fail(f"{file} is not a credentials file: as JSON it holds base_url, client_id and client_secret.")
