"""The worker's part in the life of keys: what was left half done is carried on, what is due happens."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Gauge

from nsl.keys import store
from nsl.keys.service import Governing, Lifecycle
from nsl.keys.store import freezes
from nsl.kit.clock import monotonic, now
from nsl.kit.db import Database
from nsl.kit.errors import Conflict, Denied
from nsl_protocol.enclave.lifecycle import KeyChange

KEYS_AT_ONCE_MAX: Final = 64
#: until then, whoever began a change is carrying it
LEFT_AFTER: Final = timedelta(seconds=5)
REFUSED_SECONDS: Final = 60.0
MEASURED_SECONDS: Final = 60.0
#: who destroys, in the record
WORKER: Final = "worker"

_rotations_due = Gauge("nsl_keys_rotation_due", "Keys past their time that people have to replace by other ones.")
_log = structlog.get_logger("nsl.keys")


class KeyLives:
    """Any number of workers: what one of them does twice is done once."""

    def __init__(self, database: Database, lifecycle: Lifecycle, governing: Governing) -> None:
        self._database = database
        self._lifecycle = lifecycle
        self._governing = governing
        self._refused: dict[UUID, float] = {}
        self._measured_next = 0.0

    async def step(self) -> int:
        """Carry on, freeze, destroy, rotate, let policies hold that have waited; how many.

        A key whose change is refused holds no other up, and is tried later.
        """
        self._refused = {key: until for key, until in self._refused.items() if until > monotonic()}
        but = list(self._refused)
        async with self._database.transaction() as connection:
            left = await store.left_half_done(connection, now() - LEFT_AFTER, but, KEYS_AT_ONCE_MAX)
            due = await store.due(connection, now(), but, KEYS_AT_ONCE_MAX)
            frozen = await freezes.to_freeze(connection, but, KEYS_AT_ONCE_MAX)
            policies = await store.policies_due(connection, now(), but, KEYS_AT_ONCE_MAX)
            to_rotate = await store.to_rotate(connection, now(), but, KEYS_AT_ONCE_MAX)
            if monotonic() >= self._measured_next:
                _rotations_due.set(await store.rotations_due(connection, now()))
                self._measured_next = monotonic() + MEASURED_SECONDS
        done = 0
        for tenant, key in left:
            done += await self._done(key, self._lifecycle.carry(tenant, key))
        for tenant, key in frozen:
            done += await self._done(key, self._lifecycle.change(tenant, WORKER, key, KeyChange.FREEZE))
        for tenant, key in due:
            done += await self._done(key, self._lifecycle.change(tenant, WORKER, key, KeyChange.DESTROY))
        for tenant, key in to_rotate:
            done += await self._done(key, self._lifecycle.change(tenant, WORKER, key, KeyChange.ROTATE, when_due=True))
        for tenant, key in policies:
            done += await self._done(key, self._governing.take_due(tenant, key, WORKER))
        return done

    async def _done(self, key: UUID, work: Awaitable[object]) -> bool:
        try:
            await work
        except (Denied, Conflict) as error:
            # The enclave's time has not come, somebody has just undone it, or the row was tampered with.
            self._refused[key] = monotonic() + REFUSED_SECONDS
            _log.warning("key not changed", key=str(key), code=error.code, detail=error.detail)
            return False
        return True
