"""The access log: one ECS JSON line a request. No header, body or query, so no secret.

Lines of one turn of the event loop leave in one write: a system call for each costs more than the line itself.
"""

import asyncio
import sys
from datetime import datetime
from typing import BinaryIO

import msgspec

from nsl.kit.clock import now


class _Line(msgspec.Struct):
    """Elastic Common Schema 8.11, in its dotted form."""

    timestamp: datetime = msgspec.field(name="@timestamp")
    message: str
    method: str = msgspec.field(name="http.request.method")
    route: str = msgspec.field(name="http.route")
    status: int = msgspec.field(name="http.response.status_code")
    duration: int = msgspec.field(name="event.duration")
    request_id: str = msgspec.field(name="http.request.id")
    trace_id: str = msgspec.field(name="trace.id")
    subject: str | None = msgspec.field(name="user.id")
    tenant: str | None = msgspec.field(name="organization.id")
    level: str = msgspec.field(name="log.level", default="info")
    logger: str = msgspec.field(name="log.logger", default="nsl.access")
    dataset: str = msgspec.field(name="event.dataset", default="nsl.access")
    ecs: str = msgspec.field(name="ecs.version", default="8.11")


class AccessLog:
    """Writes lines to a binary stream, standard error unless told otherwise."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._encoder = msgspec.json.Encoder()
        self._unwritten: list[bytes] = []

    def write(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        *,
        request_id: str,
        trace_id: str,
        subject: str | None,
        tenant: str | None,
    ) -> None:
        """One request. ``route`` is the template, so that no id of a path gets into an index."""
        line = _Line(
            timestamp=now(),
            message=f"{method} {route} {status}",
            method=method,
            route=route,
            status=status,
            duration=int(seconds * 1e9),
            request_id=request_id,
            trace_id=trace_id,
            subject=subject,
            tenant=tenant,
        )
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unwritten.append(self._encoder.encode(line))

    def _flush(self) -> None:
        self._unwritten.append(b"")
        self._stream.write(b"\n".join(self._unwritten))
        self._stream.flush()
        self._unwritten.clear()
