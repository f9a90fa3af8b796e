"""The access log: one ECS JSON line a request. No header, body or query, so no secret."""

import sys
from typing import Any, TextIO

import msgspec

from nsl.kit.clock import now


_LOG = {"level": "info", "logger": "nsl.access"}
_ECS = {"version": "8.11"}


class _Line(msgspec.Struct, rename={"timestamp": "@timestamp"}):
    timestamp: str
    message: str
    http: dict[str, Any]
    event: dict[str, Any]
    nsl: dict[str, Any]
    log: dict[str, str]
    ecs: dict[str, str]


class AccessLog:
    """Writes lines to a stream, standard error unless told otherwise."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._encoder = msgspec.json.Encoder()

    def write(self, method: str, route: str, status: int, seconds: float, fields: dict[str, Any]) -> None:
        """One request. ``route`` is the template, so that no id of a path gets into an index."""
        line = _Line(
            timestamp=now().isoformat(),
            message=f"{method} {route} {status}",
            http={"request": {"method": method}, "response": {"status_code": status}, "route": route},
            event={"duration": int(seconds * 1e9), "dataset": "nsl.access"},
            nsl=fields,
            log=_LOG,
            ecs=_ECS,
        )
        self._stream.write(self._encoder.encode(line).decode() + "\n")
