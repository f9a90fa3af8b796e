"""A simulated platform: an ordinary process that keeps the enclave's rules, and says ``sim`` wherever it is asked.

It protects keys from the rest of the service, not from root on the host, who can read any process's memory. The sealing
key hangs on the signer and the program, as ``MRSIGNER`` sealing does: an upgrade by the same signer opens old seals.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import nsl_enclave
import nsl_protocol
from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.derivation import derive
from nsl_enclave.kernel.errors import SealError
from nsl_enclave.kernel.files import write_private
from nsl_enclave.platform.isolation import isolate
from nsl_enclave.platform.quoting import QuotingEnclave, ReportBody
from nsl_protocol.attestation.verify import TrustAnchor

SIGNER = "neo-service-layer-development"
SECURITY_VERSION = 1
PRODUCTS = {"kme": 1, "cce": 2, "ave": 3, "cbe": 4}
_SECRET_BYTES = 32


class SimulatedPlatform:
    """The platform of ``SGX_MODE=SIM``.

    Args:
        state: holds ``platform.secret``, which stands for the processor's fuse key; made when it is missing.
        simulation: the folder of the host's quoting enclave, which all enclaves of a host share.

    Raises:
        PlatformError: the quoting enclave's folder cannot be used.
    """

    mode = "sim"
    security_version = SECURITY_VERSION

    def __init__(self, state: Path, simulation: Path, program: str) -> None:
        self._secret_file = state / "platform.secret"
        self._program = program
        self._quoting = QuotingEnclave.open(simulation)
        self.measurement = measure(program)
        self.signer = hashlib.sha256(SIGNER.encode()).hexdigest()
        self.product = PRODUCTS[program]
        self.anchor = TrustAnchor(self._quoting.root_der)
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._secret_file.exists():
            write_private(self._secret_file, random_bytes(_SECRET_BYTES))

    def quote(self, report_data: bytes) -> bytes:
        """In the real format, under the simulation's root."""
        identity = bytes.fromhex(self.measurement), bytes.fromhex(self.signer)
        return self._quoting.quote(ReportBody(*identity, self.product, self.security_version, report_data))

    def collateral(self, at: float) -> bytes:
        """The simulation's own."""
        return self._quoting.collateral(datetime.fromtimestamp(at, UTC)).encode()

    def sealing_key(self) -> bytes:
        """Raises SealError when the platform's secret cannot be read."""
        try:
            secret = self._secret_file.read_bytes()
        except OSError as error:
            raise SealError(f"The simulated platform's secret cannot be read: {error.strerror}.") from error
        return derive(secret, f"nsl-seal-v1\0{SIGNER}\0{self._program}".encode())

    def isolate(self) -> tuple[str, ...]:
        return isolate()


def measure(program: str) -> str:
    """SHA-256 over the program's name and every file of the enclave and the protocol, as hex."""
    digest = hashlib.sha256(program.encode())
    for package in (nsl_enclave, nsl_protocol):
        root = Path(str(package.__file__)).parent
        for path in sorted((*root.rglob("*.py"), *root.rglob("*.txt"))):
            code = path.read_bytes()
            digest.update(f"\0{package.__name__}/{path.relative_to(root).as_posix()}\0{len(code)}\0".encode() + code)
    return digest.hexdigest()
