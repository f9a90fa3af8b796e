"""What every boot of an enclave program has in common: its command line, its sealed root, and its start.

The order matters: what needs files and sockets happens first, then the process gives them up, and only then does it
say that it is ready.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import EnclaveError, SealError
from nsl_enclave.kernel.files import write_private
from nsl_enclave.kernel.sealing import seal, unseal
from nsl_enclave.kernel.server import Server, tls_context
from nsl_enclave.kme.program import PROGRAM, KeyManagement
from nsl_enclave.platform import Platform

_ROOT_BYTES = 32
_ROOT_PURPOSE = "kme-root"


def run(description: str, open_platform: Callable[[argparse.Namespace], Platform]) -> int:
    """Run until SIGTERM. Exit status 1, with a sentence on standard error, when the platform or the seal refuses."""
    arguments = _arguments(description)
    try:
        _serve(open_platform(arguments), arguments)
    except EnclaveError as error:
        print(f"nsl-enclave: {error}", file=sys.stderr)
        return 1
    return 0


def makes_root(arguments: argparse.Namespace) -> bool:
    """Only an explicit bootstrap makes a root secret, and only where there is none."""
    return bool(arguments.bootstrap) and not _sealed_file(arguments.state).exists()


def _serve(platform: Platform, arguments: argparse.Namespace) -> None:
    host, _, port = arguments.listen.rpartition(":")
    program = KeyManagement(platform)
    program.begin(_root(platform, arguments))
    server = Server(host, int(port), tls_context(arguments.tls_dir, PROGRAM), program.handle)
    layers = platform.isolate()
    program.isolated(layers)
    if arguments.list_modules:
        print("\n".join(sorted(sys.modules)))
        return
    print(json.dumps({"ready": True, "port": server.port, "layers": layers}), flush=True)
    server.run()


def _arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nsl-enclave", description=description)
    parser.add_argument("program", choices=[PROGRAM], help="kme: key management")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--tls-dir", type=Path, required=True, help="holds ca.pem, kme.pem and kme.key")
    parser.add_argument("--state", type=Path, required=True, help="holds the seal, and a simulated platform's secret")
    parser.add_argument("--bootstrap", action="store_true", help="make the root secret when there is no seal yet")
    parser.add_argument("--list-modules", action="store_true", help="print the loaded modules instead of serving")
    return parser.parse_args()


def _sealed_file(state: Path) -> Path:
    return state / f"{PROGRAM}.seal"


def _root(platform: Platform, arguments: argparse.Namespace) -> bytes:
    sealed_file = _sealed_file(arguments.state)
    if makes_root(arguments):
        arguments.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = random_bytes(_ROOT_BYTES)
        write_private(sealed_file, seal(platform.sealing_key(), platform.security_version, _ROOT_PURPOSE, root))
        return root
    if not sealed_file.exists():
        raise SealError(f"There is no seal in {arguments.state}: pass --bootstrap to make a new root, once.")
    return unseal(platform.sealing_key(), platform.security_version, _ROOT_PURPOSE, sealed_file.read_bytes())
