"""A simulated platform: an ordinary process that keeps the enclave's rules, and says ``sim`` wherever it is asked.

It protects keys from the rest of the service, not from root on the host, who can read any process's memory. The sealing
key hangs on the signer and the program, as ``MRSIGNER`` sealing does: an upgrade by the same signer opens old seals.
"""

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import nsl_enclave
import nsl_protocol
from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import SealError
from nsl_enclave.kernel.files import write_private
from nsl_enclave.platform.isolation import isolate

SIGNER = "neo-service-layer-development"
SECURITY_VERSION = 1
_SECRET_BYTES = 32


class SimulatedPlatform:
    """The platform of ``SGX_MODE=SIM``; its secret lies in the state folder and stands for the processor's fuse key."""

    mode = "sim"
    security_version = SECURITY_VERSION

    def __init__(self, state: Path, program: str) -> None:
        self._secret_file = state / "platform.secret"
        self._program = program
        self.measurement = measure(program)

    def create(self) -> None:
        """Make the platform's secret, once."""
        if not self._secret_file.exists():
            write_private(self._secret_file, random_bytes(_SECRET_BYTES))

    def sealing_key(self) -> bytes:
        """Raises SealError when the platform was never made."""
        try:
            secret = self._secret_file.read_bytes()
        except OSError as error:
            raise SealError(f"The simulated platform's secret cannot be read: {error.strerror}.") from error
        info = f"nsl-seal-v1\0{SIGNER}\0{self._program}".encode()
        return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(secret)

    def isolate(self) -> tuple[str, ...]:
        return isolate()


def measure(program: str) -> str:
    """SHA-256 over the program's name and every code file of the enclave and the protocol, as hex."""
    digest = hashlib.sha256(program.encode())
    for package in (nsl_enclave, nsl_protocol):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            code = path.read_bytes()
            digest.update(f"\0{package.__name__}/{path.relative_to(root).as_posix()}\0{len(code)}\0".encode() + code)
    return digest.hexdigest()
