"""One child process: how it is started, when it is ready, how it is stopped."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsl.cli.up.errors import NotReady, ProgramMissing
from nsl.kit.clock import monotonic, pause, random_bytes

POLL_SECONDS = 0.02
LOG_TAIL_LINES = 12
KILL_TIMEOUT_SECONDS = 10.0
_PORT_MIN, _PORT_MAX, _PORT_ATTEMPTS_MAX = 20_000, 32_000, 1_000

type Ready = Callable[["Child"], Awaitable[bool]]

_LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """What the supervisor must know of a program.

    Attributes:
        ready: asked again and again until it says True; an ``OSError`` counts as "not yet".
        advice: what a person can do when it does not become ready.
        stop_signal: what asks it to end in order; SIGKILL follows after ``stop_timeout_seconds``.
        death_signal: what the kernel sends it when `nsl up` itself is killed.
        environment: all of it; a child inherits only PATH and the locale.
        user: the account to run as, where that differs from ours.
        before: what must be done before every start of it, the first and those after a crash.
    """

    name: str
    command: Sequence[str]
    ready: Ready
    advice: str
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    ready_timeout_seconds: float = 20.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_seconds: float = 15.0
    death_signal: signal.Signals = signal.SIGTERM
    user: str | None = None
    no_new_privs: bool = False
    before: Callable[[], Awaitable[None]] | None = None


class Child:
    """A running process of one specification; its output goes to ``log``.

    Raises:
        NotReady: from ``until_ready``, when it ends or the time is over before it is ready. It is not running then.
    """

    def __init__(self, spec: ProcessSpec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process id. Raises NotReady when it was never started."""
        if self._process is None:
            raise NotReady(f"{self.spec.name} was not started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    def output(self) -> str:
        """What it has written since it was started this time."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def ready_line(self) -> dict[str, Any] | None:
        """The JSON object with ``"ready": true`` that some programs print when they listen, or None so far."""
        for line in self.output().splitlines():
            if line.startswith("{") and '"ready"' in line:
                found: dict[str, Any] = json.loads(line)
                return found
        return None

    async def spawn(self) -> None:
        """Start it, without waiting until it is ready."""
        spec = self.spec
        if spec.before is not None:
            await spec.before()
        command = [sys.executable, "-I", "-S", str(_LAUNCHER)]
        command += ["--parent", str(os.getpid()), "--death-signal", str(int(spec.death_signal))]
        command += ["--user", spec.user] if spec.user else []
        command += ["--no-new-privs"] if spec.no_new_privs else []
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as file:
            self._log_start = file.tell()
            self._process = await asyncio.create_subprocess_exec(
                *command, "--", *spec.command,
                stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file,
                env=inherited_environment() | dict(spec.environment), cwd=spec.directory,
                # Ctrl-C in a terminal must reach `nsl up` alone, which stops the others in their order.
                start_new_session=True,
            )  # fmt: skip

    async def until_ready(self) -> None:
        """Wait until it is ready."""
        deadline = monotonic() + self.spec.ready_timeout_seconds
        while self.running:
            if await self._is_ready():
                return
            if monotonic() > deadline:
                await self.kill()
                waited = f"did not become ready within {self.spec.ready_timeout_seconds:.0f} s"
                raise NotReady(f"{self.spec.name} {waited}. {self._advice()}")
            await pause(POLL_SECONDS)
        code = await self.wait()
        raise NotReady(f"{self.spec.name} ended with status {code} before it was ready. {self._advice()}")

    async def wait(self) -> int:
        """Until it has ended: its exit status, negative for a signal."""
        if self._process is None:
            raise NotReady(f"{self.spec.name} was not started.")
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, and after its time SIGKILL it. Does nothing when it has ended."""
        await self._end(self.spec.stop_signal, self.spec.stop_timeout_seconds)

    async def kill(self) -> None:
        """SIGKILL it and its process group, and wait until it is gone."""
        await self._end(signal.SIGKILL, KILL_TIMEOUT_SECONDS)

    async def _end(self, ending: signal.Signals, timeout_seconds: float) -> None:
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(ending)
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        # What it may have left of its group: it led one of its own.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _is_ready(self) -> bool:
        try:
            return await self.spec.ready(self)
        except OSError:
            return False

    def _advice(self) -> str:
        tail = "\n".join(f"    {line}" for line in self.output().splitlines()[-LOG_TAIL_LINES:])
        return f"{self.spec.advice}\n  The end of its log {self.log}:\n{tail or '    (empty)'}"


async def run(*command: str, user: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end: what it wrote to standard output. Raises NotReady when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=inherited_environment() if environment is None else environment,
        user=user, group=user, extra_groups=[] if user else None,
    )  # fmt: skip
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        said = (errors or output).decode(errors="replace").strip()
        raise NotReady(f"`{' '.join(command)}` ended with status {process.returncode}: {said}")
    return output.decode()


def inherited_environment() -> dict[str, str]:
    """The few variables that every child gets from ours; secrets and settings of ours do not leak into nodes."""
    names = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "HOME")
    return {name: os.environ[name] for name in names if name in os.environ}


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now.

    It lies below the ports that Linux gives to outgoing connections (ip_local_port_range, from 32768): one of those
    could take it before its program listens, or while that is being restarted. For the same reason no other process
    that asks here is given it while this one lives. Raises NotReady when there is none.
    """
    for _ in range(_PORT_ATTEMPTS_MAX):
        port = _PORT_MIN + int.from_bytes(random_bytes(4)) % (_PORT_MAX - _PORT_MIN)
        if is_free(port) and _reserved(port):
            return port
    raise NotReady(f"No free TCP port was found between {_PORT_MIN} and {_PORT_MAX}.")


def _reserved(port: int) -> bool:
    """Whether it is ours from here on: by a name in Linux's abstract namespace, which ends with the process."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0nsl-port-{port}")
    except OSError:
        claim.close()
        return False
    claim.detach()  # open until the process ends
    return True


def is_free(port: int) -> bool:
    """Whether nobody listens on a TCP port of the loopback interface now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def console_script(name: str) -> str:
    """The path of a console script of this very environment. Raises ProgramMissing."""
    # sys.executable is a link into the environment: following it would leave the environment.
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ProgramMissing(f"{name} is not installed beside {sys.executable}: run `make install`.")
    return str(path)


async def listens(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def started_at(pid: int) -> str | None:
    """When a process was started, which with its id names it for good; None when it has ended.

    The boot's id and the 22nd field of /proc/PID/stat (clock ticks since the boot; proc_pid_stat(5)).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"
