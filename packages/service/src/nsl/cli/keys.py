"""``nsl keys``: keys in the enclave."""

from enum import StrEnum
from typing import Annotated

import typer

from nsl.cli.connection import AsJson, Credentials, connect
from nsl.cli.output import explained, show_list, show_record

app = typer.Typer(no_args_is_help=True, help="Keys in the enclave: make, list, look at, sign.")


class CurveOption(StrEnum):
    SECP256R1 = "secp256r1"
    SECP256K1 = "secp256k1"
    ED25519 = "ed25519"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for people; it need not be unique.")],
    curve: Annotated[
        CurveOption, typer.Option(help="secp256r1 pays on Neo N3, secp256k1 on Neo X, ed25519 signs messages.")
    ] = CurveOption.SECP256R1,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Make a key inside the enclave. Its private part never leaves it.

    Example: nsl keys create treasury --curve secp256k1
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.create(name, curve.value), as_json=as_json)


@app.command("list")
def list_(
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List the tenant's keys.

    Example: nsl keys list --json
    """
    with explained(), connect(credentials) as client:
        columns = {"id": "id", "name": "name", "curve": "curve", "state": "state", "addresses": "addresses"}
        show_list(list(client.every(client.keys.list)), columns, as_json=as_json)


@app.command()
def get(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show a key: public key, addresses, policy, the enclave that holds it.

    Example: nsl keys get KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.get(key_id), as_json=as_json)


@app.command()
def sign(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    text: Annotated[str, typer.Argument(help="The message. It is signed inside the curve's message envelope.")],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Sign a message. Transactions are signed by `nsl tx send`.

    Example: nsl keys sign KEY_ID "I own this key"
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.sign(key_id, "message", {"text": text}), as_json=as_json)
