"""Run every benchmark, one after the other, and write ``docs/benchmarks.md``."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
NO_BENCHMARKS = {"__init__", "__main__", "figures"}

HEAD = """# Benchmarks

`make bench` wrote this page. Machines differ from day to day, so compare ratios within one run, not values of two.
Each benchmark is a command: `uv run python -m bench.NAME`.

Machine: {machine}, {cores} cores, Python {python}.
"""


def names() -> list[str]:
    """The benchmarks: modules of this folder that have a ``main``."""
    found = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NO_BENCHMARKS)
    return [name for name in found if "def main()" in (HERE / f"{name}.py").read_text(encoding="utf-8")]


def run(name: str) -> dict[str, Any]:
    """One benchmark in a process of its own; its last line is its result."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--json"], check=False, stdout=subprocess.PIPE, text=True
    )
    lines = done.stdout.strip().splitlines()
    if not lines:
        sys.exit(f"bench.{name} printed no result (exit {done.returncode})")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def table(result: dict[str, Any]) -> str:
    """A section of the page."""
    rows = ["| figure | value | unit | goal | met | beside |", "|---|---|---|---|---|---|"]
    for row in result["figures"]:
        met = {True: "yes", False: "**no**", None: ""}[row["met"]]
        beside = f"{row['ratio']} x {row['peer']} ({row['peer_value']})" if "ratio" in row else ""
        rows.append(f"| {row['name']} | {row['value']} | {row['unit']} | {row['goal'] or ''} | {met} | {beside} |")
    return f"## bench.{result['bench']}\n\n" + "\n".join(rows) + "\n"


def main() -> int:
    results = [run(name) for name in sys.argv[1:] or names()]
    head = HEAD.format(machine=platform.machine(), cores=os.cpu_count(), python=platform.python_version())
    if not sys.argv[1:]:
        PAGE.write_text("\n".join([head, *map(table, results)]), encoding="utf-8")
    print("\n".join(map(table, results)))
    return 0 if all(row["met"] is not False for result in results for row in result["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
