"""A load generator that costs little: keep-alive connections that send prepared requests, one after the other."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import psutil


@dataclass(frozen=True)
class Load:
    """What one round measured. ``cpu_microseconds`` is the server process's own, user and system, per request."""

    requests: int
    seconds: float
    cpu_microseconds: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class _Connection(asyncio.Protocol):
    """Sends a request, reads the answer, sends the next; anything but success ends the round with an error."""

    def __init__(self, following: Callable[[], bytes | None], done: asyncio.Future[None]) -> None:
        self._following = following
        self._done = done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        request = self._following()
        if request is None:
            self._finish(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self._finish(RuntimeError((head + b" " + rest)[:1000].decode(errors="replace")))
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("the server closed the connection"))

    def _finish(self, error: Exception | None) -> None:
        if not self._done.done():
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)
            self._transport.close()


async def exchange(port: int, following: Callable[[], bytes | None], connections: int) -> None:
    """Send what ``following`` gives to 127.0.0.1:``port`` over ``connections`` connections until it gives None."""
    loop = asyncio.get_running_loop()
    done = [loop.create_future() for _ in range(connections)]
    for future in done:
        await loop.create_connection(lambda future=future: _Connection(following, future), "127.0.0.1", port)
    await asyncio.gather(*done)


async def load(port: int, request: bytes, pid: int, *, seconds: float, connections: int = 16) -> Load:
    """Ask the same again and again for ``seconds``; ``pid`` is the server's process."""
    loop = asyncio.get_running_loop()
    server = psutil.Process(pid)
    requests = 0

    def following() -> bytes | None:
        nonlocal requests
        if loop.time() >= end:
            return None
        requests += 1
        return request

    cpu_before, begin = sum(server.cpu_times()[:2]), loop.time()
    end = begin + seconds
    await exchange(port, following, connections)
    elapsed = loop.time() - begin
    cpu = sum(server.cpu_times()[:2]) - cpu_before
    return Load(requests, elapsed, cpu * 1e6 / requests)
