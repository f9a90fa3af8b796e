"""Leaves that were written down are brought into the log: by any worker, one of them at a time.

A step is four, each of which may be the last before a crash: the enclave makes the next edition of the log; it is
written down with the positions that it has; the register of keys takes it, from when on it holds; it becomes the
stored one. Whoever finds an edition that was written down carries it to its end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from nsl.audit import store
from nsl.audit.model import LOST_AT_ONCE_MAX, Batch, Evidence, Gap, LogPlace, batch, taken_of_runs
from nsl.audit.ports import LogEnclave
from nsl.audit.service.witnessing import Witnessing
from nsl.audit.store import FetchedLeaf
from nsl.kit.clock import monotonic, now, random_bytes, unix_seconds
from nsl.kit.db import Connection, Database
from nsl.kit.ids import new_id
from nsl_protocol.attestation.binding import NONCE_BYTES
from nsl_protocol.attestation.quote import parse_quote
from nsl_protocol.audit.heads import Head, SignedHead, log_line
from nsl_protocol.audit.leaves import EnclaveLeaf, read_leaf
from nsl_protocol.audit.merkle import leaf_hash, perfect_root
from nsl_protocol.audit.proofs import LEVEL_STEP
from nsl_protocol.enclave.log import (
    LEAVES_AT_ONCE_MAX,
    LEAVES_FETCHED_MAX,
    LeavesAppended,
    LeavesKept,
    Lost,
    ToAppend,
)
from nsl_protocol.receipt import evidence_nonce

#: until then, what is missing may still be on its way from an enclave into the database
GAP_SECONDS: Final = 3.0
#: a replica that does not answer may still have what is missing
LOST_SECONDS: Final = 60.0
SWEEP_SECONDS: Final = 30.0
#: a receipt shows the enclave's quote of the day
EVIDENCE_KEPT: Final = timedelta(days=1)
#: a head is signed after so many, whatever else waits
_BATCHES_MAX: Final = 16
#: a step that brought in so many is followed by the next at once; else what comes meanwhile shares one batch and head
STEP_FULL: Final = 4 * LEAVES_AT_ONCE_MAX

_size = Gauge("nsl_audit_log_leaves", "Leaves in the audit log.")
_advanced = Gauge("nsl_audit_log_advanced_timestamp_seconds", "When nothing was left to bring into the audit log.")
_held = Gauge("nsl_audit_log_held", "Leaves that wait for earlier ones of their run.")
_lost = Counter("nsl_audit_log_lost_total", "Leaves that no enclave and no row has.")
_fetched = Counter("nsl_audit_log_fetched_total", "Leaves that only the enclave still had.")
_log = structlog.get_logger("nsl.audit")


class LogKeeper:
    """Works as the worker's role, for all tenants."""

    def __init__(self, database: Database, enclave: LogEnclave, witnessing: Witnessing, origin: str) -> None:
        self._database = database
        self._enclave = enclave
        self._witnessing = witnessing
        self._origin = origin
        self._gaps: dict[bytes, tuple[int, float]] = {}
        self._swept_at = monotonic()
        self._made: dict[bytes, int] = {}
        self._looked = False

    async def step(self) -> int:
        """Bring what was written down into the log, and sign the head that it has then; how many leaves came in."""
        await self._found_its_cluster()
        before = (await self._carried()).size
        for _ in range(_BATCHES_MAX):
            if not await self._advance():
                break
        at = await self._carried()
        await self._sign_head(at)
        _size.set(at.size)
        _held.set(len(at.held))
        async with self._database.transaction() as connection:
            if await store.all_taken(connection, at):
                _advanced.set(now().timestamp())
        if monotonic() - self._swept_at > SWEEP_SECONDS:
            await self._sweep()
        return at.size - before

    async def _found_its_cluster(self) -> None:
        """At the start: the order of what was written goes by numbers that another cluster counts anew."""
        if not self._looked:
            async with self._database.transaction() as connection:
                if await store.moved(connection):
                    _log.warning("the database was restored into another cluster; the audit log goes on")
            self._looked = True

    async def _carried(self) -> LogPlace:
        """Where the log is, after what was left half done."""
        async with self._database.transaction() as connection:
            at = await store.place(connection)
        if at.following is None:
            return at
        await self._enclave.enter_log(at.following)
        async with self._database.transaction() as connection:
            found = await store.place(connection, lock=True)
            if found.following == at.following:
                await store.take_over(connection)
        async with self._database.transaction() as connection:
            return await store.place(connection)

    async def _advance(self) -> bool:
        """One batch. False: there is nothing more to take now that would fill another."""
        at = await self._carried()
        async with self._database.transaction() as connection:
            held, written = await store.waiting(connection, at, LEAVES_AT_ONCE_MAX)
            runs = {leaf.run for leaf in (*held, *written) if leaf.run is not None}
            following = await store.following(connection, list(runs))
            waited_for = {leaf.run: following.get(leaf.run, 0) for leaf in held if leaf.run is not None}
            came = await store.missing(connection, waited_for, LEAVES_FETCHED_MAX)
            if await store.place(connection) != at:
                return True  # Another worker was faster: what was read here is partly of before, partly of after.
        known = {leaf.id for leaf in held}
        taken = batch([*held, *(leaf for leaf in came if leaf.id not in known)], written, following, at)
        lost = await self._lost(taken.gaps)
        if not taken.leaves and not lost and (taken.cursor, set(taken.held)) == (at.cursor, set(at.held)):
            return False
        items: list[ToAppend | Lost] = [ToAppend(leaf.content, leaf.mac) for leaf in taken.leaves]
        ids: list[UUID | None] = [leaf.id for leaf in taken.leaves]
        made = None
        if items or lost:
            made = await self._enclave.append_leaves(at.wrapped, (*items, *lost))
        await self._write_ahead(at, taken, made, ids, lost)
        await self._carried()
        return len(written) == LEAVES_AT_ONCE_MAX or (bool(written) and taken.cursor != written[-1].order)

    async def _write_ahead(
        self,
        at: LogPlace,
        taken: Batch,
        made: LeavesAppended | None,
        ids: Sequence[UUID | None],
        lost: Sequence[Lost],
    ) -> None:
        """Unless another worker was faster."""
        contents = [leaf.content for leaf in taken.leaves]
        async with self._database.transaction() as connection:
            if await store.place(connection, lock=True) != at:
                return
            if made is None:
                await store.move_cursor(connection, taken)
                return
            hashes = [leaf_hash(each) for each in (*contents, *made.lost)]
            await store.append(
                connection,
                at.size,
                hashes,
                (*ids, *(None for _ in made.lost)),
                (*(None for _ in contents), *made.lost),
            )
            await _keep_nodes(connection, at.size, made.size)
            runs = taken_of_runs(taken.leaves) | {each.run: each.last + 1 for each in lost}
            await store.write_ahead(connection, made.log, made.size, taken, runs)

    async def _lost(self, gaps: Iterable[Gap]) -> list[Lost]:
        """What of the gaps is to be given up; what enclaves still have of them is written down first."""
        present, gaps = monotonic(), list(gaps)
        since = {gap.run: self._gaps.get(gap.run, (gap.first, present)) for gap in gaps}
        self._gaps = {
            gap.run: since[gap.run] if since[gap.run][0] == gap.first else (gap.first, present) for gap in gaps
        }
        late = [gap for gap in gaps if present - self._gaps[gap.run][1] > GAP_SECONDS]
        if not late:
            return []
        kept, all_answered = await self._enclave.leaves_kept({gap.run: gap.first for gap in late})
        ends = {gap.run: gap.last + 1 for gap in late}
        # Those behind the gap may be on their way from a host that is about to give out what they tell of.
        await self._write_fetched(
            LeavesKept(each.run, each.first, each.leaves[: max(0, ends.get(each.run, 0) - each.first)]) for each in kept
        )
        alive = {each.run: each.first for each in kept}
        lost = []
        for gap in late[:LOST_AT_ONCE_MAX]:
            if gap.run in alive and alive[gap.run] <= gap.first:
                continue  # it comes with the next batch
            if not all_answered and present - self._gaps[gap.run][1] < LOST_SECONDS:
                continue
            last = min(gap.last, alive[gap.run] - 1) if gap.run in alive else gap.last
            lost.append(Lost(gap.run, last))
            _lost.inc(last - gap.first + 1)
            _log.error("leaves of the audit log are lost", run=gap.run.hex(), first=gap.first, last=last)
        return lost

    async def _sweep(self) -> None:
        """Fetch what a host did not write down before it ended, and no later leaf shows to be missing.

        Only what was there a sweep ago: what came after it may be on its way.
        """
        async with self._database.transaction() as connection:
            following = await store.following(connection)
        kept, _ = await self._enclave.leaves_kept(following)
        until, self._made = self._made, {each.run: each.first + len(each.leaves) for each in kept}
        await self._write_fetched(
            LeavesKept(each.run, each.first, each.leaves[: max(0, until.get(each.run, 0) - each.first)])
            for each in kept
        )
        self._swept_at = monotonic()

    async def _write_fetched(self, kept: Iterable[LeavesKept]) -> None:
        fetched = [
            FetchedLeaf(new_id(), UUID(leaf.tenant), marked, each.run, leaf.number)
            for each in kept
            for marked in each.leaves
            if isinstance(leaf := read_leaf(marked.content), EnclaveLeaf) and leaf.tenant is not None
        ]
        if not fetched:
            return
        async with self._database.transaction() as connection:
            count = await store.insert_fetched(connection, fetched)
        if count:
            _fetched.inc(count)
            _log.warning("leaves fetched from the key enclave that no host had written down", leaves=count)

    async def _sign_head(self, at: LogPlace) -> None:
        """A head that is there stays; only what shows its key may be missing yet."""
        if at.wrapped is None:
            return
        async with self._database.transaction() as connection:
            there = await store.head(connection, at.size)
        if there is not None:
            await self._show(there.log_key)
            return
        signed = await self._enclave.sign_head(at.wrapped)
        head = Head(self._origin, signed.size, signed.root)
        line = log_line(self._origin, signed.log_key, signed.signature)
        note = (await self._witnessing.cosigned(SignedHead(head, (line,)))).note
        async with self._database.transaction() as connection:
            await store.insert_head(connection, signed.size, signed.root, signed.log_key, note)
        await self._show(signed.log_key)

    async def _show(self, log_key: bytes) -> None:
        """Keep what shows that a log key is an enclave's, as it is today."""
        async with self._database.transaction() as connection:
            shown_at = await store.evidence_at(connection, log_key)
        if shown_at is None or now() - shown_at > EVIDENCE_KEPT:
            evidence = await self._evidence()
            if evidence is not None:
                async with self._database.transaction() as connection:
                    await store.insert_evidence(connection, evidence)

    async def _evidence(self) -> Evidence | None:
        """Two quotes: the first for what the second one's nonce is over. None: another replica made the second."""
        first = await self._enclave.evidence(random_bytes(NONCE_BYTES))
        certificates = parse_quote(first.quote).certificates
        collateral = msgspec.json.decode(first.collateral, type=dict[str, str])
        shown = await self._enclave.evidence(evidence_nonce(certificates, collateral, unix_seconds()))
        if parse_quote(shown.quote).certificates != certificates:
            return None
        return replace(shown, collateral=first.collateral)


async def _keep_nodes(connection: Connection, before: int, after: int) -> None:
    """The roots of the perfect subtrees that are complete now."""
    level = 0
    while after >> LEVEL_STEP:
        for index in range(before >> LEVEL_STEP, after >> LEVEL_STEP):
            below = await store.hashes(connection, level, index << LEVEL_STEP, 1 << LEVEL_STEP)
            await store.insert_node(connection, level + LEVEL_STEP, index, perfect_root(below))
        before, after, level = before >> LEVEL_STEP, after >> LEVEL_STEP, level + LEVEL_STEP
