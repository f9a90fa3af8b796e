"""The witness of the default run: `nsl audit witness` with a key and memory of its own, as somebody else would run it.

On one machine it shows how it works; only one that somebody else runs elsewhere says anything about this layer.
"""

import json
import signal
from dataclasses import dataclass
from pathlib import Path

from nsl.adapters.enclave import visit
from nsl.cli.up.cluster import DevelopmentCluster
from nsl.cli.up.process import Child, ProcessSpec, console_script, listens
from nsl.cli.up.state import StateFolder
from nsl.cli.witness import WitnessKey
from nsl.kit.clock import random_bytes
from nsl.kit.files import write_private
from nsl_protocol.attestation.binding import NONCE_BYTES, Purpose
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import GetQuote, Quoted

NAME = "witness"
TRUST = "trust.json"


@dataclass(frozen=True)
class LogToFollow:
    """A log's name, and the Ed25519 key that signs its heads."""

    origin: str
    key: bytes

    @property
    def option(self) -> str:
        """As --log takes it."""
        return f"{self.origin}={self.key.hex()}"


@dataclass(frozen=True)
class DevelopmentWitness:
    """What lies in ``directory``: its key and what it has cosigned."""

    directory: Path
    port: int

    @classmethod
    def at(cls, state: StateFolder) -> "DevelopmentWitness":
        """The one of a state folder."""
        directory = state.folder(NAME)
        directory.chmod(0o700)
        made = cls(directory, state.port(NAME))
        if not made._key.exists():
            WitnessKey.make(f"{NAME}.localhost", made._key)
        return made

    @property
    def setting(self) -> str:
        """Its key and address, for NSL_WITNESSES."""
        return f"{self.verifier}@{self.url}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def verifier(self) -> str:
        """What its cosignatures are verified by."""
        return WitnessKey.read(self._key).public.text

    def spec(self, log: LogToFollow) -> ProcessSpec:
        """How it is run, for that log."""
        paths = ["--key", str(self._key), "--state", str(self.directory / "state.json")]
        paths += ["--evidence", str(self.directory / "evidence")]
        return ProcessSpec(
            name=NAME,
            command=[console_script("nsl"), "audit", "witness", *paths, "--log", log.option, "--listen", self._address],
            ready=self._ready,
            advice="Its log says what is missing.",
            death_signal=signal.SIGKILL,
            no_new_privs=True,
        )

    async def _ready(self, _: Child) -> bool:
        return await listens(self.port)

    @property
    def _address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def _key(self) -> Path:
        return self.directory / "key.json"


async def log_key_of(cluster: DevelopmentCluster, port: int) -> bytes:
    """The audit log's key, by a key enclave that has proven itself."""
    nonce = random_bytes(NONCE_BYTES)
    trust = cluster.trust()
    async with visit(("127.0.0.1", port), Program.KME, trust) as visiting:
        quoted = await visiting.ask(Quoted, GetQuote(Purpose.EVIDENCE, nonce))
    await trust.insist(Program.KME, Purpose.EVIDENCE, nonce, quoted.keys, quoted)
    return quoted.keys[0]


def write_trust(path: Path, cluster: DevelopmentCluster, witness: DevelopmentWitness) -> None:
    """What `nsl verify --trust` takes, of this layer: whoever verifies ours must get it from elsewhere than us."""
    constitution = cluster.trust().constitution()
    rules = constitution.present.programs[Program.KME]
    document = {
        "cluster": constitution.cluster.hex(),
        "measurements": [rule.mrenclave for rule in rules],
        "roots": [cluster.root_certificate.read_bytes().hex()],
        "witnesses": [witness.verifier],
        "witnesses_needed": 1,
    }
    write_private(path, json.dumps(document, indent=2))
