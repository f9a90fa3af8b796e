"""``python -m nsl_enclave.boot_gramine PROGRAM``: an enclave program in an SGX enclave, under Gramine.

The manifest fixes the arguments, so they are part of the measurement. The host decides one thing only, whether this
start may make a root where there is no seal: ``NSL_BOOTSTRAP=1``. As an argument it would make the start that seals a
different enclave from the one that has to open the seal.
"""

import argparse
import os
import sys
from pathlib import Path

from nsl_enclave.boot import run
from nsl_enclave.platform.gramine import ATTESTATION, GraminePlatform


def main(attestation: Path = ATTESTATION) -> int:
    """Run until SIGTERM. Exit status 1, with a sentence on standard error, when Gramine or the seal refuses."""

    def platform(arguments: argparse.Namespace) -> GraminePlatform:
        arguments.bootstrap = arguments.bootstrap or os.environ.get("NSL_BOOTSTRAP") == "1"
        return GraminePlatform(attestation)

    return run("An enclave program in an SGX enclave, under Gramine.", platform)


if __name__ == "__main__":
    sys.exit(main())
