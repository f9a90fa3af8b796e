"""Keeps a set of processes running: in order up, in reverse order down, and what dies in between is started again."""

import asyncio
from collections.abc import Callable
from typing import Self

from nsl.cli.up.errors import NotReady
from nsl.cli.up.process import Child, ProcessSpec
from nsl.cli.up.state import StateFolder
from nsl.kit.clock import monotonic, pause

BACKOFF_FIRST_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 5.0
STABLE_AFTER_SECONDS = 30.0

type Progress = Callable[[str], None]


class Supervisor:
    """Starts, watches and stops processes. Use as an async context manager; leaving it stops them all."""

    def __init__(self, state: StateFolder, progress: Progress) -> None:
        self._state = state
        self._progress = progress
        self._children: dict[str, Child] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for name in reversed(list(self._children)):
            await self.stop(name)
        self._state.forget_all()

    def child(self, name: str) -> Child:
        """The process of that name. Raises NotReady when there is none."""
        try:
            return self._children[name]
        except KeyError:
            raise NotReady(f"There is no process {name}; there are {', '.join(self._children)}.") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Every process, in the order of starting."""
        return tuple(self._children)

    async def start(self, spec: ProcessSpec) -> Child:
        """Start a process, wait until it is ready, and restart it from then on whenever it dies.

        Raises:
            NotReady: it is not ready in time; it does not run then.
        """
        if spec.name in self._children and self._children[spec.name].running:
            raise NotReady(f"{spec.name} runs already.")
        child = Child(spec, self._state.folder("logs") / f"{spec.name}.log")
        self._children[spec.name] = child
        await self._up(child)
        self._watchers[spec.name] = asyncio.create_task(self._watch(child), name=f"watch {spec.name}")
        return child

    async def stop(self, name: str) -> None:
        """Stop a process in order and leave it stopped."""
        await self._unwatch(name)
        await self.child(name).stop()

    async def kill(self, name: str) -> None:
        """SIGKILL a process and leave it dead, as a crash does before anyone restarts it."""
        await self._unwatch(name)
        await self.child(name).kill()

    async def _up(self, child: Child) -> None:
        try:
            await child.spawn()
            self._state.remember(child.spec.name, child.pid)
            await child.until_ready()
        except BaseException:
            await child.kill()
            raise

    async def _unwatch(self, name: str) -> None:
        watcher = self._watchers.pop(name, None)
        if watcher is None:
            return
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    async def _watch(self, child: Child) -> None:
        name = child.spec.name
        backoff_seconds = BACKOFF_FIRST_SECONDS
        while True:
            since = monotonic()
            code = await child.wait()
            if monotonic() - since > STABLE_AFTER_SECONDS:
                backoff_seconds = BACKOFF_FIRST_SECONDS
            self._progress(f"{name} ended unexpectedly (status {code}); starting it again")
            await child.kill()  # what it left of its process group
            while True:
                await pause(backoff_seconds)
                backoff_seconds = min(backoff_seconds * 2, BACKOFF_MAX_SECONDS)
                try:
                    await self._up(child)
                except NotReady as error:
                    self._progress(f"{name} does not come back yet: {error.detail.splitlines()[0]}")
                else:
                    self._progress(f"{name} is back")
                    break
