"""``nsl-enclave PROGRAM``: an enclave program on the simulated platform, in a process of its own."""

import argparse
import sys

from nsl_enclave.boot import run
from nsl_enclave.platform.simulated import SimulatedPlatform


def main() -> int:
    """Run until SIGTERM. Exit status 1, with a sentence on standard error, when the seal does not open."""
    return run("A simulated enclave program of its own process.", _platform)


def _platform(arguments: argparse.Namespace) -> SimulatedPlatform:
    simulation = arguments.simulation or arguments.state / "simulation"
    return SimulatedPlatform(arguments.state, simulation, arguments.program)


if __name__ == "__main__":
    sys.exit(main())
