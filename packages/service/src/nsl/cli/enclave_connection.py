"""Which enclave a command talks to directly, and by which manifest and roots it believes it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsl.cli.output import fail

if TYPE_CHECKING:
    from nsl.adapters.enclave import Trust, Visit

Address = Annotated[str, typer.Option("--address", help="HOST:PORT of a replica.")]
Addresses = Annotated[list[str], typer.Option("--address", help="HOST:PORT of a replica; may be given more than once.")]
Manifests = Annotated[
    Path,
    typer.Option("--manifest", envvar="NSL_MANIFEST_DIR", help="The folder of genesis.json and manifest.json."),
]
Root = Annotated[
    Path | None,
    typer.Option("--root", envvar="NSL_SIMULATED_ROOT", help="SIM: the root of the simulation, in DER."),
]
PccsUrl = Annotated[str | None, typer.Option("--pccs", envvar="NSL_PCCS_URL", help="Where to ask for collateral.")]
CustodianFiles = Annotated[
    list[Path], typer.Option("--custodian", help="A custodian's key file; may be given more than once.")
]
Packages = Annotated[Path, typer.Option("--packages", help="The custodians' packages.")]


@asynccontextmanager
async def visiting(address: str, trust: "Trust | None") -> AsyncIterator["Visit"]:
    """``trust``: None where nothing is asked that has to be proven."""
    from nsl.adapters.enclave import Trust, visit
    from nsl_protocol.cluster.manifest import Program

    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        fail(f"An address is HOST:PORT, not {address}.")
    async with visit((host, int(port)), Program.KME, trust or Trust(Path(), [], None)) as visiting:
        yield visiting


def trust_in(manifests: Path, root: Path | None, pccs: str | None) -> "Trust":
    from nsl.adapters.enclave import Trust
    from nsl.adapters.pccs import Pccs

    return Trust(manifests, anchors(root), None if pccs is None else Pccs(pccs))


def anchors(root: Path | None) -> list[Any]:
    from nsl_protocol.attestation.verify import INTEL, TrustAnchor

    if root is None:
        return [INTEL]
    try:
        return [TrustAnchor(root.read_bytes())]
    except OSError as error:
        fail(f"{root} cannot be read: {error.strerror}.")


def not_there(path: Path) -> None:
    if path.exists():
        fail(f"{path} is there already, and is not overwritten.")


def run[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)
