"""A TCP proxy that stops one message: the means by which tests stop the product between two steps, from outside."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

CHUNK_BYTES = 262_144

type Match = Callable[[bytes], bool]


@dataclass
class Trap:
    """What to stop: a chunk to the server that ``match`` takes, or with ``reply`` the answer to it.

    ``held`` is set when it was stopped; ``released`` lets it go on.
    """

    match: Match
    reply: bool = False
    held: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Proxy:
    """Between 127.0.0.1:``port`` and a server on ``target``. Use as an async context manager."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._trap: Trap | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.cut()

    def arm(self, match: Match, *, reply: bool) -> Trap:
        """Stop the next message that ``match`` takes."""
        self._trap = Trap(match, reply)
        return self._trap

    def cut(self) -> None:
        """End every connection; what was stopped never arrives."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, forth = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            back.transport.abort()
            return
        self._writers |= {back, forth}
        waiting: list[Trap] = []
        pumps = (
            asyncio.create_task(self._pump(near, forth, waiting, up=True)),
            asyncio.create_task(self._pump(far, back, waiting, up=False)),
        )
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for writer in (back, forth):
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: list[Trap], *, up: bool
    ) -> None:
        """One direction of one connection. ``waiting`` holds the trap whose reply comes next on it."""
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                trap = self._sprung(data, waiting) if up else (waiting.pop() if waiting else None)
                if trap is not None:
                    trap.held.set()
                    await trap.released.wait()
                writer.write(data)
                await writer.drain()

    def _sprung(self, data: bytes, waiting: list[Trap]) -> Trap | None:
        trap = self._trap
        if trap is None or not trap.match(data):
            return None
        self._trap = None
        if trap.reply:
            waiting.append(trap)
            return None
        return trap
