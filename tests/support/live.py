"""The whole layer as a user starts it, once for all tests of a session that only use it: `nsl up` as a process."""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

READY_SECONDS = 60
STOP_SECONDS = 40
NSL = str(Path(sys.executable).parent / "nsl")


@dataclass(frozen=True)
class Live:
    """A running layer. ``rpc`` holds the nodes' own addresses by chain."""

    state: Path
    base_url: str
    credentials: Path
    rpc: dict[str, str]

    def nsl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line against it, as its administrator."""
        return subprocess.run(
            [NSL, *arguments], env=self.environment(), check=check, capture_output=True, text=True, timeout=90
        )

    def json(self, *arguments: str) -> Any:
        """What a command prints with ``--json``."""
        return json.loads(self.nsl(*arguments, "--json").stdout)

    def environment(self) -> dict[str, str]:
        """This process's environment with the credentials named."""
        return {**os.environ, "NSL_CREDENTIALS": str(self.credentials)}


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    """`nsl up` with quick blocks. Tests share it, so they make tenants, keys and transfers of their own."""
    folder = tmp_path_factory.mktemp("live")
    state = folder / "state"
    command = [NSL, "up", "--json", "--port", "0", "--state", str(state), "--n3-block-time", "200"]
    with (folder / "up.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, "--neox-block-time", "200"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            # Tests sign in far more often from one address than people do.
            env=os.environ | {"NSL_SIGN_INS_PER_MINUTE": "100000", "NSL_ADDRESS_REQUESTS_PER_MINUTE": "1000000"},
        )
        try:
            ready = _first_line(process, folder / "up.log")
            yield Live(state, ready["base_url"], Path(ready["credentials"]), ready["rpc"])
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=STOP_SECONDS)


def _first_line(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    # Not select(): it knows no descriptor above 1,023, and a session of tests comes to have that many.
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(READY_SECONDS) else ""
    if not line:
        pytest.fail(f"nsl up does not become ready:\n{log.read_text(encoding='utf-8')}", pytrace=False)
    ready: dict[str, Any] = json.loads(line)
    assert ready["ready"] is True, ready
    return ready
