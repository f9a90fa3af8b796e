"""``nsl-enclave PROGRAM``: an enclave program on the simulated platform, in a process of its own.

The order matters: what needs files and sockets happens first, then the process gives them up, and only then does it
say that it is ready.
"""

import argparse
import json
import sys
from pathlib import Path

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import SealError
from nsl_enclave.kernel.sealing import seal, unseal
from nsl_enclave.kernel.server import Server, tls_context
from nsl_enclave.kme.program import PROGRAM, KeyManagement
from nsl_enclave.platform.simulated import SimulatedPlatform, write_private

_ROOT_BYTES = 32
_ROOT_PURPOSE = "kme-root"


def main() -> int:
    """Run until SIGTERM. Exit status 1, with a sentence on standard error, when the seal does not open."""
    arguments = _arguments()
    host, _, port = arguments.listen.rpartition(":")
    platform = SimulatedPlatform(arguments.state, PROGRAM)
    program = KeyManagement(platform)
    try:
        program.begin(_root(platform, arguments.state, bootstrap=arguments.bootstrap))
    except SealError as error:
        print(f"nsl-enclave: {error}", file=sys.stderr)
        return 1
    server = Server(host, int(port), tls_context(arguments.tls_dir, PROGRAM), program.handle)
    layers = platform.isolate()
    program.isolated(layers)
    if arguments.list_modules:
        print("\n".join(sorted(sys.modules)))
        return 0
    print(json.dumps({"ready": True, "port": server.port, "layers": layers}), flush=True)
    server.run()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nsl-enclave", description="A simulated enclave program of its own process.")
    parser.add_argument("program", choices=[PROGRAM], help="kme: key management")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--tls-dir", type=Path, required=True, help="holds ca.pem, kme.pem and kme.key")
    parser.add_argument("--state", type=Path, required=True, help="holds the simulated platform's secret and the seal")
    parser.add_argument("--bootstrap", action="store_true", help="make the root secret when there is no seal yet")
    parser.add_argument("--list-modules", action="store_true", help="print the loaded modules instead of serving")
    return parser.parse_args()


def _root(platform: SimulatedPlatform, state: Path, *, bootstrap: bool) -> bytes:
    """The sealed root secret. Only an explicit bootstrap makes one, and only where there is none."""
    sealed_file = state / f"{PROGRAM}.seal"
    if sealed_file.exists():
        return unseal(platform.sealing_key(), platform.security_version, _ROOT_PURPOSE, sealed_file.read_bytes())
    if not bootstrap:
        raise SealError(f"There is no seal in {state}: pass --bootstrap to make a new root, once.")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    platform.create()
    root = random_bytes(_ROOT_BYTES)
    write_private(sealed_file, seal(platform.sealing_key(), platform.security_version, _ROOT_PURPOSE, root))
    return root


if __name__ == "__main__":
    sys.exit(main())
