"""Runs the Neo X devnet's process, where Node.js has installed anvil."""

import os
import platform
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from nsl.cli.up.errors import ProgramMissing
from nsl.cli.up.neox.rules import CHAIN_ID
from nsl.cli.up.process import Child, ProcessSpec
from nsl.cli.up.state import StateFolder

ANVIL_VARIABLE = "NSL_ANVIL"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class NeoxNode:
    """The devnet in ``directory``: ``port`` is the guard's, ``node_port`` anvil's own, for the faucet alone."""

    directory: Path
    anvil: Path
    port: int
    node_port: int
    block_time_ms: int

    @classmethod
    def at(cls, state: StateFolder, *, block_time_ms: int = 1000) -> "NeoxNode":
        """The devnet of a state folder, on ports of its own.

        Raises:
            ProgramMissing: anvil is not installed.
        """
        return cls(state.folder("neox"), find_anvil(), state.port("neox"), state.port("anvil"), block_time_ms)

    @property
    def url(self) -> str:
        """Where its JSON-RPC is, as Neo X answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def node_url(self) -> str:
        """anvil's own JSON-RPC, with its unlocked genesis accounts: for the faucet, and for tests that break chains."""
        return f"http://127.0.0.1:{self.node_port}"

    def spec(self) -> ProcessSpec:
        """How it is run. SIGTERM saves the chain; SIGKILL loses what was mined since the last save."""
        return ProcessSpec(
            name="neox",
            command=(
                sys.executable, "-m", "nsl.cli.up.neox", "--anvil", str(self.anvil), "--port", str(self.port),
                "--node-port", str(self.node_port), "--directory", str(self.directory),
                "--block-time-ms", str(self.block_time_ms),
            ),
            ready=self._ready,
            advice="If the chain's data is damaged, `nsl up --fresh` begins a new one.",
            stop_signal=signal.SIGTERM,
            stop_timeout_seconds=30,
        )  # fmt: skip

    async def _ready(self, child: Child) -> bool:
        """Blocks are being made, and the guard answers."""
        if child.ready_line() is None:
            return False
        async with httpx.AsyncClient(timeout=2) as client:
            calls = [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": []}
                for number, method in enumerate(("eth_chainId", "eth_blockNumber"))
            ]
            try:
                chain, height = (answer["result"] for answer in (await client.post(self.url, json=calls)).json())
            except httpx.HTTPError:
                return False
        return int(chain, 16) == CHAIN_ID and int(height, 16) > 0


def find_anvil() -> Path:
    """The platform's anvil binary: ``NSL_ANVIL``, or what npm has installed in the project.

    The binary itself, not npx: killing npx leaves its child running.

    Raises:
        ProgramMissing: there is none.
    """
    if named := os.environ.get(ANVIL_VARIABLE):
        path = Path(named)
        if not path.is_file():
            raise ProgramMissing(f"{ANVIL_VARIABLE} names {named}, where there is no file.")
        return path
    machine = _MACHINES.get(platform.machine(), platform.machine())
    place = Path("node_modules", "@foundry-rs", f"anvil-{sys.platform}-{machine}", "bin", "anvil")
    for root in _roots():
        if (root / place).is_file():
            return root / place
    raise ProgramMissing(
        "anvil, the node of the Neo X devnet, is not installed: install Node.js and run `npm ci` in the project "
        f"(`make install` does), or set {ANVIL_VARIABLE} to the binary.",
    )


def _roots() -> Iterator[Path]:
    yield Path.cwd()
    yield from Path(__file__).resolve().parents
