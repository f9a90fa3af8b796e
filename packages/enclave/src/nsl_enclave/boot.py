"""What every boot of an enclave program has in common: its command line, its sealed state, and its start.

The order matters: what needs files and sockets happens first, then the process gives them up, and only then does it
say that it is ready.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from nsl_enclave.kernel.errors import EnclaveError, PlatformError
from nsl_enclave.kernel.modules import unlisted
from nsl_enclave.kernel.server import Server
from nsl_enclave.kernel.slots import SlotFile
from nsl_enclave.kme.cluster import Cluster
from nsl_enclave.kme.constitution import read_constitution
from nsl_enclave.kme.program import KeyManagement
from nsl_enclave.kme.state import Seal
from nsl_enclave.platform import Platform
from nsl_protocol.attestation.verify import Mode
from nsl_protocol.cluster.manifest import Program


def run(description: str, open_platform: Callable[[argparse.Namespace], Platform]) -> int:
    """Run until SIGTERM. Exit status 1, with a sentence on standard error, when the platform or the seal refuses."""
    arguments = _arguments(description)
    try:
        platform = open_platform(arguments)
        if arguments.measure:
            print(json.dumps({"program": arguments.program, "mode": platform.mode, "mrenclave": platform.measurement}))
        else:
            _serve(platform, arguments)
    except EnclaveError as error:
        print(f"nsl-enclave: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(platform: Platform, arguments: argparse.Namespace) -> None:
    host, _, port = arguments.listen.rpartition(":")
    constitution = read_constitution(arguments.manifest)
    program = KeyManagement(platform, Cluster(platform, constitution, Seal(platform, _slots(arguments.state))))
    server = Server(host, int(port), program)
    more = unlisted()
    if more and platform.mode == Mode.HW:
        raise PlatformError(f"Modules are loaded that the program's list does not name: {', '.join(more)}.")
    layers = (*(() if more else ("listed_modules",)), *platform.isolate())
    program.isolated(layers)
    if arguments.list_modules:
        print("\n".join(sorted(sys.modules)))
        return
    print(json.dumps({"ready": True, "port": server.port, "layers": layers}), flush=True)
    server.run()


def _slots(state: Path) -> SlotFile:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SlotFile(state / f"{Program.KME}.state")
    except OSError as error:
        raise PlatformError(f"The state folder {state} cannot be used: {error.strerror}.") from error


def _arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nsl-enclave", description=description)
    parser.add_argument("program", choices=[Program.KME.value], help="kme: key management")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--manifest", type=Path, help="holds genesis.json and, if any, manifest.json")
    parser.add_argument("--state", type=Path, required=True, help="holds the seal, and a simulated platform's secret")
    parser.add_argument("--simulation", type=Path, help="SIM: the quoting enclave's folder (default: in --state)")
    parser.add_argument("--measure", action="store_true", help="print the measurement instead of serving")
    parser.add_argument("--list-modules", action="store_true", help="print the loaded modules instead of serving")
    arguments = parser.parse_args()
    if arguments.manifest is None and not arguments.measure:
        parser.error("--manifest is needed to serve")
    return arguments
