"""The modules that a program may have loaded when it serves: the trusted computing base, by name.

The list is part of the package and so of the measurement. What comes later cannot come: the file system is given up.
"""

import sys
from pathlib import Path

_FILE = Path(__file__).parent.parent / "kme_modules.txt"
# Those of the other boot, and of `python -m`.
_ALSO = frozenset({"nsl_enclave.boot_gramine", "nsl_enclave.platform.gramine", "runpy", "pkgutil", "importlib.util"})


def unlisted() -> tuple[str, ...]:
    """What is loaded and not on the list."""
    listed = set(_FILE.read_text(encoding="utf-8").splitlines())
    return tuple(sorted(set(sys.modules) - listed - _ALSO))
