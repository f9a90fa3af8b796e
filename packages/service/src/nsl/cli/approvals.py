"""``nsl approvals``: approvals of single signatures. An approver reads and signs on his own machine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsl.cli.addresses import AddressIndex
from nsl.cli.connection import AsJson, Credentials, connect, key_of
from nsl.cli.output import explained, fail, show_list, show_record
from nsl.cli.payloads import KindOption, payload_of
from nsl.cli.policy_changes import ApproverName, KeyFile, secret_in, signing

if TYPE_CHECKING:
    from nsl_client import Client
    from nsl_client.approvals import Approval

app = typer.Typer(no_args_is_help=True, help="Approvals of signatures: ask, list, read, approve, reject, revoke.")
ApprovalId = Annotated[str, typer.Argument(help="The approval's id.")]


@app.command()
def ask(
    key_id: Annotated[str, typer.Argument(help="The id or alias of the key that is to sign.")],
    payload: Annotated[str, typer.Argument(help="What it is to sign, as for `nsl keys sign`.")],
    kind: Annotated[KindOption, typer.Option(help="What the payload is.")] = KindOption.MESSAGE,
    network: Annotated[int | None, typer.Option(help="A transaction's N3 magic number or EVM chain id.")] = None,
    address_index: AddressIndex = None,
    hours: Annotated[int, typer.Option(min=1, max=719, help="How long it may be given and used.")] = 24,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Ask for the approval of a signature. When it is approved: `nsl keys sign … --approval ID`.

    Example: nsl approvals ask KEY_ID --kind n3-transaction --network 860833102 00...
    """
    with explained(), connect(credentials) as client:
        made = client.approvals.ask(
            key_of(client, key_id),
            kind.value,
            payload_of(kind, payload),
            network=network,
            address_index=address_index,
            expires_in_seconds=hours * 3600,
        )
        show_record(made, as_json=as_json)


@app.command("list")
def list_(
    key_id: Annotated[str | None, typer.Option("--key", help="Of this key alone.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are over as well.")] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List approvals that wait for decisions or for their use.

    Example: nsl approvals list
    """
    with explained(), connect(credentials) as client:
        found = client.every(
            client.approvals.list, key_id=None if key_id is None else key_of(client, key_id), open_only=not every
        )
        columns = {"id": "id", "state": "state", "meaning": "meaning", "key": "key_id", "expires": "expires_at"}
        show_list(list(found), columns, as_json=as_json)


@app.command()
def show(approval_id: ApprovalId, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Show an approval, read from its bytes on this machine.

    Example: nsl approvals show APPROVAL_ID
    """
    with explained(), connect(credentials) as client:
        approval = client.approvals.get(approval_id)
        typer.echo(f"it would {_read(client, approval)}", err=True)
        show_record(approval, as_json=as_json)


@app.command()
def approve(
    approval_id: ApprovalId, name: ApproverName, key: KeyFile, credentials: Credentials = None, as_json: AsJson = False
) -> None:
    """Approve: what would be signed is read from its bytes and shown, and your signature is over exactly that.

    Example: nsl approvals approve APPROVAL_ID --name ann --key ann.key
    """
    _decide(approval_id, name, key, credentials, reject=False, as_json=as_json)


@app.command()
def reject(
    approval_id: ApprovalId, name: ApproverName, key: KeyFile, credentials: Credentials = None, as_json: AsJson = False
) -> None:
    """Reject, with your signature.

    Example: nsl approvals reject APPROVAL_ID --name ann --key ann.key
    """
    _decide(approval_id, name, key, credentials, reject=True, as_json=as_json)


@app.command()
def challenge(
    approval_id: ApprovalId,
    reject: Annotated[bool, typer.Option("--reject", help="To reject it.")] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show what a page asks your passkey for, after what would be signed was read from its bytes.

    Example: nsl approvals challenge APPROVAL_ID
    """
    from nsl_client.passkeys import challenge as challenge_of

    with explained(), connect(credentials) as client:
        approval = client.approvals.get(approval_id)
        typer.echo(f"it would {_read(client, approval)}", err=True)
        show_record({"challenge": challenge_of(approval.statement, reject=reject)}, as_json=as_json)


@app.command()
def decide(
    approval_id: ApprovalId,
    name: ApproverName,
    assertion: Annotated[Path, typer.Option(help="What the page gave, `credential.toJSON()`, as a file.")],
    reject: Annotated[bool, typer.Option("--reject", help="It rejects.")] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Bring what an approver has decided with a passkey.

    Example: nsl approvals decide APPROVAL_ID --name ann --assertion credential.json
    """
    from nsl_client.passkeys import proof

    with explained(), connect(credentials) as client:
        try:
            made = proof(json.loads(assertion.read_bytes()))
        except (OSError, ValueError) as error:
            fail(f"{assertion}: {error}")
        show_record(
            client.approvals.decide(approval_id, name, "reject" if reject else "approve", made), as_json=as_json
        )


@app.command()
def revoke(approval_id: ApprovalId, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Let an approval be used no more, approved or not.

    Example: nsl approvals revoke APPROVAL_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.approvals.revoke(approval_id), as_json=as_json)


def _decide(approval_id: str, name: str, key: Path, credentials: Path | None, *, reject: bool, as_json: bool) -> None:
    from nsl_client.approvals import sign_decision

    with explained(), connect(credentials) as client:
        approval = client.approvals.get(approval_id)
        typer.echo(f"it would {_read(client, approval)}", err=True)
        with signing():
            signature = sign_decision(approval, secret_in(key), reject=reject)
        decided = client.approvals.decide(approval_id, name, "reject" if reject else "approve", signature)
        show_record(decided, as_json=as_json)


def _read(client: "Client", approval: "Approval") -> str:
    from nsl_client.approvals import read
    from nsl_client.governance import read_document

    key, policy = client.keys.get(approval.key_id), client.keys.policy(approval.key_id)
    try:
        return read(approval, read_document(policy.policy), key.curve, approval.public_key)
    except ValueError as error:
        fail(str(error))
