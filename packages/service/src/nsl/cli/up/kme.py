"""Runs the key enclave's program, `nsl-enclave kme`, in SIM. The service never imports its code."""

import signal
from dataclasses import dataclass
from pathlib import Path

from nsl.cli.up.process import Child, ProcessSpec, console_script
from nsl.cli.up.state import CREDENTIALS, StateFolder


@dataclass(frozen=True)
class Kme:
    """The key enclave with its seal in ``directory`` and the certificates in ``tls``."""

    directory: Path
    tls: Path
    port: int
    bootstrap: bool

    @classmethod
    def at(cls, state: StateFolder, tls: Path) -> "Kme":
        """The enclave of a state folder, on a port of its own."""
        directory = state.folder("kme")
        directory.chmod(0o700)
        # Once there are credentials there are keys under the old root: a lost seal is refused, never replaced.
        bootstrap = not (state.path / CREDENTIALS).exists()
        return cls(directory, tls, state.port("kme"), bootstrap)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def spec(self) -> ProcessSpec:
        """How it is run: no privilege can be gained; a new root is sealed only before the first credentials."""
        command = [
            console_script("nsl-enclave"), "kme", "--listen", self.address,
            "--tls-dir", str(self.tls), "--state", str(self.directory),
        ]  # fmt: skip
        if self.bootstrap:
            command.append("--bootstrap")
        return ProcessSpec(
            name="kme",
            command=command,
            ready=_ready,
            advice="If its seal is lost or damaged, the keys are lost with it: `nsl up --fresh` makes new ones.",
            death_signal=signal.SIGKILL,
            no_new_privs=True,
        )


async def _ready(child: Child) -> bool:
    return child.ready_line() is not None
