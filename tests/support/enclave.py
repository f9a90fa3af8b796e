"""A real key enclave process in a cluster of its own."""

import asyncio
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from nsl.adapters.enclave import EnclaveClient
from nsl.cli.up.cluster import DevelopmentCluster
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Policy
from tests.support.register import MemoryRegister

_REGISTERS: defaultdict[Path, MemoryRegister] = defaultdict(MemoryRegister)
PROGRAM = Path(sys.prefix) / "bin" / "nsl-enclave"


@dataclass
class Enclave:
    """A running one. ``kill`` and ``run`` it again at will."""

    cluster: DevelopmentCluster
    process: subprocess.Popen[str]
    ready: dict[str, Any]

    @property
    def register(self) -> MemoryRegister:
        """What the cluster's database would keep, for as long as the tests run."""
        return _REGISTERS[self.cluster.directory]

    @property
    def port(self) -> int:
        return int(self.ready["port"])

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def client(self) -> EnclaveClient:
        """The service's adapter."""
        return EnclaveClient([self.address], self.cluster.trust(), self.cluster.identity(), self.register)


class OwnKey(NamedTuple):
    """A key of a name that no other has, as the service would keep it."""

    name: KeyName
    public_key: bytes
    wrapped: bytes


async def new_key(client: EnclaveClient, curve: Curve, *, blind_signing: bool = False) -> OwnKey:
    """A fresh one."""
    name = KeyName(b"t" * 16, uuid4().bytes, 1)
    made = await client.create_key(name, curve, Policy(blind_signing=blind_signing))
    return OwnKey(name, made.public_key, made.wrapped)


def command(directory: Path, *more: str, port: int = 0, name: str = "kme") -> list[str]:
    """How the program is run."""
    cluster = DevelopmentCluster(directory)
    return [
        str(PROGRAM), "kme", "--listen", f"127.0.0.1:{port}", "--manifest", str(cluster.manifests),
        "--state", str(directory / name), "--simulation", str(cluster.simulation), *more,
    ]  # fmt: skip


def measured(line: list[str], environment: dict[str, str] | None = None) -> str:
    """What the program of that command line measures."""
    output = subprocess.run([*line, "--measure"], check=True, capture_output=True, text=True, env=environment).stdout
    return str(json.loads(output)["mrenclave"])


@contextmanager
def process(line: list[str], environment: dict[str, str] | None = None) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Start it and wait for its ready line; end it afterwards."""
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            yield running, json.loads(running.stdout.readline())
        finally:
            running.kill()
            running.wait(10)


@contextmanager
def enclave(
    directory: Path, *, bootstrap: bool = True, port: int = 0, code: Path | None = None, **manifest: int
) -> Iterator[Enclave]:
    """A cluster of one, in ``directory``. ``code``: a folder with another ``nsl_enclave``."""
    line = command(directory, port=port)
    environment = dict(os.environ)
    if code is not None:
        environment["PYTHONPATH"] = str(code)
        line[:1] = [sys.executable, "-m", "nsl_enclave.boot_simulated"]
    cluster = DevelopmentCluster(directory)
    cluster.prepare(measured(line, environment), **manifest)
    with process(line, environment) as (running, ready):
        made = Enclave(cluster, running, ready)
        establish(made, may_found=bootstrap)
        yield made


def establish(made: Enclave, *, may_found: bool) -> str:
    """Give it its root, also where an event loop is running."""
    with ThreadPoolExecutor(1) as thread:
        work = made.cluster.establish([made.address], made.register, may_found=may_found)
        return thread.submit(asyncio.run, work).result()
