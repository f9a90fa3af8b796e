"""HTTP for the guard: one kept connection to the node, and a server of the few lines of HTTP/1.1 that JSON-RPC needs.

A general client or server costs several times more processor time per call, and the guard stands in the
way of every transaction of the benchmarks on the same two cores.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 16 * 1024 * 1024

_REQUEST_HEAD = b"POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_ANSWER_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"

type Handler = Callable[["Upstream", bytes], Awaitable[bytes]]


class NodeError(Exception):
    """The node answered a call of ours with an error."""


class Upstream:
    """One connection to the node, opened at the first call and again after a loss; one call at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> bytes:
        """Send a JSON-RPC body and read the answer. Raises OSError when the node is gone."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=HEAD_BYTES_MAX)
        reader, writer = self._streams
        try:
            writer.write(_REQUEST_HEAD % len(body) + body)
            await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(_content_length(answer) or 0)
        except asyncio.IncompleteReadError:
            self.close()
            raise ConnectionResetError("the node closed the connection") from None
        except BaseException:
            self.close()
            raise

    async def call(self, method: str, *params: Any) -> Any:
        """One call of our own. Raises NodeError, or OSError when the node is gone."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = msgspec.json.decode(await self.post(msgspec.json.encode(request)))
        if "error" in answer:
            raise NodeError(f"{method}: {answer['error']}")
        return answer["result"]

    def close(self) -> None:
        """Drop the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def serve(port: int, node_port: int, handler: Handler) -> asyncio.Server:
    """Answer HTTP POSTs on a loopback port by ``handler``, each connection with its own connection to the node."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = Upstream(node_port)
        try:
            while await _exchange(reader, writer, upstream, handler):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # the client went away, sent no HTTP, or the node is gone: it sees a closed connection
        finally:
            upstream.close()
            writer.close()

    return await asyncio.start_server(connection, "127.0.0.1", port, limit=HEAD_BYTES_MAX, backlog=512)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream, handler: Handler
) -> bool:
    """One request and its answer; says whether the connection stays open."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _content_length(head)
    if not head.startswith(b"POST ") or length is None or length > BODY_BYTES_MAX:
        status = b"405 Method Not Allowed" if length is None else b"413 Content Too Large"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        return False
    answer = await handler(upstream, await reader.readexactly(length))
    writer.write(_ANSWER_HEAD % len(answer) + answer)
    await writer.drain()
    return b"connection: close" not in head.lower()


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            text = value.strip()
            return int(text) if text.isdigit() else None
    return None
