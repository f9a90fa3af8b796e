"""Seeing to the replicas of the key enclave: members, leases, and what a crash has left half done."""

from collections.abc import Callable
from typing import Final

import structlog
from prometheus_client import Gauge

from nsl.adapters.enclave.errors import DatabaseOlder
from nsl.adapters.enclave.register import Register
from nsl.kit.clock import now, pause
from nsl.kit.errors import Unavailable

ATTEND_SECONDS: Final = 2.0

_attended = Gauge("nsl_register_attended_timestamp_seconds", "When the replicas of the key enclave were seen to last")
_older = Gauge("nsl_register_database_older", "1 when the database has lost what the key enclaves agreed on, else 0")
_log = structlog.get_logger("nsl.adapters")


async def attend_always(register: Register, found: Callable[[DatabaseOlder | None], None]) -> None:
    """Until it is cancelled. ``found``: is told each time whether the database has lost what was agreed."""
    while True:
        try:
            await register.attend()
        except Unavailable as error:
            older = error if isinstance(error, DatabaseOlder) else None
            found(older)
            _older.set(older is not None)
            _log.warning("key enclaves not attended", code=error.code, error=error.detail)
        except Exception:  # noqa: BLE001 - logged with its traceback: leases must be renewed all the same
            _log.exception("key enclaves not attended")
        else:
            found(None)
            _older.set(0)
            _attended.set(now().timestamp())
        await pause(ATTEND_SECONDS)
