"""``nsl work``: the loops that drive the pipeline. Any number of workers may run, and any may die."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

import structlog
from prometheus_client import Counter, Gauge, Histogram

from nsl.kit.clock import monotonic, now, pause
from nsl.kit.db import Database
from nsl.kit.errors import Unavailable
from nsl.transactions import store
from nsl.transactions.jobs import BATCH_MAX, BLOCKS_AT_ONCE_MAX, Pipeline
from nsl.transactions.model import State

# A step that took all it may is asked again at once. Else it waits this long, or until the step before it has made
# work: what comes in meanwhile shares the next batch's round trips. With nothing to do it waits twice as long each
# time, up to this: an idle worker would keep database and nodes busy with questions.
IDLE_SECONDS_MAX = 0.25
NEW_WORK_SECONDS = 0.05
RECOVERY_SECONDS = 1.0
FOLLOW_SECONDS = 0.1
BACKLOG_SECONDS = 5.0
STEP_SECONDS = 0.5
NO_CHAIN = "none"
RETRY_SECONDS_FIRST = 0.1
RETRY_SECONDS_MAX = 5.0

_moved = Counter("nsl_pipeline_moved_total", "Transactions that a step moved; for follow, blocks.", ["chain", "step"])
_failed = Counter("nsl_pipeline_step_failures_total", "Steps that a dependency stopped.", ["chain", "step", "code"])
_rewound = Counter("nsl_pipeline_blocks_rewound_total", "Blocks that a chain took back.", ["chain"])
_seconds = Histogram("nsl_pipeline_step_seconds", "How long a step with work took.", ["chain", "step"])
_waiting = Gauge("nsl_pipeline_transactions", "Transactions under way, by state.", ["chain", "state"])
_oldest = Gauge("nsl_pipeline_oldest_seconds", "Age of the oldest transaction under way, by state.", ["chain", "state"])
_followed = Gauge("nsl_pipeline_followed_timestamp_seconds", "When a chain was last followed to its tip.", ["chain"])

_log = structlog.get_logger("nsl.worker")

type Step = Callable[[], Awaitable[int]]


class Worker:
    """Runs the steps of every chain until it is told to stop; a step that is under way is finished first."""

    def __init__(
        self,
        database: Database,
        pipelines: Sequence[Pipeline],
        steps: Mapping[str, Step] = MappingProxyType({}),
        full: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            full: by step, how much it has to move to be asked again at once; 1 for those that are not named.
        """
        self._database = database
        self._pipelines = pipelines
        self._steps = steps
        self._full = full
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask the loops to end."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until ``stop``."""
        async with asyncio.TaskGroup() as group:
            for name, step in self._steps.items():
                group.create_task(self._loop(NO_CHAIN, name, step, STEP_SECONDS, full=self._full.get(name, 1)))
            for pipeline in self._pipelines:
                signing, sending = asyncio.Event(), asyncio.Event()
                group.create_task(
                    self._loop(pipeline.name, "prepare", pipeline.prepare, NEW_WORK_SECONDS, wakes=signing)
                )
                group.create_task(
                    self._loop(pipeline.name, "sign", pipeline.sign, RECOVERY_SECONDS, woken=signing, wakes=sending)
                )
                group.create_task(self._loop(pipeline.name, "send", pipeline.send, RECOVERY_SECONDS, woken=sending))
                group.create_task(
                    self._loop(
                        pipeline.name, "follow", self._following(pipeline), FOLLOW_SECONDS, full=BLOCKS_AT_ONCE_MAX
                    )
                )
                group.create_task(self._loop(pipeline.name, "backlog", self._measuring(pipeline), BACKLOG_SECONDS))

    async def _loop(
        self,
        chain: str,
        name: str,
        step: Step,
        pause_seconds: float,
        *,
        full: int = BATCH_MAX,
        woken: asyncio.Event | None = None,
        wakes: asyncio.Event | None = None,
    ) -> None:
        """Ask a step again and again; a dependency that is down is tried ever more slowly."""
        wake = woken or asyncio.Event()
        failures, idle_seconds = 0, pause_seconds
        while not self._stopping.is_set():
            wake.clear()
            try:
                began = monotonic()
                moved = await step()
            except Unavailable as error:
                failures += 1
                wait = min(RETRY_SECONDS_FIRST * 2**failures, RETRY_SECONDS_MAX)
                _failed.labels(chain, name, error.code).inc()
                _log.warning("step stopped", chain=chain, step=name, code=error.code, detail=error.detail)
            except Exception:  # noqa: BLE001 - logged with its traceback and counted
                # A defect in one step must not stop the others; it is loud, and its batch was rolled back.
                failures += 1
                wait = min(RETRY_SECONDS_FIRST * 2**failures, RETRY_SECONDS_MAX)
                _failed.labels(chain, name, "DEFECT").inc()
                _log.exception("step failed", chain=chain, step=name)
            else:
                failures = 0
                idle_seconds = pause_seconds if moved else min(2 * idle_seconds, max(pause_seconds, IDLE_SECONDS_MAX))
                wait = 0.0 if moved >= full else idle_seconds
                if moved:
                    _seconds.labels(chain, name).observe(monotonic() - began)
                    _moved.labels(chain, name).inc(moved)
                if moved and wakes is not None:
                    wakes.set()
            await self._rest(wake, wait)

    async def _rest(self, wake: asyncio.Event, seconds: float) -> None:
        """Until the time is over, the step before has made work, or the worker stops."""
        if seconds == 0.0:
            await pause(0)
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (wake, self._stopping)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each

    def _following(self, pipeline: Pipeline) -> Step:
        async def follow() -> int:
            moved = await pipeline.follow()
            if moved < 0:
                _rewound.labels(pipeline.name).inc(-moved)
                _log.warning("chain went back", chain=pipeline.name, blocks=-moved)
            if moved == 0:
                _followed.labels(pipeline.name).set(now().timestamp())
            return abs(moved)

        return follow

    def _measuring(self, pipeline: Pipeline) -> Step:
        async def measure() -> int:
            async with self._database.transaction() as connection:
                found = await store.backlog(connection, pipeline.name, now())
            for state in (State.ACCEPTED, State.PREPARED, State.SIGNED, State.SUBMITTED):
                count, oldest_seconds = found.get(state, (0, 0.0))
                _waiting.labels(pipeline.name, state.value).set(count)
                _oldest.labels(pipeline.name, state.value).set(oldest_seconds)
            return 0

        return measure
