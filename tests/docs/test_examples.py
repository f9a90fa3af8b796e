"""Every ```python and ```console block of README.md and docs/ runs against one layer, in the order of its page.

What cannot run here is marked ```text. In a console block the lines after ``$ `` are commands (a backslash at the end
goes on with the next line) and the others are output, which is not compared. Python blocks of a page share their
names, console blocks their variables.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(\w*)\s*$", re.MULTILINE)
LANGUAGES = {"python", "console", "text", "mermaid", "yaml", "json", "sql", ""}
COMMAND_SECONDS_MAX = 60
ENDING_SECONDS_MAX = 40


class Block(NamedTuple):
    language: str
    line: int
    code: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(found[1], text.count("\n", 0, found.start()) + 2, found[2]) for found in BLOCK.finditer(text)]


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(code: str) -> str:
    """The commands of a console block as a script."""
    lines: list[str] = []
    goes_on = False
    for line in code.splitlines():
        if goes_on or line.startswith("$ "):
            lines.append(line if goes_on else line.removeprefix("$ "))
            goes_on = line.endswith("\\")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which `nsl up` has left its .state, while it runs."""
    folder = tmp_path_factory.mktemp("examples")
    command = [
        BIN / "nsl", "up", "--state", ".state", "--port", "0", "--json",
        "--n3-block-time", "200", "--neox-block-time", "200",
    ]  # fmt: skip
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            assert '"ready": true' in process.stdout.readline(), (folder / "stderr").read_text()
            yield folder
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(ENDING_SECONDS_MAX)


@pytest.mark.parametrize(
    "page", [page for page in pages() if blocks(page)], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_the_examples_of_a_page_run(page: Path, layer: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(layer)
    names: dict[str, Any] = {"__name__": "example"}
    for block in blocks(page):
        place = f"{page.relative_to(ROOT).as_posix()}:{block.line}"
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, place, "exec"), names)
        else:
            _console(place, block.code, tmp_path / "variables")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_says_what_it_is(page: Path) -> None:
    opened = FENCE.findall(page.read_text(encoding="utf-8"))[::2]
    assert set(opened) <= LANGUAGES - {""}, "mark what runs as python or console, and the rest as text"


def _console(place: str, code: str, variables: Path) -> None:
    load = f"[ ! -f {variables} ] || . {variables}"
    script = f"set -euo pipefail; set -a; {load}\n{commands(code)}\nexport -p > {variables}"
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, f"{place} ends with {done.returncode}:\n{done.stdout}\n{done.stderr}"
