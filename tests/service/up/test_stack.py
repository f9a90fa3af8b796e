"""The whole layer, as `nsl up` runs it: real processes, ended in order, killed at once, and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from nsl.cli.up.stack import Stack, StackOptions
from tests.service.up.programs import alive, children, until

UP = """
import sys
from pathlib import Path
from nsl.cli.up.command import UpOptions, run_up
from nsl.cli.up.stack import StackOptions

stack = StackOptions(state=Path(sys.argv[1]), port=0, n3_block_time_ms=200, neox_block_time_ms=200)
sys.exit(run_up(UpOptions(stack=stack, as_json=True)))
"""
READY_SECONDS_MAX = 60
ENDING_SECONDS_MAX = 40


@dataclass
class Up:
    """`nsl up` in a process of its own."""

    process: subprocess.Popen[str]
    errors: Path

    def ready(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        document: dict[str, Any] = json.loads(line)
        assert document["ready"], document
        return document

    def everything(self) -> list[int]:
        """The process and all below it."""
        found, unread = [], [self.process.pid]
        while unread:
            found.append(unread.pop())
            unread += children(found[-1])
        return found

    def credentials(self, ready: dict[str, Any]) -> str:
        path = Path(ready["credentials"])
        assert path.stat().st_mode & 0o777 == 0o600
        return path.read_text()

    def end(self, ending: signal.Signals) -> int:
        self.process.send_signal(ending)
        return self.process.wait(ENDING_SECONDS_MAX)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Any]:
    started: list[Up] = []

    def start() -> Up:
        errors = tmp_path / f"stderr-{len(started)}"
        with errors.open("w") as file:
            command = [sys.executable, "-c", UP, str(tmp_path / "state")]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True)
        started.append(Up(process, errors))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.end(signal.SIGTERM)
        each.process.stdout.close()  # type: ignore[union-attr] # it was opened as a pipe


def rpc(url: str, method: str, *params: Any) -> Any:
    return httpx.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()["result"]


def token(ready: dict[str, Any]) -> str:
    credentials = json.loads(Path(ready["credentials"]).read_text())
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials["client_id"], "client_secret": credentials["client_secret"],
    }  # fmt: skip
    answer = httpx.post(f"{ready['base_url']}/oauth2/token", data=form)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["access_token"]
    return found


async def test_it_is_ready_keeps_its_state_and_leaves_nothing_behind(up: Any, tmp_path: Path) -> None:
    """Ready, refused to a second one, ended by Ctrl-C, started again, killed as a whole, started again."""
    first = up()
    ready = first.ready()
    credentials = first.credentials(ready)
    assert token(ready)
    genesis = {name: _hash(url, name, 1) for name, url in ready["rpc"].items()}

    second = up()
    assert second.process.wait(READY_SECONDS_MAX) == 1
    assert f"(process {first.process.pid}) works in" in second.errors.read_text()
    assert json.loads(second.process.stdout.read())["code"] == "STATE_IN_USE"

    running = first.everything()
    assert len(running) >= 7
    assert first.end(signal.SIGINT) == 0
    assert not [pid for pid in running if alive(pid)]

    third = up()
    again = third.ready()
    assert third.credentials(again) == credentials
    assert {name: _hash(url, name, 1) for name, url in again["rpc"].items()} == genesis
    assert token(again)

    running = third.everything()
    for pid in running:
        with suppress(ProcessLookupError):  # it has died of its parent's death
            os.kill(pid, signal.SIGKILL)
    third.process.wait()
    await until(lambda: not any(map(alive, running)))
    fourth = up()
    assert token(fourth.ready())
    running = fourth.everything()
    fourth.process.kill()
    fourth.process.wait()
    await until(lambda: not any(map(alive, running)), ENDING_SECONDS_MAX)


async def test_a_start_that_is_interrupted_leaves_nothing_and_is_no_success(up: Any) -> None:
    """Whoever waits for the exit status must not take it for a layer that was ready."""
    started = up()
    await until(lambda: "Neo N3 devnet" in started.errors.read_text())
    running = started.everything()
    assert len(running) > 2
    assert started.end(signal.SIGTERM) == 130
    assert not [pid for pid in running if alive(pid)]


def _hash(url: str, name: str, height: int) -> str:
    if name == "neo-n3":
        return str(rpc(url, "getblockhash", height))
    return str(rpc(url, "eth_getBlockByNumber", hex(height), False)["hash"])


@pytest.mark.long
async def test_parts_are_killed_and_started_by_name(tmp_path: Path) -> None:
    """What tests need: one part dead while the others run, and settings rewired before each start."""
    seen: list[str] = []

    async def rewire(name: str, environment: dict[str, str]) -> dict[str, str]:
        seen.append(name)
        return environment | {"NSL_LOG_LEVEL": "warning"}

    options = StackOptions(
        state=tmp_path, port=0, n3_block_time_ms=200, neox_block_time_ms=200, rewire=rewire,
    )  # fmt: skip
    began = time.monotonic()
    async with Stack(options) as stack:
        assert stack.ready_seconds <= time.monotonic() - began
        assert {"postgres", "kme", "n3", "api", "worker"} <= set(stack.processes)
        async with httpx.AsyncClient(base_url=stack.base_url) as client:
            for name in stack.processes:
                before = stack.pid(name)
                await stack.kill(name)
                assert not alive(before)
                await stack.start(name)
                assert alive(stack.pid(name))

            async def ready() -> bool:
                return (await client.get("/health/ready")).status_code == 200

            await until(ready)
        pids = [stack.pid(name) for name in stack.processes]
    assert sorted(seen) == ["api", "api", "worker", "worker"]
    assert not any(map(alive, pids))
