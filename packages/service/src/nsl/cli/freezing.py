"""``nsl keys`` for the emergency stop of a key, and for lifting it."""

from collections.abc import Callable
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


def freeze(key_id: KeyId, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Stop a key at once: it does nothing until somebody with more rights lifts it. A waiting destruction ends.

    The enclave enforces it, whatever row or database is brought back. Anybody who works with the key may freeze it.

    Example: nsl keys freeze KEY_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.freeze(key_of(client, key_id)), as_json=as_json)


def unfreeze(
    key_id: KeyId,
    approval: Annotated[
        list[Path] | None, typer.Option(help="An approval, as `nsl keys approve-unfreeze --json` prints it.")
    ] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Let a frozen key be what it was: active, or disabled where it signed nothing before.

    A key whose policy names who changes it needs their signatures, as many as a change of the policy takes.

    Example: nsl keys unfreeze KEY_ID --approval ann.approval --approval bob.approval
    """
    with explained(), connect(credentials) as client:
        until, signatures = approvals_in(approval) if approval else (0, {})
        key = client.keys.unfreeze(key_of(client, key_id), expires_at=until, approvals=signatures)
        show_record(key, as_json=as_json)


def approve_unfreeze(
    key_id: KeyId,
    name: ApproverName,
    key: KeyFile,
    expires_at: ExpiresAt = None,
    tenant: TenantId = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Sign, on this machine, that a frozen key may be unfrozen. It holds for this freeze alone.

    Example: nsl keys approve-unfreeze KEY_ID --name ann --key ann.key --json > ann.approval
    """
    from nsl.cli.portable import tenant_of
    from nsl_client.governance import unfreezing

    with explained(), connect(credentials) as client:
        by = Approving(name, key, expires_at or approvals_expire(), tenant or tenant_of(credentials))
        approve_change(
            client,
            key_id,
            by,
            lambda frozen: f"unfreeze key {frozen.id} ({frozen.name}), frozen at {frozen.frozen_at}",
            unfreezing,
            as_json=as_json,
        )


def freeze_all(credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Stop every key of the tenant, those that sign first, and let none be made. The worker freezes what is left.

    Example: nsl keys freeze-all
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.freeze_all(client.me().tenant), as_json=as_json)


def unfreeze_all(credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Let keys be made again. It unfreezes none: `nsl keys unfreeze` does, each with the approvals that it takes.

    Example: nsl keys unfreeze-all
    """
    with explained(), connect(credentials) as client:
        show_record(client.keys.lift_freeze(client.me().tenant), as_json=as_json)


COMMANDS: dict[str, Callable[..., None]] = {
    "freeze": freeze,
    "unfreeze": unfreeze,
    "approve-unfreeze": approve_unfreeze,
    "freeze-all": freeze_all,
    "unfreeze-all": unfreeze_all,
}
