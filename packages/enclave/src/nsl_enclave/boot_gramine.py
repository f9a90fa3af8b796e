"""``python -m nsl_enclave.boot_gramine PROGRAM``: an enclave program in an SGX enclave, under Gramine.

Gramine's manifest fixes the arguments, so they are part of the measurement. What the host decides, the cluster's own
manifest included, is verified.
"""

import argparse
import sys
from pathlib import Path

from nsl_enclave.boot import run
from nsl_enclave.platform.gramine import ATTESTATION, GraminePlatform


def main(attestation: Path = ATTESTATION) -> int:
    """Run until SIGTERM. Exit status 1, with a sentence on standard error, when Gramine or the seal refuses."""

    def platform(_: argparse.Namespace) -> GraminePlatform:
        return GraminePlatform(attestation)

    return run("An enclave program in an SGX enclave, under Gramine.", platform)


if __name__ == "__main__":
    sys.exit(main())
