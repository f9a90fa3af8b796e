"""``nsl policy`` for policies that change: whoever may change one signs on his own machine."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsl.cli.connection import AsJson, Credentials, KeyId, connect, key_of
from nsl.cli.enclave_connection import not_there
from nsl.cli.output import explained, fail, show_list, show_record
from nsl.cli.policy_files import read_document
from nsl.kit.clock import unix_seconds
from nsl_protocol.enclave.lifecycle import DAY_SECONDS

if TYPE_CHECKING:
    from nsl_client import Client, Key, KeyPolicy
    from nsl_client.requests import Requester
    from nsl_protocol.policy.changing import Approvable

ApproverName = Annotated[str, typer.Option(help="Your name among the policy's approvers.")]
KeyFile = Annotated[Path, typer.Option(help="Your private key, as `nsl policy approver-key` wrote it.")]
ExpiresAt = Annotated[
    int | None, typer.Option(help="Unix seconds; all approvers sign the same. Default: in 7 days, printed.")
]
TenantId = Annotated[str | None, typer.Option(help="The tenant's id. Default: that of the credentials.")]
PolicyFile = Annotated[Path, typer.Argument(help="The policy that is to hold, as JSON.")]


def approver_key(
    out: Annotated[Path, typer.Option(help="Where to write the private key; mode 0600.")],
    as_json: AsJson = False,
) -> None:
    """Make an approver's key (Ed25519), and show what a policy names it by.

    Example: nsl policy approver-key --out ann.key
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from nsl.kit.files import write_private

    with explained():
        not_there(out)
        key = Ed25519PrivateKey.generate()
        public_key = key.public_key().public_bytes_raw().hex()
        record = {"public_key": public_key, "private_key": key.private_bytes_raw().hex()}
        write_private(out, json.dumps(record, indent=2) + "\n")
        show_record({"algorithm": "ed25519", "public_key": public_key}, as_json=as_json)


def approve(
    key_id: KeyId,
    file: PolicyFile,
    name: ApproverName,
    key: KeyFile,
    expires_at: ExpiresAt = None,
    tenant: TenantId = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Sign a change of a key's policy, on this machine. The policy that holds and the new one are shown first.

    Example: nsl policy approve KEY_ID new.json --name ann --key ann.key --json > ann.approval
    """
    from nsl.cli.portable import tenant_of
    from nsl_client.governance import approve, policy_change

    with explained(), connect(credentials) as client:
        key_id = key_of(client, key_id)
        present, document = client.keys.policy(key_id), read_document(file)
        until = expires_at or approvals_expire()
        _show_change(present, document)
        with signing():
            change = policy_change(key_id, tenant or tenant_of(credentials), present, document, expires_at=until)
            signature = approve(change, secret_in(key))
        show_record({"name": name, "signature": signature, "to": change.to, "expires_at": until}, as_json=as_json)


def change(
    key_id: KeyId,
    file: PolicyFile,
    approval: Annotated[list[Path], typer.Option(help="An approval, as `nsl policy approve --json` prints it.")],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Put another policy in place, with enough approvals of those whom the present one names.

    It holds at once, or after the time lock of the present policy; until then `nsl policy withdraw` takes it back.

    Example: nsl policy change KEY_ID new.json --approval ann.approval --approval bob.approval
    """
    with explained(), connect(credentials) as client:
        until, signatures = approvals_in(approval)
        key_id = key_of(client, key_id)
        client.keys.change_policy(key_id, read_document(file), expires_at=until, approvals=signatures)
        show_record(client.keys.policy(key_id), as_json=as_json)


def withdraw(key_id: KeyId, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Let the policy that waits wait no more; the present one goes on.

    Example: nsl policy withdraw KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.withdraw_policy(key_of(client, key_id)), as_json=as_json)


def compare(
    key_id: KeyId,
    file: PolicyFile,
    last: Annotated[int, typer.Option(min=1, max=1000, help="How many of the latest signatures.")] = 100,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show which of the key's latest signatures another policy would not have allowed, or by other rules.

    Example: nsl policy compare KEY_ID new.json --last 1000
    """
    with explained(), connect(credentials) as client:
        found = client.keys.compare_policy(key_of(client, key_id), read_document(file), last=last)
        if as_json:
            show_record(found, as_json=True)
            return
        typer.echo(f"{found.examined} signatures looked at, {len(found.differences)} would come out otherwise")
        columns = {"receipt": "receipt_id", "kind": "kind", "meaning": "meaning", "before": "before", "after": "after"}
        show_list(found.differences, columns, as_json=False)


COMMANDS: dict[str, Callable[..., None]] = {
    "approver-key": approver_key,
    "approve": approve,
    "change": change,
    "withdraw": withdraw,
    "compare": compare,
}


def _show_change(present: "KeyPolicy", document: dict[str, Any]) -> None:
    typer.echo(f"holds now, number {present.number}:\n{json.dumps(present.policy, indent=2)}", err=True)
    typer.echo(f"is to hold:\n{json.dumps(document, indent=2)}", err=True)


@dataclass(frozen=True, slots=True)
class Approving:
    """By whom a change of a key is approved, until when, and for which tenant."""

    name: str
    key: Path
    expires_at: int
    tenant: str


def approve_change(
    client: "Client",
    key_id: str,
    by: Approving,
    told: "Callable[[Key], str]",
    statement: "Callable[..., Approvable]",
    *,
    as_json: bool,
) -> None:
    """Sign a change of a key, once it is told what that would do; ``statement``: of ``nsl_client.governance``."""
    from nsl_client.governance import approve

    found = client.keys.get(key_of(client, key_id))
    # an alias is the service's word for a key: the id is what is signed
    typer.echo(f"it would {told(found)}", err=True)
    with signing():
        made = statement(found, by.tenant, client.keys.policy(found.id), expires_at=by.expires_at)
        signature = approve(made, secret_in(by.key))
    show_record({"name": by.name, "signature": signature, "expires_at": by.expires_at}, as_json=as_json)


def approvals_expire() -> int:
    """When what approvers sign now does, Unix seconds, where they name no other time."""
    return unix_seconds() + 7 * DAY_SECONDS


def secret_in(file: Path) -> bytes:
    """The private key that ``nsl policy approver-key`` wrote there."""
    try:
        return bytes.fromhex(json.loads(file.read_bytes())["private_key"])
    except (OSError, ValueError, KeyError, TypeError):
        fail(f"{file} holds no approver's key: `nsl policy approver-key` makes one.")


def requesting(client: "Client", key_id: str, name: str, file: Path | None, credentials: Path | None) -> "Requester":
    """Who signs requests to a key by its present policy, which is shown to be the one that is named."""
    from nsl.cli.portable import tenant_of
    from nsl_client.governance import read_document as read_policy_of
    from nsl_client.requests import Requester

    if file is None:
        fail("A requester signs with a key: name its file with --requester-key.")
    present = client.keys.policy(key_id)
    if read_policy_of(present.policy).hash != present.hash:
        fail("The policy that is shown is not the one that is named: sign nothing.")
    return Requester(name, secret_in(file), present.cluster, tenant_of(credentials), key_id, present.hash)


@contextmanager
def signing() -> Iterator[None]:
    """What is not signed, because of what it is or the key, says so."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        fail(f"Not signed: {error}")


def approvals_in(files: list[Path]) -> tuple[int, dict[str, str]]:
    """Until when they are good, and the signatures by approver."""
    approvals = [_approval(each) for each in files]
    until = {int(each["expires_at"]) for each in approvals}
    if len(until) != 1:
        fail("The approvals expire at different times, so they are of different changes: sign with --expires-at.")
    return until.pop(), {str(each["name"]): str(each["signature"]) for each in approvals}


def _approval(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
        return {name: found[name] for name in ("name", "signature", "expires_at")}
    except (OSError, ValueError, KeyError, TypeError):
        fail(f"{file} is no approval: `nsl policy approve --json` makes one.")
