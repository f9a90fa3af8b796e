"""Which modules the running key enclave has loaded: the trusted computing base, by name."""

import subprocess
import tempfile
from pathlib import Path

from nsl.cli.up.certificates import make_certificates
from tests.support.enclave import command

GOLDEN = Path(__file__).parent / "golden" / "kme_modules.txt"


def loaded() -> list[str]:
    """The modules at the moment when it would serve, in an empty state folder."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        make_certificates(directory / "tls")
        line = command(directory, "--bootstrap", "--list-modules")
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout.splitlines()


def regenerate() -> None:
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("\n".join(loaded()) + "\n", encoding="utf-8")
