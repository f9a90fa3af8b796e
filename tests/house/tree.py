"""The project's own source tree, as the house rules read it."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "packages"
SERVICE = PACKAGES / "service" / "src" / "nsl"
SLICES = ("identity", "accounts", "oauth", "keys", "ledger", "transactions", "attestation")


@dataclass(frozen=True)
class Module:
    """One Python file: where it is, and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        """The path from the project's root, with forward slashes."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def name(self) -> str:
        """The dotted module name, for files of a package."""
        parts = list(self.path.relative_to(ROOT).with_suffix("").parts)
        if "src" in parts:
            parts = parts[parts.index("src") + 1 :]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tracked(*patterns: str) -> list[Path]:
    """Files that git tracks or would track, by glob."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [path for path in (ROOT / line for line in sorted(set(listing.stdout.splitlines()))) if path.is_file()]


@cache
def modules(*patterns: str) -> tuple[Module, ...]:
    """The parsed Python files below the given globs."""
    found = []
    for path in tracked(*patterns):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path, text, ast.parse(text, filename=str(path))))
    return tuple(found)


def product() -> tuple[Module, ...]:
    """Every Python file that ships."""
    return modules("packages/**/*.py", "packages/*.py")


def everything() -> tuple[Module, ...]:
    """Every Python file of the project."""
    return modules("*.py")
