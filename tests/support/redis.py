"""A real redis-server of one test, which can be killed, started again, and stopped for a while."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import redis.asyncio as driver

from nsl.cli.up.process import Child, ProcessSpec, free_port, listens


class RedisServer:
    """One server without persistence on a loopback port; every start of it begins empty."""

    def __init__(self, directory: Path, options: tuple[str, ...]) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        #: what the next start is given
        self.options = options
        self._directory = directory
        self._child: Child | None = None

    async def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        spec = ProcessSpec(
            name="redis",
            command=[*command, "--dir", str(self._directory), *self.options],
            ready=lambda _: listens(self.port),
            advice="Is redis-server installed?",
        )
        self._child = Child(spec, self._directory / "redis.log")
        await self._child.spawn()
        await self._child.until_ready()

    @property
    def child(self) -> Child:
        assert self._child is not None
        return self._child

    async def stop(self) -> None:
        await self.child.stop()

    async def kill(self) -> None:
        """SIGKILL."""
        await self.child.kill()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It keeps its connections and answers nothing meanwhile (SIGSTOP)."""
        os.kill(self.child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.child.pid, signal.SIGCONT)

    async def run(self, *command: str | int) -> Any:
        """The answer to one command, on a connection of its own."""
        async with driver.Redis.from_url(self.url, decode_responses=True) as client:
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def commands(self) -> int:
        """How many scripts it has run since it was started."""
        async with driver.Redis.from_url(self.url, decode_responses=True) as client:
            calls = await client.info("commandstats")
        return sum(calls.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))


@asynccontextmanager
async def redis_server(directory: Path, *options: str) -> AsyncIterator[RedisServer]:
    """A running server with options such as ``--maxmemory-policy noeviction``."""
    server = RedisServer(directory, options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
