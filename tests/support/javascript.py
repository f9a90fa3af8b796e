"""A JavaScript library in one long-lived Node.js process, as an oracle for the codecs."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.require import require

ROOT = Path(__file__).parents[2]
# Requests written ahead of their answers: few enough that neither pipe's buffer fills up with the other one waiting.
_AHEAD_BYTES = 32_768


class OracleError(Exception):
    """The library refused the input."""


class Oracle:
    """Ask one thing with ``ask``, many with ``ask_all``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdin
        assert process.stdout
        self._input, self._output = process.stdin, process.stdout

    def ask(self, op: str, **parameters: Any) -> Any:
        """One answer; raises OracleError where the library throws."""
        return self.ask_all(op, [parameters])[0]

    def ask_all(self, op: str, each: Sequence[dict[str, Any]]) -> list[Any]:
        """The answers, in order."""
        answers: list[Any] = []
        ahead: list[int] = []
        for parameters in each:
            line = json.dumps({"op": op, **parameters}) + "\n"
            while ahead and sum(ahead) + len(line) > _AHEAD_BYTES:
                answers.append(self._answer())
                ahead.pop(0)
            self._input.write(line)
            self._input.flush()
            ahead.append(len(line))
        answers += [self._answer() for _ in ahead]
        return answers

    def _answer(self) -> Any:
        reply = json.loads(self._output.readline())
        if "error" in reply:
            raise OracleError(reply["error"])
        return reply["ok"]


@contextlib.contextmanager
def oracle(script: str, package: str) -> Iterator[Oracle]:
    """The process of ``tests/support/SCRIPT``; skips visibly where Node.js or the package is missing."""
    node = shutil.which("node")
    require(node, "Node.js is missing")
    require((ROOT / "node_modules" / package).is_dir(), f"{package} is missing: make install puts it there")
    command = [str(node), str(Path(__file__).with_name(script))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Oracle(process)
        finally:
            process.terminate()
