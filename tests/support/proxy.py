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
    """What to stop: a chunk to the server that ``match`` takes.

    With ``then``: the chunk after it, on the same connection, that holds these bytes. With ``reply``: the answer, so
    that what it asks for has happened. ``held`` is set when something was stopped; ``released`` lets it go on.
    """

    match: Match
    then: bytes = b""
    reply: bool = False
    always: bool = False
    held: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    data: bytes = b""


@dataclass
class _Connection:
    """Traps that this connection has half sprung: those whose ``then``, and those whose answer is awaited."""

    following: list[Trap] = field(default_factory=list)
    waiting: list[Trap] = field(default_factory=list)


class Proxy:
    """Between 127.0.0.1:``port`` and a server on ``target``. Use as an async context manager."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._traps: list[Trap] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.cut()

    def arm(self, match: Match, *, then: bytes = b"", reply: bool = False, always: bool = False) -> Trap:
        """Stop the next message that ``match`` takes, or with ``always`` every one until it is released."""
        trap = Trap(match, then, reply, always)
        self._traps.append(trap)
        return trap

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
        connection = _Connection()
        pumps = (
            asyncio.create_task(self._pump(near, forth, connection, up=True)),
            asyncio.create_task(self._pump(far, back, connection, up=False)),
        )
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for writer in (back, forth):
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection, *, up: bool
    ) -> None:
        """One direction of one connection."""
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                if up:
                    trap = self._sprung(data, connection)
                else:
                    trap = connection.waiting.pop() if connection.waiting else None
                if trap is not None:
                    trap.data = data
                    trap.held.set()
                    await trap.released.wait()
                writer.write(data)
                await writer.drain()

    def _sprung(self, data: bytes, connection: _Connection) -> Trap | None:
        """The trap that stops this chunk, if one does."""
        trap = next((each for each in connection.following if each.then in data), None)
        if trap is not None:
            connection.following.remove(trap)
        else:
            trap = next((each for each in self._traps if not each.released.is_set() and each.match(data)), None)
            if trap is None:
                return None
            if not trap.always:
                self._traps.remove(trap)
            if trap.then:
                connection.following.append(trap)
                return None
        if trap.reply:
            connection.waiting.append(trap)
            return None
        return trap
