"""Small programs for the supervisor's tests, run by this Python."""

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from nsl.cli.up.process import Child, ProcessSpec

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
PLAIN = "import time; print('up', flush=True); time.sleep(600)"
FAMILY = (
    "import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print('up', c.pid, flush=True); time.sleep(600)"
)


async def has_printed(child: Child) -> bool:
    """Ready when the program says so."""
    return "up" in child.output()


def spec(name: str, program: str, **changes: object) -> ProcessSpec:
    """A specification that runs a Python text."""
    given = {"command": (sys.executable, "-c", program), "ready": has_printed, "advice": "Read the log."} | changes
    return ProcessSpec(name=name, **given)  # type: ignore[arg-type] # the tests name fields of the specification


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def status(pid: int) -> str:
    """What the kernel says of a process (proc_pid_status(5))."""
    return Path(f"/proc/{pid}/status").read_text()


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Wait for something that other processes do."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if await held if inspect.isawaitable(held) else held:
                return
            await asyncio.sleep(0.01)
