"""Runs the key enclave's program, `nsl-enclave kme`, in SIM. The service never imports its code."""

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nsl.adapters.enclave import PostgresRegister
from nsl.cli.up.cluster import DevelopmentCluster
from nsl.cli.up.errors import NotReady
from nsl.cli.up.process import Child, ProcessSpec, console_script, inherited_environment, run
from nsl.cli.up.state import StateFolder
from nsl.cli.up.supervisor import Supervisor
from nsl.kit.db import Database

PROGRAM = "kme"


@dataclass(frozen=True)
class Kme:
    """One replica: its seal in ``directory``, the cluster's manifest and simulation in ``cluster``."""

    name: str
    directory: Path
    cluster: DevelopmentCluster
    port: int

    @classmethod
    def at(cls, state: StateFolder, cluster: DevelopmentCluster, number: int = 1) -> "Kme":
        """The replica of a state folder, on a port of its own."""
        name = PROGRAM if number == 1 else f"{PROGRAM}-{number}"
        directory = state.folder(name)
        directory.chmod(0o700)
        return cls(name, directory, cluster, state.port(name))

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    async def mrenclave(self) -> str:
        """What the installed program measures, hex."""
        output = await run(*self._command(), "--measure", environment=inherited_environment())
        return str(json.loads(output)["mrenclave"])

    def spec(self) -> ProcessSpec:
        """How it is run: no privilege can be gained."""
        return ProcessSpec(
            name=self.name,
            command=[*self._command(), "--listen", self.address, "--manifest", str(self.cluster.manifests)],
            ready=_ready,
            advice="Its log says what is missing.",
            death_signal=signal.SIGKILL,
            no_new_privs=True,
        )

    def _command(self) -> list[str]:
        state, simulation = str(self.directory), str(self.cluster.simulation)
        return [console_script("nsl-enclave"), PROGRAM, "--state", state, "--simulation", simulation]


async def _ready(child: Child) -> bool:
    return child.ready_line() is not None


def development_cluster(state: StateFolder) -> DevelopmentCluster:
    """The one of this state folder. Raises NotReady: it is of a version that knew no clusters."""
    if (state.path / PROGRAM / "kme.seal").exists():
        raise NotReady("This state folder is of an older version, whose keys this one cannot open: `nsl up --fresh`.")
    directory = state.folder("cluster")
    directory.chmod(0o700)
    return DevelopmentCluster(directory)


async def start_cluster(supervisor: Supervisor, cluster: DevelopmentCluster, replicas: Sequence[Kme]) -> None:
    """Start the replicas; they have no root yet. Raises NotReady."""
    cluster.prepare(await replicas[0].mrenclave(), replicas=len(replicas))
    for replica in replicas:
        await supervisor.start(replica.spec())


async def establish(cluster: DevelopmentCluster, replicas: Sequence[Kme], owner_url: str, *, may_found: bool) -> str:
    """Give the replicas their root, by the database that they go on with; what was done. Raises NotReady."""
    async with Database(owner_url, connections_max=1) as owner:
        addresses = [("127.0.0.1", replica.port) for replica in replicas]
        return await cluster.establish(addresses, PostgresRegister(owner), may_found=may_found)
