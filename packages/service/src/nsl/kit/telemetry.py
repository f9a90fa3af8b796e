"""Logs as ECS JSON on standard error (structlog), metrics on a port of their own (prometheus-client)."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import start_http_server
from structlog.tracebacks import ExceptionDictTransformer

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# Where it failed, and never with which values: those may be passwords, tokens and keys.
_TRACEBACKS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))


def configure_logs(level: str) -> None:
    """Every log line of this process as one JSON object with Elastic's field names."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
            _TRACEBACKS,
            _ecs,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def serve_metrics(port: int, host: str) -> None:
    """``/metrics`` for Prometheus, in a thread of its own."""
    start_http_server(port, addr=host)


def _ecs(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["message"] = event.pop("event")
    event["log.level"] = event.pop("level")
    event["ecs.version"] = "8.11"
    return event
