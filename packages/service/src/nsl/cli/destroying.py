"""``nsl keys`` for the end of a key: after a wait, by whom its policy names, and with a certificate."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nsl.cli.connection import AsJson, Credentials, KeyId, connect, key_of
from nsl.cli.output import explained, show_record
from nsl.cli.policy_changes import (
    ApproverName,
    Approving,
    ExpiresAt,
    KeyFile,
    TenantId,
    approvals_expire,
    approvals_in,
    approve_change,
)
from nsl.cli.portable import TrustFile, keep_and_judge, tenant_of

WaitDays = Annotated[int, typer.Option(min=7, max=365, help="How long it can be undone, in days.")]


def destroy(
    key_id: KeyId,
    wait_days: WaitDays = 30,
    accept_balances: Annotated[
        bool, typer.Option("--accept-balances", help="Whatever its addresses hold is lost with it.")
    ] = False,
    approval: Annotated[
        list[Path] | None, typer.Option(help="An approval, as `nsl keys approve-destroy --json` prints it.")
    ] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Destroy a key after a wait. It signs nothing from now on; until the wait is over `nsl keys enable` undoes it.

    Not while its addresses hold something: a key that is destroyed comes back from no backup. A key whose policy names
    who changes it needs their signatures, as many as a change of the policy takes.

    Example: nsl keys destroy KEY_ID --wait-days 7
    """
    with explained(), connect(credentials) as client:
        until, signatures = approvals_in(approval) if approval else (0, {})
        destroying = client.keys.destroy(
            key_of(client, key_id),
            wait_days=wait_days,
            accept_balances=accept_balances,
            expires_at=until,
            approvals=signatures,
        )
        show_record(destroying, as_json=as_json)


def approve_destroy(
    key_id: KeyId,
    name: ApproverName,
    key: KeyFile,
    wait_days: WaitDays = 30,
    *,
    expires_at: ExpiresAt = None,
    tenant: TenantId = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Sign, on this machine, that a key may be destroyed after so many days. Any other change of the key ends that.

    Example: nsl keys approve-destroy KEY_ID --name ann --key ann.key --json > ann.approval
    """
    from nsl_client.governance import destruction

    with explained(), connect(credentials) as client:
        by = Approving(name, key, expires_at or approvals_expire(), tenant or tenant_of(credentials))
        statement = partial(destruction, wait_days=wait_days)
        approve_change(
            client,
            key_id,
            by,
            lambda found: f"destroy key {found.id} ({found.name}) {wait_days} days after it is asked for",
            statement,
            as_json=as_json,
        )


def destruction_certificate(
    key_id: KeyId,
    trust: TrustFile = None,
    out: Annotated[Path | None, typer.Option(help="Where to keep it, for others to verify.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Get the enclave's word that a key was destroyed, and verify it here.

    `final_at` is the operator's: until then a backup may hold the wrapped key. It comes back from none: the enclave
    keeps to the tombstone over every row and database that is restored.

    Exit status 1 if a step does not hold, or hangs on nothing that you have pinned.

    Example: nsl keys destruction-certificate KEY_ID --trust trust.json --out treasury.destroyed.json
    """
    from nsl_client.evidence import fresh_nonce

    nonce = fresh_nonce()
    with explained(), connect(credentials) as client:
        found = client.keys.destruction_certificate(key_of(client, key_id), nonce)
    typer.echo(f"by the operator's word no backup holds it from {found.final_at:%Y-%m-%d %H:%M} UTC on", err=True)
    keep_and_judge(found, out, trust, nonce, as_json=as_json)


COMMANDS: dict[str, Callable[..., None]] = {
    "destroy": destroy,
    "approve-destroy": approve_destroy,
    "destruction-certificate": destruction_certificate,
}
