"""What is past its time is forgotten: the texts that leaves of the audit log commit to. The leaves stay."""

from collections import defaultdict
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from nsl.compliance import store
from nsl.compliance.model import RETENTION, floor_id
from nsl.kit.clock import monotonic, now
from nsl.kit.db import Database

LEAVES_AT_ONCE_MAX: Final = 1000
#: when nothing was due, nothing will be for a while
REST_SECONDS: Final = 60.0

_erased = Counter("nsl_retention_texts_erased_total", "Texts of the audit log that were forgotten for their age.")
_swept = Gauge("nsl_retention_swept_timestamp_seconds", "When nothing was left that is past its time and not held.")
_holds = Gauge("nsl_legal_holds", "Legal holds in force.")
_log = structlog.get_logger("nsl.compliance")


class Retention:
    """As the worker's role, of all tenants. Any number of workers: what one of them does twice is done once."""

    def __init__(self, database: Database, keep: timedelta = RETENTION) -> None:
        self._database = database
        self._keep = keep
        self._rests_until = float("-inf")

    async def step(self) -> int:
        """Look at the next leaves that are past their time; how many."""
        if monotonic() < self._rests_until:
            return 0
        async with self._database.transaction() as connection:
            _holds.set(await store.count_holds(connection))
            looked_to = await store.looked_to(connection)
            until = floor_id(now() - self._keep)
            due = await store.past_retention(connection, looked_to, until, LEAVES_AT_ONCE_MAX)
        if not due:
            _swept.set(now().timestamp())
            self._rests_until = monotonic() + REST_SECONDS
            return 0
        by_tenant: defaultdict[UUID, list[UUID]] = defaultdict(list)
        for leaf, tenant in due:
            by_tenant[tenant].append(leaf)
        for tenant, leaves in by_tenant.items():
            async with self._database.transaction(tenant) as connection:
                texts = await store.erase_texts(connection, leaves)
            _erased.inc(texts)
            _log.info("texts past their time forgotten", tenant=str(tenant), texts=texts, held=len(leaves) - texts)
        async with self._database.transaction() as connection:
            await store.look_on(connection, looked_to, due[-1][0])
        return len(due)
