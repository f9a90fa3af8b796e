"""``nsl keys``: keys in the enclave."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from msgspec import UNSET

from nsl.cli.addresses import COMMANDS as ADDRESS_COMMANDS
from nsl.cli.addresses import AddressIndex
from nsl.cli.connection import AsJson, Credentials, KeyId, connect, key_of
from nsl.cli.destroying import COMMANDS as DESTROYING_COMMANDS
from nsl.cli.freezing import COMMANDS as FREEZING_COMMANDS
from nsl.cli.output import explained, show_list, show_record
from nsl.cli.payloads import KindOption, payload_of
from nsl.cli.policy_changes import requesting
from nsl.cli.policy_files import read_document
from nsl.cli.portable import COMMANDS, Recipients
from nsl.cli.scoring import score_in
from nsl.cli.secrets import COMMANDS as SECRET_COMMANDS

app = typer.Typer(no_args_is_help=True, help="Keys in the enclave: make, import, sign, encrypt, export, destroy.")
for name, command in (COMMANDS | SECRET_COMMANDS | FREEZING_COMMANDS | DESTROYING_COMMANDS | ADDRESS_COMMANDS).items():
    app.command(name)(command)


class CurveOption(StrEnum):
    SECP256R1 = "secp256r1"
    SECP256K1 = "secp256k1"
    ED25519 = "ed25519"
    RSA_3072 = "rsa-3072"
    AES_256_GCM = "aes-256-gcm"
    HMAC_SHA256 = "hmac-sha256"


class StateOption(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    DESTROYING = "destroying"
    FROZEN = "frozen"
    DESTROYED = "destroyed"


Alias = Annotated[str | None, typer.Option(help="A name that one live key has; commands take it in an id's place.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="NAME=VALUE; may be given several times.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for people; it need not be unique. An alias is.")],
    curve: Annotated[
        CurveOption,
        typer.Option(help="secp256r1 pays on Neo N3, secp256k1 on Neo X, the last two encrypt and authenticate."),
    ] = CurveOption.SECP256R1,
    policy: Annotated[
        Path | None, typer.Option(help="What it may sign, as JSON; `nsl policy check` reads it first. Fixed for good.")
    ] = None,
    alias: Alias = None,
    tag: Tags = None,
    recipients: Recipients = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Make a key inside the enclave. Its private part never leaves it, but to recipients who are named here and now.

    Example: nsl keys create treasury --curve secp256k1 --policy payout.json --alias payout
    """
    with explained(), connect(credentials) as client:
        document = None if policy is None else read_document(policy)
        made = client.keys.create(
            name, curve.value, policy=document, export_recipients=recipients or (), alias=alias, tags=_tags(tag)
        )
        show_record(made, as_json=as_json)


@app.command("list")
def list_(
    alias: Alias = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, or NAME with any value; several: all of them.")
    ] = None,
    curve: Annotated[CurveOption | None, typer.Option(help="Of this curve.")] = None,
    state: Annotated[StateOption | None, typer.Option(help="In this state.")] = None,
    rotation_due: Annotated[
        bool, typer.Option("--rotation-due", help="Active ones that should have been rotated or replaced by now.")
    ] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List the tenant's keys: all, or those that fit every option.

    Example: nsl keys list --tag env=production --state active
    """
    with explained(), connect(credentials) as client:
        columns = {
            each: each for each in ("id", "alias", "name", "curve", "state", "addresses", "tags", "last_used_at")
        }
        only = {"alias": alias, "tags": tag or (), "curve": curve and curve.value, "state": state and state.value}
        found = client.every(client.keys.list, rotation_due=rotation_due, **only)
        show_list(list(found), columns, as_json=as_json)


@app.command()
def update(
    key_id: KeyId,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    alias: Annotated[str | None, typer.Option(help='Another alias; "" takes it away.')] = None,
    tag: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, put or changed; the others stay.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="The name of a tag that goes.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Change a key's name, alias or tags. Commands that take a key's id take its alias as well.

    Example: nsl keys update KEY_ID --alias treasury --tag env=production
    """
    with explained(), connect(credentials) as client:
        key = client.keys.get(key_of(client, key_id))
        kept = {each: value for each, value in key.tags.items() if each not in (untag or ())}
        changed = client.keys.update(
            key.id,
            name=UNSET if name is None else name,
            alias=UNSET if alias is None else alias or None,
            tags=UNSET if tag is None and untag is None else kept | (_tags(tag) or {}),
        )
        show_record(changed, as_json=as_json)


@app.command()
def get(
    key_id: KeyId,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show a key: public key, addresses, policy, the enclave that holds it.

    Example: nsl keys get KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.get(key_of(client, key_id)), as_json=as_json)


@app.command()
def sign(
    key_id: KeyId,
    payload: Annotated[
        str, typer.Argument(help="A message's text; hex for a digest or a transaction; the JSON of typed data.")
    ],
    kind: Annotated[KindOption, typer.Option(help="What the payload is.")] = KindOption.MESSAGE,
    network: Annotated[int | None, typer.Option(help="A transaction's N3 magic number or EVM chain id.")] = None,
    approval: Annotated[str | None, typer.Option(help="The approval that was given for exactly this.")] = None,
    address_index: AddressIndex = None,
    *,
    requester: Annotated[
        str | None, typer.Option(help="Sign the request as this requester of the key's policy.")
    ] = None,
    requester_key: Annotated[
        Path | None, typer.Option(help="With the key that `nsl policy approver-key` wrote there.")
    ] = None,
    risk_score: Annotated[
        Path | None, typer.Option(help="A score of exactly this, as `nsl policy score --json` prints it.")
    ] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Sign. The enclave parses what it signs; a message is put into its curve's envelope first.

    To pay somebody use `nsl tx send`, which builds, signs and sends.

    Example: nsl keys sign KEY_ID "I own this key"
    """
    with explained(), connect(credentials) as client:
        what, key = payload_of(kind, payload), key_of(client, key_id)
        signed = None
        if requester is not None:
            by = requesting(client, key, requester, requester_key, credentials)
            statement = None if approval is None else client.approvals.get(approval).statement
            signed = by.sign(kind.value, what, network=network, address_index=address_index, statement=statement)
        made = client.keys.sign(
            key,
            kind.value,
            what,
            network=network,
            approval_id=approval,
            address_index=address_index,
            request_signature=signed,
            risk_score=None if risk_score is None else score_in(risk_score),
        )
        show_record(made, as_json=as_json)


@app.command()
def policy(
    key_id: KeyId,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show what a key may sign, and the hash by which receipts name its policy.

    Example: nsl keys policy KEY_ID --json
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.policy(key_of(client, key_id)), as_json=as_json)


@app.command()
def verify(
    key_id: KeyId,
    payload: Annotated[str, typer.Argument(help="What is said to be signed, as for `nsl keys sign`.")],
    signature: Annotated[str, typer.Argument(help="The signature, as hex.")],
    kind: Annotated[KindOption, typer.Option(help="What the payload is.")] = KindOption.MESSAGE,
    network: Annotated[int | None, typer.Option(help="A transaction's N3 magic number or EVM chain id.")] = None,
    salt: Annotated[str | None, typer.Option(help="As sign answered it, for messages of secp256r1 keys.")] = None,
    address_index: AddressIndex = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Check a signature against a key. Exit status 1 if it is not this key's over exactly that.

    Example: nsl keys verify KEY_ID hello 5d41...
    """
    with explained(), connect(credentials) as client:
        found = client.keys.verify(
            key_of(client, key_id),
            kind.value,
            payload_of(kind, payload),
            signature,
            network=network,
            salt=salt,
            address_index=address_index,
        )
        show_record(found, as_json=as_json)
    raise typer.Exit(0 if found.valid else 1)


@app.command()
def evaluate(
    key_id: KeyId,
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
        found = client.keys.evaluate(key_of(client, key_id), kind.value, payload_of(kind, payload), network=network)
        show_record(found, as_json=as_json)
    raise typer.Exit(0 if found.allowed else 1)


@app.command()
def rotate(key_id: KeyId, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Let a secret key encrypt and authenticate by another secret. What it did before still opens and verifies.

    The layer does so by itself when the key's `rotates_at` comes. A key that signs is not rotated: others know it by
    its public key or address, so make another one, move what its addresses hold, and destroy it.

    Example: nsl keys rotate KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.rotate(key_of(client, key_id)), as_json=as_json)


@app.command()
def disable(
    key_id: KeyId,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Let a key sign nothing until it is enabled. The enclave enforces it, whatever row is brought back.

    A destruction that waits is undone by it, too: the key is kept, and still signs nothing.

    Example: nsl keys disable KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.disable(key_of(client, key_id)), as_json=as_json)


@app.command()
def enable(
    key_id: KeyId,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Let a key sign again: one that was disabled, or one that waits for its destruction, which is undone.

    Example: nsl keys enable KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.enable(key_of(client, key_id)), as_json=as_json)


def _tags(named: list[str] | None) -> dict[str, str] | None:
    if named is None:
        return None
    for each in named:
        if "=" not in each:
            raise typer.BadParameter(f"a tag is NAME=VALUE, not {each!r}", param_hint="--tag")
    return dict(each.split("=", 1) for each in named)
