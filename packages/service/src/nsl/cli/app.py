"""The commands that run the layer, and those of ``nsl keys`` and ``nsl tx``."""

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsl.cli import approvals, attestation, audit, compliance, enclave, keys, policies, transactions
from nsl.cli.connection import AsJson
from nsl.cli.faucet import faucet
from nsl.cli.login import login, logout, whoami
from nsl.cli.output import explained, show_record

if TYPE_CHECKING:
    from nsl.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The Neo Service Layer. `nsl up` runs all of it on this machine; everything else is run by `nsl up` or "
    "talks to it.",
)
admin = typer.Typer(no_args_is_help=True, help="Set the layer up.")
app.add_typer(keys.app, name="keys")
app.add_typer(policies.app, name="policy")
app.add_typer(approvals.app, name="approvals")
app.add_typer(transactions.app, name="tx")
app.add_typer(attestation.app, name="attestation")
app.add_typer(audit.app, name="audit")
app.add_typer(compliance.app, name="compliance")
app.add_typer(enclave.app, name="enclave")
app.add_typer(admin, name="admin")
app.command()(faucet)
app.command()(login)
app.command()(logout)
app.command()(whoami)
app.command()(audit.verify)


@app.command()
def up(
    state: Annotated[Path, typer.Option(help="Where chains, keys and database are kept.")] = Path(".state"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew: delete the state folder first.")] = False,
    tour: Annotated[bool, typer.Option("--tour", help="Show it at work: real transfers on both chains.")] = False,
    exit_: Annotated[bool, typer.Option("--exit", help="End when ready, or after the tour.")] = False,
    as_json: AsJson = False,
    port: Annotated[int | None, typer.Option(help="Of the API; 0 takes a free one. Default: 5000 if free.")] = None,
    network: Annotated[str, typer.Option(help="devnet, testnet, mainnet, or the URL of a node.")] = "devnet",
    n3_block_time: Annotated[int, typer.Option(help="Milliseconds between blocks of the N3 devnet.")] = 1000,
    neox_block_time: Annotated[int, typer.Option(help="Milliseconds between blocks of the Neo X devnet.")] = 1000,
    kme_replicas: Annotated[int, typer.Option(min=1, max=7, help="Of the key enclave; 3 survive the loss of two.")] = 1,
) -> None:
    """Run the whole layer on this machine until Ctrl-C: PostgreSQL, both chains, key enclave, API, worker.

    Example: nsl up --tour --exit --json
    """
    from nsl.cli.up.command import UpOptions, run_up
    from nsl.cli.up.stack import StackOptions

    stack = StackOptions(
        state=state,
        fresh=fresh,
        port=port,
        network=network,
        n3_block_time_ms=n3_block_time,
        neox_block_time_ms=neox_block_time,
        kme_replicas=kme_replicas,
    )
    raise typer.Exit(run_up(UpOptions(stack=stack, tour=tour, exit_when_done=exit_, as_json=as_json)))


@app.command()
def serve() -> None:
    """Serve the HTTP API. Settings come from the environment (NSL_*); the log is JSON lines.

    Example: NSL_DATABASE_URL=postgresql://... nsl serve
    """
    from nsl import wiring

    with explained():
        _run(wiring.serve(_settings()))


@app.command()
def work() -> None:
    """Drive the transaction pipeline; run as many as you like. Settings as for `nsl serve`; the log is JSON lines.

    Example: NSL_DATABASE_WORKER_URL=postgresql://... nsl work
    """
    from nsl import wiring

    with explained():
        _run(wiring.work(_settings()))


@app.command()
def migrate(
    phase: Annotated[str, typer.Option(help="pre: before new code is deployed; post: after old code is gone.")] = "pre",
    as_json: AsJson = False,
) -> None:
    """Bring the database's schema up to date, as its owner (NSL_DATABASE_OWNER_URL).

    Example: NSL_DATABASE_OWNER_URL=postgresql://... nsl migrate --phase pre
    """
    from nsl.kit.migrate import apply
    from nsl.settings import needed

    with explained():
        owner_url = needed(_settings().database_owner_url, "NSL_DATABASE_OWNER_URL")
        show_record({"phase": phase, "applied": _run(apply(owner_url, phase))}, as_json=as_json)


@app.command()
def version(
    as_json: AsJson = False,
) -> None:
    """Say which version this is.

    Example: nsl version --json
    """
    from importlib.metadata import version as installed_version

    show_record({"nsl": installed_version("nsl")}, as_json=as_json)


@admin.command()
def bootstrap(
    as_json: AsJson = False,
) -> None:
    """Make the first administrator, once and never again (NSL_DATABASE_OWNER_URL). The secret is shown this once.

    Example: NSL_DATABASE_OWNER_URL=postgresql://... nsl admin bootstrap --json > credentials.json
    """
    from nsl import wiring

    with explained():
        made: dict[str, Any] = _run(wiring.bootstrap_admin(_settings()))
        show_record(made, as_json=as_json)


@admin.command("break-glass")
def break_glass(
    reason: Annotated[str, typer.Option(help="Why nobody else can help; the audit keeps it.")],
    minutes: Annotated[int, typer.Option(min=1, max=240, help="Until it ends by itself.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Make a platform administrator for an emergency, as the database's owner. It ends by itself; an alert is raised.

    Example: NSL_DATABASE_OWNER_URL=postgresql://... nsl admin break-glass --reason "lost the administrator"
    """
    from nsl import wiring

    with explained():
        show_record(_run(wiring.open_break_glass(_settings(), reason, minutes)), as_json=as_json)


def _settings() -> "Settings":
    from nsl.settings import Settings

    return Settings.from_environment(os.environ)


def _run[T](main: Coroutine[Any, Any, T]) -> T:
    import uvloop

    return uvloop.run(main)
