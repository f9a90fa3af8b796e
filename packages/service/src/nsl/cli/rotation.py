"""`nsl enclave root rotate`: the steps, in the order in which each may be the last before a crash."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import typer

from nsl import wiring
from nsl.adapters.enclave import Trust, Visit, visit
from nsl.adapters.rewrapping import rewrap_all
from nsl.cli.custodian import CustodianKeys, join, retire, write_packages
from nsl.cli.custodian import rotate as make_another
from nsl.kit.db import Database
from nsl.settings import Settings, needed
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import Founded
from nsl_protocol.enclave.messages import GetStatus, Status


async def rotate(
    settings: Settings, trust: Trust, custodians: Sequence[CustodianKeys], packages: Path, *, resume: bool
) -> dict[str, Any]:
    """Replace the root on the first replica, let the others join again, wrap everything anew, retire the old root.

    Raises:
        EnclaveUntrusted, EnclaveRefused: before anything is lost; ``resume`` goes on.
    """
    url = needed(settings.database_owner_url, "NSL_DATABASE_OWNER_URL")
    async with AsyncExitStack() as stack:
        visits = [await stack.enter_async_context(visit(each, Program.KME, trust)) for each in settings.kme_addresses]
        first, *others = await _newest_first(visits)
        if not resume:
            _keep(packages, await make_another(first, custodians))
            _say("another root is made, and shared among the custodians")
        await _join_again(first, others)
        async with (
            Database(url, connections_max=1) as owner,
            wiring.key_enclave(settings) as enclave,
        ):
            count = await rewrap_all(owner, enclave, _say)
        found = await retire(first, custodians)
        _keep(packages, found)
        await _join_again(first, others)
    return {"epoch": found.epoch, "rewrapped": count, "packages": str(packages)}


async def _newest_first(visits: Sequence[Visit]) -> list[Visit]:
    """A rotation that was interrupted may have reached one replica alone."""
    epochs = [(await each.ask(Status, GetStatus())).epoch for each in visits]
    return [visits[place] for place in sorted(range(len(visits)), key=lambda place: -epochs[place])]


async def _join_again(member: Visit, others: Sequence[Visit]) -> None:
    newest = (await member.ask(Status, GetStatus())).epoch
    for each in others:
        if (await each.ask(Status, GetStatus())).epoch < newest:
            await join(member, each)


def _keep(path: Path, found: Founded) -> None:
    write_packages(path, found.packages)


def _say(text: str) -> None:
    typer.echo(text, err=True)
