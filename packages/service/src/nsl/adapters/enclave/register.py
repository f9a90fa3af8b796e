"""Carries the register of keys between the database and the replicas, which agree on it and believe neither.

Every step may be the last before a crash: a change is written down before a replica accepts it, and whoever finds it
carries it to its end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from nsl.adapters.enclave.errors import DatabaseOlder, EnclaveDown, EnclaveRefused, EnclaveUntrusted, NoMajority
from nsl.adapters.enclave.register_store import Kept, RegisterStore
from nsl.kit.clock import monotonic, pause
from nsl_protocol.cluster.manifest import Manifest
from nsl_protocol.cluster.register import EMPTY, Path, entered
from nsl_protocol.enclave.agreement import (
    Accept,
    Ack,
    Ask,
    AskLease,
    Certificate,
    Change,
    ClusterFreeze,
    ClusterThaw,
    Conclude,
    Enlistment,
    Freeze,
    GetHead,
    GrantLease,
    Head,
    HeadShown,
    Item,
    Lease,
    Propose,
    Record,
    Show,
    Shown,
    TakeLease,
)
from nsl_protocol.enclave.messages import Answer, Refused, Request

#: The replica knows more than what was read, or less: somebody else is changing the register, or the database was.
_LOST: Final = frozenset({"DATABASE_OLDER", "OTHER_ACCEPTED"})
_MOVED: Final = _LOST | {"PATH_WRONG", "BEHIND"}
#: The replica missed the beginning of an epoch, and maybe the root that it is under.
_OVER: Final = frozenset({"OTHER_EPOCH", "NOT_CERTIFIED"})
#: somebody has made this change hold before: a host that ended before it could write that down, or another one
_ENTERED: Final = "ALREADY_REGISTERED"
#: its clock is not the others'
_APART: Final = "CLOCK_APART"
_ATTEMPTS: Final = 6
_PAUSE_SECONDS: Final = 0.02
#: others come first while it waits, and each of theirs is carried
_ENTER_SECONDS: Final = 10.0
_BUSY: Final = "The register of keys is being changed all the time; the request can be repeated."
#: a lease is renewed when less than this part of it is left
_RENEWED_BELOW: Final = 0.75

_log = structlog.get_logger("nsl.adapters")

type Replica = Callable[[Request], Awaitable[Answer]]


class Register:
    """
    Args:
        replicas: each asks one replica alone, and raises EnclaveDown or EnclaveUntrusted.
        manifest: the present one.
    """

    def __init__(self, store: RegisterStore, replicas: Sequence[Replica], manifest: Callable[[], Manifest]) -> None:
        self._store = store
        self._replicas = tuple(replicas)
        self._manifest = manifest
        self._entering = asyncio.Lock()
        self._attending = asyncio.Lock()
        self._attended_at = float("-inf")

    async def show(self, replica: Replica, item: Item) -> None:
        """Let a replica see that the register has this key. Raises as ``ask_present``."""
        await self.ask_present(replica, item, lambda certificate, path: Show(certificate, item, path), Shown)

    async def ask_present[T: Answer](
        self, replica: Replica, item: Item, request: Callable[[Certificate, Path], Request], kind: type[T]
    ) -> T:
        """What a replica answers to a request about the present edition of a key, which is brought with its path.

        Raises:
            EnclaveRefused: the register has another edition of it, or none; or the replica will not.
            DatabaseOlder: the database has lost what was agreed.
        """
        for attempt in range(_ATTEMPTS):
            kept, path = await self._store.path(item.index)
            if kept.certificate is None:
                await self._refreshed()
                continue
            answer = await replica(request(kept.certificate, path))
            if isinstance(answer, kind):
                return answer
            await self._settle_down(answer, attempt)
        raise NoMajority(_BUSY)

    async def enter(self, entry: Item | Change) -> None:
        """Make a change hold; on return a majority has accepted it. Done twice, it is done once.

        Raises:
            NoMajority: too few replicas answer. The change is written down and may come to hold yet.
            DatabaseOlder: the database has lost what was agreed.
            EnclaveRefused: the change may not follow what is there.
        """
        async with self._entering:
            refusals, until = 0, monotonic() + _ENTER_SECONDS
            while monotonic() < until:
                record, ours = await self._record(entry)
                if isinstance(record, Record):
                    await self._carry(record)
                    if ours:
                        return
                elif record is None:
                    await self._refreshed()
                    await pause(_PAUSE_SECONDS)
                elif isinstance(record, Refused) and record.code == _ENTERED:
                    return
                else:
                    await self._settle_down(record, refusals)
                    refusals += 1
        raise NoMajority(_BUSY)

    async def freeze(self) -> Freeze | None:
        """Of the whole cluster, by the newest head that a replica knows. Raises EnclaveDown."""
        return max((each.certificate.head for each in await self._heads()), key=lambda head: head.order).freeze

    async def tell(self) -> None:
        """Let every replica that can be reached take up the newest head. Raises as ``attend``."""
        await self._refreshed()
        await self._leases()

    async def attend(self) -> None:
        """See to the replicas: finish what is under way, make candidates members, renew leases.

        Raises:
            EnclaveDown: none answers.
            NoMajority, DatabaseOlder: as ``enter``.
        """
        asked_at = monotonic()
        async with self._attending:
            if self._attended_at > asked_at:
                return  # somebody else has just done it
            self._attended_at = monotonic()
            shown = await self._refreshed()
            if len(self._replicas) > 1:
                await self._enlist(shown)
                epoch = max(each.certificate.head.epoch for each in shown)
                if any(self._wants(each, epoch) for each in shown):
                    await self._leases()

    async def _refreshed(self) -> list[HeadShown]:
        """What the replicas say, after database and replicas have been brought to the same change."""
        shown = await self._heads()
        await self._keep_newest(shown)
        kept = await self._store.kept()
        if kept.pending is not None:
            await self._carry(kept.pending)
        return shown

    def _wants(self, shown: HeadShown, epoch: int) -> bool:
        """Whether it needs a lease, or soon will; or is of an epoch that is over: it learns so, and signs no more."""
        left = shown.lease_seconds
        ends = left is not None and left < self._manifest().lease_seconds * _RENEWED_BELOW
        return ends or not shown.current or shown.certificate.head.epoch < epoch

    async def _record(self, entry: Item | Change) -> tuple[Answer | None, bool]:
        """What is to be carried, and whether it is ours. None: there is no register to begin from, or it is held."""
        async with self._store.changing() as change:
            kept = change.kept
            if kept.pending is not None or kept.certificate is None or kept.held:
                return kept.pending, False
            path = (
                None if isinstance(entry, Enlistment | ClusterFreeze | ClusterThaw) else await change.path(entry.index)
            )
            answer = await self._first(Propose(kept.certificate, entry, path))
            if isinstance(answer, Record):
                await change.propose(answer)
            return answer, True

    async def _carry(self, record: Record) -> None:
        """Let a majority accept it, and write down that it holds. Done twice, it is done once.

        Raises:
            NoMajority: too few answer.
            DatabaseOlder: one of them knows of a later change.
        """
        answers: list[Answer] = []
        for attempt in range(2):
            kept = await self._store.kept()
            if kept.pending != record or kept.certificate is None:
                return
            answers = await self._concluded(kept.certificate, record)
            if isinstance(answers[-1], Certificate):
                await self._settle(record, answers[-1])
                return
            if attempt == 0:
                await self._leases()
        for answer in answers:
            if isinstance(answer, Refused) and answer.code == "DATABASE_OLDER":
                raise DatabaseOlder(answer.reason)
        raise NoMajority(
            "Too few key enclaves answer to agree on a change; signing goes on, and the change is made when a majority "
            "is back, or custodians have approved `nsl enclave proceed`."
        )

    async def _concluded(self, certificate: Certificate, record: Record) -> list[Answer]:
        """What each says to it, up to the first that finds a majority. Raises EnclaveDown."""
        acks = tuple(answer for answer in await self._all(Accept(certificate, record)) if isinstance(answer, Ack))
        answers: list[Answer] = []
        for replica in self._replicas:
            answer = await self._quietly(replica, Conclude(certificate, record, acks))
            if answer is not None:
                answers.append(answer)
            if isinstance(answer, Certificate):
                break
        if not answers:
            raise EnclaveDown("No key enclave answers; the request can be repeated.")
        return answers

    async def _settle(self, record: Record, certificate: Certificate) -> None:
        async with self._store.changing() as change:
            if change.kept.pending != record:
                return
            leaf = record.leaf
            nodes = () if leaf is None else entered(leaf, await change.path(leaf.index))
            await change.settle(certificate, nodes)

    async def _keep_newest(self, shown: Sequence[HeadShown]) -> None:
        """Write down a head that replicas know and the database does not: the first, or another epoch's.

        Raises:
            DatabaseOlder: it is of another tree than the database has; or so many have accepted a change of which the
                database has nothing that it may hold.
        """
        newest = max((each.certificate for each in shown), key=lambda each: each.head.order)
        kept = await self._store.kept()
        if kept.certificate is not None and newest.head.order <= kept.certificate.head.order:
            _insist_on_what_is_under_way(kept.certificate.head, kept.pending, shown)
            return
        async with self._store.changing() as change:
            kept = change.kept
            if kept.certificate is not None and newest.head.order <= kept.certificate.head.order:
                return
            root = EMPTY if kept.certificate is None else kept.certificate.head.root
            if newest.head.root == root:
                await change.settle(newest, ())
                return
        if kept.pending is None or kept.pending.head != newest.head:
            raise _older(kept, newest)

    async def _enlist(self, shown: Sequence[HeadShown]) -> None:
        reached = {each.candidate.member for each in shown}
        for candidate in [each.candidate for each in shown]:
            certificate = (await self._store.kept()).certificate
            if certificate is None or candidate.epoch != certificate.head.epoch:
                continue
            members = certificate.head.members
            if candidate.member in members:
                continue
            gone = [member for member in members if member not in reached]
            leaves = gone[0] if gone and len(members) >= self._manifest().replicas else None
            try:
                await self.enter(Enlistment(candidate, leaves))
            except EnclaveRefused as refused:
                # Another process was faster, or there is one more than the manifest has: leases are renewed still.
                _log.warning("key enclave not enlisted", member=candidate.member.hex(), error=refused.detail)
            else:
                _log.info("key enclave enlisted", member=candidate.member.hex())

    async def _leases(self) -> None:
        """Let each replica ask all others; twice, because those that were restarted are heard only after the first."""
        for _ in range(2):
            certificate = (await self._store.kept()).certificate
            if certificate is not None:
                for replica in self._replicas:
                    await self._lease(replica, certificate)

    async def _lease(self, replica: Replica, certificate: Certificate) -> None:
        asked = await self._quietly(replica, AskLease(certificate))
        if isinstance(asked, Ask):
            others = [each for each in self._replicas if each is not replica]
            answers = await asyncio.gather(*(self._quietly(each, GrantLease(certificate, asked)) for each in others))
            granted = tuple(answer for answer in answers if isinstance(answer, Lease))
            taken = await self._quietly(replica, TakeLease(certificate, asked.nonce, granted))
            if isinstance(taken, Refused) and taken.code == _APART:
                _log.warning("key enclave given no lease", code=taken.code, error=taken.reason)

    async def _heads(self) -> list[HeadShown]:
        shown = [answer for answer in await self._all(GetHead()) if isinstance(answer, HeadShown)]
        if not shown:
            raise EnclaveDown("No key enclave answers; the request can be repeated.")
        return shown

    async def _settle_down(self, answer: Answer, attempt: int) -> None:
        """Somebody else was faster; or the database is older, which shows when it stays so.

        Raises:
            EnclaveDown: the replica is of an epoch that is over.
        """
        if not isinstance(answer, Refused) or answer.code in _OVER:
            raise EnclaveDown(answer.reason if isinstance(answer, Refused) else "An answer of another kind.")
        if answer.code not in _MOVED:
            raise EnclaveRefused(answer)
        if attempt >= _ATTEMPTS - 1 and answer.code in _LOST:
            raise DatabaseOlder(answer.reason)
        if attempt > 0:
            await self._refreshed()
        await pause(_PAUSE_SECONDS * attempt)

    async def _first(self, request: Request) -> Answer:
        """Of the first replica that does not refuse, or knows better; else the last refusal. Raises EnclaveDown."""
        answer: Answer | None = None
        for replica in self._replicas:
            answer = await self._quietly(replica, request) or answer
            if isinstance(answer, Refused) and answer.code not in ("DATABASE_OLDER", _ENTERED):
                continue
            if answer is not None:
                return answer
        if answer is None:
            raise EnclaveDown("No key enclave answers; the request can be repeated.")
        return answer

    async def _all(self, request: Request) -> list[Answer | None]:
        return list(await asyncio.gather(*(self._quietly(replica, request) for replica in self._replicas)))

    async def _quietly(self, replica: Replica, request: Request) -> Answer | None:
        """None: it does not answer."""
        try:
            return await replica(request)
        except (EnclaveDown, EnclaveUntrusted):
            return None


def _insist_on_what_is_under_way(head: Head, pending: Record | None, shown: Sequence[HeadShown]) -> None:
    members = [each for each in shown if each.certificate.head == head and each.candidate.member in head.members]
    written = None if pending is None else pending.head.digest
    unknown = [each for each in members if each.accepted not in (None, written)]
    without = [each for each in members if each.accepted in (None, written) and each.current]
    if unknown and len(head.members) - len(without) >= head.majority:
        raise DatabaseOlder(f"Change {head.number + 1} was accepted by key enclaves; the database has nothing of it.")


def _older(kept: Kept, newest: Certificate) -> DatabaseOlder:
    number = 0 if kept.certificate is None else kept.certificate.head.number
    return DatabaseOlder(
        f"The database's register of keys is at change {number}; the key enclaves have agreed on change "
        f"{newest.head.number}. Restore the newest database, or let custodians accept the gap: `nsl enclave proceed`."
    )
