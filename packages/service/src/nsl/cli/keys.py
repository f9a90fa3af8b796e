"""``nsl keys``: keys in the enclave."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nsl.cli.connection import AsJson, Credentials, connect
from nsl.cli.output import explained, show_list, show_record
from nsl.cli.policy_files import read_document
from nsl.cli.portable import COMMANDS, Recipients
from nsl.cli.secrets import COMMANDS as SECRET_COMMANDS

app = typer.Typer(no_args_is_help=True, help="Keys in the enclave: make, import, sign, encrypt, export, destroy.")
for name, command in (*COMMANDS.items(), *SECRET_COMMANDS.items()):
    app.command(name)(command)


class CurveOption(StrEnum):
    SECP256R1 = "secp256r1"
    SECP256K1 = "secp256k1"
    ED25519 = "ed25519"
    AES_256_GCM = "aes-256-gcm"
    HMAC_SHA256 = "hmac-sha256"


class KindOption(StrEnum):
    MESSAGE = "message"
    DIGEST = "digest"
    N3_TRANSACTION = "n3-transaction"
    EVM_TRANSACTION = "evm-transaction"
    TYPED_DATA = "typed-data"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for people; it need not be unique.")],
    curve: Annotated[
        CurveOption,
        typer.Option(help="secp256r1 pays on Neo N3, secp256k1 on Neo X, the last two encrypt and authenticate."),
    ] = CurveOption.SECP256R1,
    policy: Annotated[
        Path | None, typer.Option(help="What it may sign, as JSON; `nsl policy check` reads it first. Fixed for good.")
    ] = None,
    recipients: Recipients = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Make a key inside the enclave. Its private part never leaves it, but to recipients who are named here and now.

    Example: nsl keys create treasury --curve secp256k1 --policy payout.json
    """
    with explained(), connect(credentials) as client:
        document = None if policy is None else read_document(policy)
        made = client.keys.create(name, curve.value, policy=document, export_recipients=recipients or ())
        show_record(made, as_json=as_json)


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
    payload: Annotated[
        str, typer.Argument(help="A message's text; hex for a digest or a transaction; the JSON of typed data.")
    ],
    kind: Annotated[KindOption, typer.Option(help="What the payload is.")] = KindOption.MESSAGE,
    network: Annotated[int | None, typer.Option(help="A transaction's N3 magic number or EVM chain id.")] = None,
    approval: Annotated[str | None, typer.Option(help="The approval that was given for exactly this.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Sign. The enclave parses what it signs; a message is put into its curve's envelope first.

    To pay somebody use `nsl tx send`, which builds, signs and sends.

    Example: nsl keys sign KEY_ID "I own this key"
    """
    with explained(), connect(credentials) as client:
        what = payload_of(kind, payload)
        made = client.keys.sign(key_id, kind.value, what, network=network, approval_id=approval)
        show_record(made, as_json=as_json)


@app.command()
def policy(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show what a key may sign, and the hash by which receipts name its policy.

    Example: nsl keys policy KEY_ID --json
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.policy(key_id), as_json=as_json)


@app.command()
def verify(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    payload: Annotated[str, typer.Argument(help="What is said to be signed, as for `nsl keys sign`.")],
    signature: Annotated[str, typer.Argument(help="The signature, as hex.")],
    kind: Annotated[KindOption, typer.Option(help="What the payload is.")] = KindOption.MESSAGE,
    network: Annotated[int | None, typer.Option(help="A transaction's N3 magic number or EVM chain id.")] = None,
    salt: Annotated[str | None, typer.Option(help="As sign answered it, for messages of secp256r1 keys.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Check a signature against a key. Exit status 1 if it is not this key's over exactly that.

    Example: nsl keys verify KEY_ID hello 5d41...
    """
    with explained(), connect(credentials) as client:
        found = client.keys.verify(key_id, kind.value, payload_of(kind, payload), signature, network=network, salt=salt)
        show_record(found, as_json=as_json)
    raise typer.Exit(0 if found.valid else 1)


@app.command()
def evaluate(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    payload: Annotated[
        str, typer.Argument(help="A message's text; hex for a digest or a transaction; the JSON of typed data.")
    ],
    kind: Annotated[KindOption, typer.Option(help="What the payload is.")] = KindOption.MESSAGE,
    network: Annotated[int | None, typer.Option(help="A transaction's N3 magic number or EVM chain id.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Ask the enclave what it would say to signing this, and why. Nothing is signed; exit status 1 if it would refuse.

    Example: nsl keys evaluate KEY_ID --kind n3-transaction --network 860833102 00...
    """
    with explained(), connect(credentials) as client:
        found = client.keys.evaluate(key_id, kind.value, payload_of(kind, payload), network=network)
        show_record(found, as_json=as_json)
    raise typer.Exit(0 if found.allowed else 1)


@app.command()
def disable(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Let a key sign nothing until it is enabled. The enclave enforces it, whatever row is brought back.

    A destruction that waits is undone by it, too: the key is kept, and still signs nothing.

    Example: nsl keys disable KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.disable(key_id), as_json=as_json)


@app.command()
def enable(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Let a key sign again: one that was disabled, or one that waits for its destruction, which is undone.

    Example: nsl keys enable KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.enable(key_id), as_json=as_json)


@app.command()
def destroy(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    wait_days: Annotated[int, typer.Option(min=7, max=365, help="How long it can be undone, in days.")] = 30,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Destroy a key after a wait. It signs nothing from now on; until the wait is over `nsl keys enable` undoes it.

    Move what its addresses hold first: a key that is destroyed comes back from no backup.

    Example: nsl keys destroy KEY_ID --wait-days 7
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.destroy(key_id, wait_days=wait_days), as_json=as_json)


def payload_of(kind: KindOption, text: str) -> dict[str, Any]:
    if kind is KindOption.MESSAGE:
        return {"text": text}
    if kind is not KindOption.TYPED_DATA:
        return {"hex": text}
    try:
        document = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"typed data is a JSON document: {error}", param_hint="PAYLOAD") from error
    if not isinstance(document, dict):
        raise typer.BadParameter("typed data is a JSON object", param_hint="PAYLOAD")
    return document
