"""The state folder: who may use it, what is secret in it, and which processes of an earlier run it still names."""

import fcntl
import json
import os
import select
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from nsl.cli.up.errors import StateInUse
from nsl.cli.up.process import free_port, is_free, started_at
from nsl.kit.clock import random_text
from nsl.kit.files import write_private

ENDING_TIMEOUT_SECONDS = 5
CREDENTIALS = "credentials.json"  # of the platform administrator: base_url, client_id, client_secret, ...


class StateFolder:
    """An exclusive hold on a state folder. Use as a context manager.

    Other accounts may pass through the folder (PostgreSQL runs as one of its own) and list nothing in it.

    Raises:
        StateInUse: another process holds it.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = path.absolute()
        self._fresh = fresh
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o711)
        lock = (self.path / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise StateInUse(
                f"Another `nsl up` (process {holder}) works in {self.path}. Stop it, or give this one its own folder: "
                "`nsl up --state DIR`.",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock
        self._end_leftovers()
        if self._fresh:
            self._empty()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def folder(self, name: str) -> Path:
        """A folder inside, made when there is none."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def secret(self, name: str) -> str:
        """A random secret that is made once and then kept, mode 0600."""
        path = self.folder("secrets") / name
        path.parent.chmod(0o700)
        if not path.exists():
            write_private(path, random_text())
        return path.read_text(encoding="utf-8").strip()

    def port(self, name: str, preferred: int = 0) -> int:
        """A free port for ``name``: the one it had before, else the preferred one, else any."""
        path = self.path / "ports.json"
        try:
            ports: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            ports = {}
        taken = {port for other, port in ports.items() if other != name}
        wanted = [port for port in (ports.get(name, 0), preferred) if port and port not in taken]
        ports[name] = next((port for port in wanted if is_free(port)), None) or free_port()
        write_private(path, json.dumps(ports))
        return ports[name]

    def remember(self, name: str, pid: int) -> None:
        """Note a process that must not outlive us, for the next start to check."""
        record = self._pids()
        record[name] = {"pid": pid, "started_at": started_at(pid)}
        write_private(self.path / "processes.json", json.dumps(record))

    def forget_all(self) -> None:
        """Every process has ended in order."""
        (self.path / "processes.json").unlink(missing_ok=True)

    def _pids(self) -> dict[str, dict[str, Any]]:
        try:
            record: dict[str, dict[str, Any]] = json.loads((self.path / "processes.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return record

    def _end_leftovers(self) -> None:
        """End what an earlier run has left behind; a process id that was given to another program is spared."""
        for entry in reversed(self._pids().values()):
            if entry["started_at"] is not None and started_at(entry["pid"]) == entry["started_at"]:
                _end(entry["pid"])
        self.forget_all()

    def _empty(self) -> None:
        for path in self.path.iterdir():
            if path.name == "lock":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _end(pid: int) -> None:
    """Wait for a process that was told to end when its parent died; then SIGKILL it and its group."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        watch = select.poll()
        watch.register(process, select.POLLIN)
        if not watch.poll(ENDING_TIMEOUT_SECONDS * 1000):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            watch.poll(ENDING_TIMEOUT_SECONDS * 1000)
    finally:
        os.close(process)
