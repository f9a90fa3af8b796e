"""A load generator that costs little: keep-alive connections that send one prepared request again and again."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

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
    """Sends the request, counts an answer, sends it again; anything but 200 ends the round with an error."""

    def __init__(self, request: bytes, count: Callable[[], bool], done: asyncio.Future[None]) -> None:
        self._request = request
        self._count = count
        self._done = done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._finish(RuntimeError((head + b" " + rest)[:1000].decode(errors="replace")))
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self._buffer = b""
        if self._count():
            self._transport.write(self._request)
        else:
            self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("the server closed the connection"))

    def _finish(self, error: Exception | None) -> None:
        if not self._done.done():
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)
            self._transport.close()


async def load(port: int, request: bytes, pid: int, *, seconds: float, connections: int = 16) -> Load:
    """Ask 127.0.0.1:``port`` for ``seconds`` over ``connections`` connections; ``pid`` is the server's process."""
    loop = asyncio.get_running_loop()
    server = psutil.Process(pid)
    requests = 0

    def count() -> bool:
        nonlocal requests
        requests += 1
        return loop.time() < end

    done = [loop.create_future() for _ in range(connections)]
    cpu_before, begin = sum(server.cpu_times()[:2]), loop.time()
    end = begin + seconds
    for future in done:
        await loop.create_connection(lambda future=future: _Connection(request, count, future), "127.0.0.1", port)
    await asyncio.gather(*done)
    elapsed = loop.time() - begin
    cpu = sum(server.cpu_times()[:2]) - cpu_before
    return Load(requests, elapsed, cpu * 1e6 / requests)
