"""A replica of the key cluster inside the test's own process, on quotes of the real format that a test may bend."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.json import encode
from msgspec.structs import replace

from nsl.cli.custodian import CustodianKeys
from nsl_enclave.kernel.phases import Role
from nsl_enclave.kernel.server import Peer
from nsl_enclave.kernel.slots import SlotFile
from nsl_enclave.kme.cluster import Cluster
from nsl_enclave.kme.constitution import read_constitution
from nsl_enclave.kme.program import KeyManagement
from nsl_enclave.kme.state import Seal
from nsl_enclave.platform.provisioning import Provisioning, Standing
from nsl_enclave.platform.quoting import QuotingEnclave, ReportBody
from nsl_protocol.attestation.policy import EnclaveRule
from nsl_protocol.attestation.verify import TrustAnchor
from nsl_protocol.cluster.constitution import GENESIS_FILE, PRESENT_FILE, Constitution
from nsl_protocol.cluster.manifest import Manifest, Program, SignedManifest, sign_off
from nsl_protocol.enclave.messages import Answer, Refused, Request
from nsl_protocol.enclave.wire import HEADER_BYTES, call_frame, read_reply

MRENCLAVE = b"m" * 32
PROVISIONING = Provisioning(b"s" * 32)
ANCHOR = TrustAnchor(PROVISIONING.root_der)


@dataclass
class BentPlatform:
    """A platform whose quotes say what the test wants."""

    mrenclave: bytes = MRENCLAVE
    debug: bool = False
    standing: Standing = field(default_factory=Standing)
    secret: bytes = b"k" * 32
    mode = "sim"
    security_version = 1
    anchor = ANCHOR

    @property
    def measurement(self) -> str:
        return self.mrenclave.hex()

    def quote(self, report_data: bytes) -> bytes:
        return self._quoting().quote(ReportBody(self.mrenclave, b"n" * 32, 1, 1, report_data, debug=self.debug))

    def collateral(self, at: float) -> bytes:
        return self._quoting().collateral(datetime.fromtimestamp(at, UTC)).encode()

    def sealing_key(self) -> bytes:
        return self.secret

    def isolate(self) -> tuple[str, ...]:
        return ()

    def _quoting(self) -> QuotingEnclave:
        return QuotingEnclave(PROVISIONING, self.standing)


class Founders:
    """Custodians and the manifests that they sign, in a folder."""

    def __init__(self, directory: Path, *, count: int = 3, threshold: int = 2, **fields: Any) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.custodians = [CustodianKeys.new(f"c{number}") for number in range(1, count + 1)]
        rules = {Program.KME: (EnclaveRule(mrenclave=MRENCLAVE.hex()),)}
        public = tuple(each.public for each in self.custodians)
        self.genesis = Manifest(1, public, threshold, rules, fields.pop("clients", {}), **fields)
        (directory / GENESIS_FILE).write_bytes(encode(sign_off(self.genesis)))

    @property
    def constitution(self) -> Constitution:
        return read_constitution(self.directory)

    def update(self, signers: int = 2, **changes: Any) -> bytes:
        """The next manifest, signed; written beside the genesis too."""
        present = self.constitution
        changes = {"version": present.present.version + 1, "cluster": present.cluster.hex()} | changes
        signed: SignedManifest = sign_off(replace(present.present, **changes))
        for each in self.custodians[:signers]:
            signed = signed.signed_by(each.name, each.signing)
        document = encode(signed)
        (self.directory / PRESENT_FILE).write_bytes(document)
        return document


class Replica:
    """Its program, called without a network; ``peer`` is whoever is at the other end."""

    def __init__(self, founders: Founders, state: Path, platform: BentPlatform | None = None) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.platform = platform or BentPlatform()
        self.constitution = founders.constitution
        seal = Seal(self.platform, SlotFile(state / "kme.state"))
        self.cluster = Cluster(self.platform, self.constitution, seal)
        self.program = KeyManagement(self.platform, self.cluster)
        self.peer = Peer()

    def call(self, request: Request, peer: Peer | None = None) -> Answer:
        """The answer, be it a refusal."""
        frame = self.program.handle(peer or self.peer, call_frame(1, request)[HEADER_BYTES:])
        return read_reply(frame[HEADER_BYTES:]).body

    def ask[T](self, kind: type[T], request: Request, peer: Peer | None = None) -> T:
        answer = self.call(request, peer)
        assert isinstance(answer, kind), answer
        return answer

    def refusal(self, request: Request, peer: Peer | None = None) -> str:
        """``CODE: reason``."""
        answer = self.ask(Refused, request, peer)
        return f"{answer.code}: {answer.reason}"


def client() -> Peer:
    """A host process that has enrolled."""
    return Peer(Role.CLIENT, "service", 1, None, 0)
