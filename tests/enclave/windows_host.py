"""A host that signs under windows by the service's code, that may end at any step, and whose clocks are the test's."""

import asyncio
import random
from collections import deque
from contextlib import suppress
from copy import copy
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from nsl.adapters.enclave.errors import DatabaseOlder, EnclaveDown, EnclaveRefused, NoMajority
from nsl.adapters.enclave.ledgers import Ledgers
from nsl_enclave.kme import cluster as cluster_module
from nsl_protocol.enclave.ledger import LeaseWindows, LedgerMade
from nsl_protocol.enclave.messages import (
    Answer,
    CreateKey,
    Curve,
    KeyCreated,
    Refused,
    Request,
    Sign,
    Signature,
    Signed,
    SignOrder,
)
from nsl_protocol.enclave.signable import SignMessage
from nsl_protocol.enclave.wrapped import WrappedKey, WrappedLedger
from nsl_protocol.policy.document import Policy, Rate
from tests.enclave.host import NAME, Host, restarted
from tests.enclave.replica import Founders, Replica, client
from tests.support.register import MemoryRegister

SECONDS, LIMIT = 60, 20
POLICY = Policy(rate=(Rate(SECONDS, LIMIT),))
_TRIES = 6


class Crash(Exception):
    """The host ends here."""


class Clocks:
    """Of all replicas: ``elapsed`` passes for all; ``wall`` is what the host says when one is started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.elapsed, self.astray = 1_000_000.0, 0.0
        monkeypatch.setattr(cluster_module, "monotonic", lambda: self.elapsed)
        monkeypatch.setattr(cluster_module, "wall", lambda: 1_800_000_000 + self.elapsed + self.astray)


class WindowsHost(Host):
    """``crash_in``: so many questions and writes from now; None: never."""

    crash_in: int | None = None

    def make_counted_key(self) -> bytes:
        """Under ``POLICY``."""
        made = self.replicas[0].ask(KeyCreated, CreateKey(NAME, Curve.ED25519, POLICY.canonical), client())
        self.enter(WrappedKey(NAME, made.wrapped))
        return made.wrapped

    def orders(self, wrapped: bytes, count: int) -> tuple[SignOrder, ...]:
        """Each for another message."""
        return tuple(SignOrder(NAME, wrapped, SignMessage(uuid4().bytes), uuid4().bytes) for _ in range(count))

    def sign_at(self, replica: Replica, wrapped: bytes, count: int) -> list[Signature | Refused]:
        """As the adapter does, with this replica first. Raises Crash, and the adapter's errors."""
        return asyncio.run(self._sign_at(replica, wrapped, count))

    async def _sign_at(self, replica: Replica, wrapped: bytes, count: int) -> list[Signature | Refused]:
        asks = [partial(self._ask, each) for each in self.replicas]
        first = asks[self.replicas.index(replica)]
        carrying = self.carrying
        ledgers = Ledgers(CrashingStore(self), carrying, asks)
        orders = self.orders(wrapped, count)
        results: list[Signature | Refused] = []
        for _ in range(_TRIES):
            answer = await first(Sign(orders))
            if not isinstance(answer, Signed):
                assert isinstance(answer, Refused)
                return [answer] * count
            results = list(answer.results)
            lacks = {each.code for each in results if isinstance(each, Refused)}
            if "NOT_SHOWN" in lacks:
                await carrying.show(first, WrappedKey(NAME, wrapped))
            elif "WINDOW_LEASE_NEEDED" in lacks:
                await ledgers.lease(first, NAME, wrapped)
            else:
                break
        return results

    async def _ask(self, replica: Replica, request: Request) -> Answer:
        self.step()
        answer = await super()._ask(replica, request)
        self.step()
        return answer

    def step(self) -> None:
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                self.crash_in = None
                raise Crash


class CrashingStore(MemoryRegister):
    """The host's database; it may end before or after it has written."""

    def __init__(self, host: WindowsHost) -> None:
        self.__dict__ = host.store.__dict__
        self._host = host

    async def write_ledger_ahead(self, *arguments: object) -> bool:
        self._host.step()
        made = await super().write_ledger_ahead(*arguments)  # type: ignore[arg-type]
        self._host.step()
        return made

    async def take_over_ledger(self, *arguments: object) -> None:
        self._host.step()
        await super().take_over_ledger(*arguments)  # type: ignore[arg-type]
        self._host.step()


def progress(store: MemoryRegister) -> tuple[tuple[int, int], bool]:
    """How far a database has come."""
    kept = asyncio.run(store.kept())
    assert kept.certificate is not None
    return kept.certificate.head.order, kept.pending is not None


class Adversary:
    """Signs wherever it can, at any time, with any of its databases; counts what it got."""

    def __init__(self, host: WindowsHost, clocks: Clocks, founders: Founders, directory: Path, seed: int) -> None:
        self.chance, self.host, self.clocks = random.Random(seed), host, clocks
        self.founders, self.directory = founders, directory
        self.wrapped = host.make_counted_key()
        self.backups = [host.backup()]
        #: whether it does what may leave the cluster to its custodians
        self.splits = bool(seed % 2)
        self.signed: deque[tuple[float, int]] = deque()
        self.most = self.total = self.crashes = self.older = 0

    def step(self) -> None:
        """One move; afterwards no window has more than the limit."""
        moves = [self.sign, self.sign, self.sign, self.pass_time, self.back_up]
        rare = [self.restart, self.silence, self.leave_behind, self.show_again]
        rare += [self.sign_with_older_database, self.restart_astray, self.fork] if self.splits else []
        self.chance.choice(rare if self.chance.random() < 0.25 else moves)()
        now = self.clocks.elapsed
        while self.signed and self.signed[0][0] <= now - SECONDS:
            self.signed.popleft()
        self.most = max(self.most, sum(count for _, count in self.signed))
        assert self.most <= LIMIT

    def sign(self) -> None:
        if self.chance.random() < 0.5:
            self.host.crash_in = self.chance.randrange(40)
        try:
            self.count(
                self.host.sign_at(self.chance.choice(self.host.replicas), self.wrapped, self.chance.choice([1, 3, 40]))
            )
        except Crash:
            self.crashes += 1
        except (EnclaveDown, NoMajority, EnclaveRefused, DatabaseOlder):
            pass
        self.host.crash_in = None

    def count(self, results: list[Signature | Refused]) -> None:
        made = sum(isinstance(each, Signature) for each in results)
        self.total += made
        self.signed.append((self.clocks.elapsed, made))

    def pass_time(self) -> None:
        self.clocks.elapsed += self.chance.choice([0.1, 1, 3, 7, 20, 70])

    def back_up(self) -> None:
        self.backups = [*self.backups[-4:], self.host.backup()]

    def sign_with_older_database(self) -> None:
        newest, self.host.store = self.host.store, copy(self.chance.choice(self.backups))
        replica = self.chance.choice(self.host.replicas)
        try:
            self.count(self.host.sign_at(replica, self.wrapped, 5))
        except (EnclaveDown, NoMajority, EnclaveRefused, DatabaseOlder):
            self.older += 1
        # What went on from as far as any had come is the newest from then on.
        self.host.store = max((newest, self.host.store), key=progress)

    def restart(self) -> None:
        self.start_again(self.chance.choice([1, 2, 3]))

    def restart_astray(self) -> None:
        """The third, with the clock of its machine set to another time."""
        self.clocks.astray = self.chance.choice([-86_400, -30, 30, 300, 86_400])
        self.start_again(3)
        self.clocks.astray = 0

    def start_again(self, number: int) -> None:
        restarted(self.host, self.founders, self.directory, number)
        self.attend()

    def silence(self) -> None:
        """One that the others believe dead: the adversary's own host still asks it."""
        self.host.silent = {self.chance.choice(self.host.replicas)} if not self.host.silent else set()

    def leave_behind(self) -> None:
        """All that a silent one still signs."""
        for replica in self.host.silent:
            self.leave(replica)

    def show_again(self) -> None:
        """What a replica was shown before."""
        ledger = asyncio.run(self.host.store.ledger(NAME)).present
        if ledger is not None:
            with suppress(EnclaveDown, NoMajority, EnclaveRefused, DatabaseOlder):
                self.host.show(self.chance.choice(self.host.replicas), WrappedLedger(NAME.tenant, NAME.key, ledger))

    def fork(self) -> None:
        """Two replicas lease from one ledger, and both editions are entered."""
        ledger = asyncio.run(self.host.store.ledger(NAME)).present
        for replica in self.chance.sample(self.host.replicas, 2):
            with suppress(EnclaveDown, NoMajority, EnclaveRefused, DatabaseOlder):
                self.host.show(replica, WrappedKey(NAME, self.wrapped))
                self.leave(replica)
                made = replica.call(LeaseWindows(NAME, self.wrapped, ledger), client())
                if isinstance(made, LedgerMade) and made.ledger is not None:
                    item = WrappedLedger(NAME.tenant, NAME.key, made.ledger)
                    written = asyncio.run(self.host.store.write_ledger_ahead(ledger, item))
                    self.host.enter(item)
                    if written:
                        asyncio.run(self.host.store.take_over_ledger(item))
                    self.host.show(replica, item)
                self.leave(replica)

    def leave(self, replica: Replica) -> None:
        """All that it signs without being given anything."""
        answer = replica.call(Sign(self.host.orders(self.wrapped, 40)), client())
        if isinstance(answer, Signed):
            self.count(list(answer.results))

    def attend(self) -> None:
        with suppress(EnclaveDown, NoMajority, DatabaseOlder):
            self.host.attend()
