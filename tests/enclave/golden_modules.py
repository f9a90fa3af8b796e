"""Which modules the running key enclave has loaded: the trusted computing base, by name."""

import subprocess
import tempfile
from pathlib import Path

import nsl_enclave
from nsl.cli.up.cluster import DevelopmentCluster
from tests.support.enclave import command, measured

GOLDEN = Path(nsl_enclave.__file__).parent / "kme_modules.txt"


def loaded() -> list[str]:
    """The modules at the moment when it would serve, in an empty state folder."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        line = command(directory, "--list-modules")
        DevelopmentCluster(directory).prepare(measured(command(directory)))
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout.splitlines()


def regenerate() -> None:
    GOLDEN.write_text("\n".join(loaded()) + "\n", encoding="utf-8")
