"""Real Solidity contracts: compiled by solc-js, from sources that may import OpenZeppelin's."""

import shutil
import subprocess
from pathlib import Path

from tests.support.javascript import ROOT
from tests.support.require import require


def compiled(source: Path, contract: str) -> bytes:
    """The code that creates a contract; skips visibly where Node.js or the compiler is missing."""
    node = shutil.which("node")
    require(node, "Node.js is missing")
    require((ROOT / "node_modules" / "solc").is_dir(), "solc is missing: make install puts it there")
    command = [str(node), str(Path(__file__).with_name("solidity.mjs")), str(source), contract]
    made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return bytes.fromhex(made.stdout)
