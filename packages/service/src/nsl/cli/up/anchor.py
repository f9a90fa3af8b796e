"""Heads of the default run's log are anchored on its N3 devnet, by `nsl audit anchor` with development money."""

import signal
from dataclasses import dataclass
from pathlib import Path

from nsl.cli.anchoring import N3Network, make_key, read_key
from nsl.cli.up.faucet import Payment, pay_n3
from nsl.cli.up.n3 import MAGIC, N3Node
from nsl.cli.up.process import Child, ProcessSpec, console_script
from nsl.cli.up.state import StateFolder
from nsl.cli.up.witness import LogToFollow
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.verification import account

NAME = "anchor"
INTERVAL_SECONDS = 60
FUNDS_DATOSHI = 10 * 10**8
FUNDS_DATOSHI_MIN = 10**8


@dataclass(frozen=True)
class DevelopmentAnchor:
    """What lies in ``directory``: the key that pays, and what was anchored."""

    directory: Path
    node: N3Node

    @classmethod
    def at(cls, state: StateFolder, node: N3Node) -> "DevelopmentAnchor":
        """The one of a state folder."""
        directory = state.folder(NAME)
        directory.chmod(0o700)
        made = cls(directory, node)
        if not made._key.exists():
            make_key(made._key)
        return made

    async def fund(self) -> None:
        """Give its account development money, where it is short of it. Raises NotReady, NodeDown, NodeError."""
        private = read_key(self._key)
        async with N3Network(MAGIC, (self.node.url,)).chain() as chain:
            if await chain.balance(private) < FUNDS_DATOSHI_MIN:
                await pay_n3(self.node, [Payment(account(PublicKey.of(private)).address, FUNDS_DATOSHI)])

    def spec(self, log: LogToFollow, witness_url: str) -> ProcessSpec:
        """How it is run, for that log."""
        paths = ["--key", str(self._key), "--state", str(self.directory / "state.json")]
        where = ["--witness", witness_url, "--n3", f"{MAGIC}@{self.node.url}"]
        return ProcessSpec(
            name=NAME,
            command=[
                *(console_script("nsl"), "audit", "anchor", *paths, "--log", log.option, *where),
                *("--interval-seconds", str(INTERVAL_SECONDS)),
            ],
            ready=_ready,
            advice="Its log says what is missing.",
            death_signal=signal.SIGKILL,
            no_new_privs=True,
        )

    @property
    def _key(self) -> Path:
        return self.directory / "key.wif"


async def _ready(_: Child) -> bool:
    """It serves nobody: nothing has to wait for it."""
    return True
