import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nsl.cli.up.errors import NotReady, StateInUse
from nsl.cli.up.process import Child, started_at
from nsl.cli.up.state import StateFolder
from nsl.cli.up.supervisor import Supervisor
from tests.service.up.programs import FAMILY, PLAIN, STUBBORN, alive, spec, status, until


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    with StateFolder(tmp_path / "state") as state:
        async with Supervisor(state, lambda _: None) as running:
            yield running


async def test_all_stop_in_reverse_order_when_it_is_left(tmp_path: Path) -> None:
    """The last one started ends first, and nothing runs afterwards."""
    ended: list[str] = []

    class Noting(Supervisor):
        async def stop(self, name: str) -> None:
            await super().stop(name)
            ended.append(name)

    with StateFolder(tmp_path / "state") as state:
        async with Noting(state, lambda _: None) as supervisor:
            pids = [(await supervisor.start(spec(name, PLAIN))).pid for name in ("first", "second", "third")]
            assert all(map(alive, pids))
    assert ended == ["third", "second", "first"]
    assert not any(map(alive, pids))
    assert not (tmp_path / "state" / "processes.json").exists()


async def test_what_dies_is_started_again(supervisor: Supervisor) -> None:
    """A SIGKILL from outside is answered by a new process under the same name."""
    child = await supervisor.start(spec("worker", PLAIN))
    first = child.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.running and child.pid != first)
    assert not alive(first)


async def test_what_is_killed_on_purpose_stays_dead_until_it_is_started(supervisor: Supervisor) -> None:
    """`kill` is a crash that nobody repairs."""
    child = await supervisor.start(spec("worker", PLAIN))
    await supervisor.kill("worker")
    await asyncio.sleep(0.3)
    assert not alive(child.pid)
    again = await supervisor.start(child.spec)
    assert alive(again.pid)


async def test_one_that_ignores_sigterm_is_killed_after_its_time(supervisor: Supervisor) -> None:
    """Stopping is bounded."""
    child = await supervisor.start(spec("stubborn", STUBBORN, stop_timeout_seconds=0.3))
    began = time.monotonic()
    await supervisor.stop("stubborn")
    assert time.monotonic() - began < 3
    assert not alive(child.pid)


async def test_the_children_of_a_child_end_with_it(supervisor: Supervisor) -> None:
    """A process leads a group of its own, which goes with it."""
    child = await supervisor.start(spec("family", FAMILY))
    grandchild = int(child.output().split()[1])
    assert alive(grandchild)
    await supervisor.kill("family")
    await until(lambda: not alive(grandchild))


async def test_one_that_ends_early_is_reported_with_its_log(supervisor: Supervisor) -> None:
    """The message holds the status, the advice and what the program said."""
    with pytest.raises(NotReady, match=r"(?s)broken ended with status 3.*Read the log.*no such luck"):
        await supervisor.start(spec("broken", "import sys; print('no such luck'); sys.exit(3)"))


async def test_one_that_is_never_ready_is_killed(supervisor: Supervisor) -> None:
    """Waiting is bounded, and nothing is left behind."""

    async def never(_: Child) -> bool:
        return False

    with pytest.raises(NotReady, match="did not become ready within 0 s"):
        await supervisor.start(spec("slow", PLAIN, ready=never, ready_timeout_seconds=0.2))
    assert not alive(supervisor.child("slow").pid)


async def test_no_setting_of_ours_reaches_a_child(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only PATH and the like are inherited."""
    monkeypatch.setenv("NSL_DATABASE_OWNER_URL", "postgresql://secret")
    program = "import os, time; print('up', dict(os.environ), flush=True); time.sleep(600)"
    child = await supervisor.start(spec("env", program, ready=_printed_all))
    assert "secret" not in child.output()


async def _printed_all(child: Child) -> bool:
    return "}" in child.output()


async def test_no_new_privileges_holds_in_the_child(supervisor: Supervisor) -> None:
    """The kernel's own flag says so (proc_pid_status(5))."""
    child = await supervisor.start(spec("confined", PLAIN, no_new_privs=True))
    assert "NoNewPrivs:\t1" in status(child.pid)


SUPERVISE = """
import asyncio, sys
from pathlib import Path
from nsl.cli.up.state import StateFolder
from nsl.cli.up.supervisor import Supervisor
from tests.service.up.programs import PLAIN, STUBBORN, spec

async def main():
    with StateFolder(Path(sys.argv[1])) as state:
        async with Supervisor(state, print) as supervisor:
            pids = [(await supervisor.start(spec(n, p))).pid for n, p in (("plain", PLAIN), ("stubborn", STUBBORN))]
            print(*pids, flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


def supervising(state: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A supervisor in a process of its own, with the pids of its children."""
    process = subprocess.Popen([sys.executable, "-c", SUPERVISE, str(state)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


async def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL of `nsl up` ends its children by the kernel's hand; one that ignores SIGTERM ends at the next start."""
    process, (plain, stubborn) = supervising(tmp_path / "state")
    process.kill()
    process.communicate()
    await until(lambda: not alive(plain))
    assert alive(stubborn)
    assert started_at(stubborn) is not None
    with StateFolder(tmp_path / "state"):
        await until(lambda: not alive(stubborn))


def test_a_process_that_only_has_the_number_of_a_leftover_is_spared(tmp_path: Path) -> None:
    """Process ids are reused; the time of the start tells them apart."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "processes.json").write_text(json.dumps({"api": {"pid": other.pid, "started_at": "earlier"}}))
        with StateFolder(tmp_path):
            assert alive(other.pid)
    finally:
        other.kill()
        other.wait()


def test_a_second_one_on_the_same_state_is_refused_with_advice(tmp_path: Path) -> None:
    """The refusal names the process and the way out; the lock goes when the first one ends."""
    with (
        StateFolder(tmp_path),
        pytest.raises(StateInUse, match=rf"process {os.getpid()}.*--state DIR"),
        StateFolder(tmp_path),
    ):
        pytest.fail("two hold the same folder")
    with StateFolder(tmp_path):
        pass


def test_fresh_empties_the_folder_and_the_rest_is_kept(tmp_path: Path) -> None:
    """A secret stays the same until `--fresh`."""
    with StateFolder(tmp_path) as state:
        first = state.secret("password")
        assert (tmp_path / "secrets" / "password").stat().st_mode & 0o777 == 0o600
        port = state.port("api")
    with StateFolder(tmp_path) as state:
        assert (state.secret("password"), state.port("api")) == (first, port)
    with StateFolder(tmp_path, fresh=True) as state:
        assert state.secret("password") != first
