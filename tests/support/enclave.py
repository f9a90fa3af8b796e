"""A real key enclave process with certificates of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsl.adapters.enclave import EnclaveClient
from nsl.cli.up.certificates import make_certificates

PROGRAM = Path(sys.prefix) / "bin" / "nsl-enclave"


@dataclass
class Enclave:
    """A running one. ``kill`` and ``run`` it again at will."""

    directory: Path
    process: subprocess.Popen[str]
    ready: dict[str, Any]

    @property
    def tls(self) -> Path:
        return self.directory / "tls"

    @property
    def port(self) -> int:
        return int(self.ready["port"])

    def client(self) -> EnclaveClient:
        """The service's adapter."""
        return EnclaveClient("127.0.0.1", self.port, self.tls)


def command(directory: Path, *more: str, port: int = 0) -> list[str]:
    """How the program is run."""
    listen = f"127.0.0.1:{port}"
    return [
        str(PROGRAM), "kme", "--listen", listen, "--tls-dir", str(directory / "tls"), "--state", str(directory / "kme"),
        *more,
    ]  # fmt: skip


@contextmanager
def enclave(directory: Path, *, bootstrap: bool = True, port: int = 0, code: Path | None = None) -> Iterator[Enclave]:
    """Start it and wait for its ready line; end it afterwards. ``code``: a folder with another ``nsl_enclave``."""
    if not (directory / "tls").exists():
        make_certificates(directory / "tls")
    line = command(directory, *(["--bootstrap"] if bootstrap else []), port=port)
    environment = dict(os.environ)
    if code is not None:
        environment["PYTHONPATH"] = str(code)
        line[:1] = [sys.executable, "-m", "nsl_enclave.boot_simulated"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield Enclave(directory, process, json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(10)
