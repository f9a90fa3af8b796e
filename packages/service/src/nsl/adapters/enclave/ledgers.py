"""Shares of what keys may do over time: leased for the replica that signs, from what no other one has."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from prometheus_client import Counter

from nsl.adapters.enclave.errors import EnclaveDown, EnclaveRefused, EnclaveUntrusted, NoMajority
from nsl.adapters.enclave.register import Register
from nsl.adapters.enclave.register_store import RegisterStore
from nsl.kit.clock import monotonic
from nsl_protocol.enclave.ledger import LeaseWindows, LedgerMade, ReturnWindows
from nsl_protocol.enclave.messages import Answer, Refused, Request
from nsl_protocol.enclave.wrapped import KeyName, WrappedLedger

_ATTEMPTS: Final = 6
_leased = Counter("nsl_window_leases_total", "Shares of keys' windows that were leased for a replica.")
_returned = Counter("nsl_window_returns_total", "Times that a replica gave back what it had not spent.")

type Replica = Callable[[Request], Awaitable[Answer]]


class Ledgers:
    """
    Args:
        replicas: each asks one replica alone.
    """

    def __init__(self, store: RegisterStore, register: Register, replicas: Iterable[Replica]) -> None:
        self._store = store
        self._register = register
        self._replicas = tuple(replicas)
        self._leasing: defaultdict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._leased_at: dict[bytes, float] = {}

    async def lease(self, first: Replica, name: KeyName, wrapped: bytes) -> None:
        """Let the replica that signs have what it lacks, as far as there is any.

        Raises:
            NoMajority, DatabaseOlder: as ``Register.enter``.
            EnclaveRefused: the replica wants something else first.
        """
        asked_at = monotonic()
        async with self._leasing[name.key]:
            if self._leased_at.get(name.key, 0.0) > asked_at:
                return  # for somebody who has asked before
            self._leased_at[name.key] = monotonic()
            for _ in range(_ATTEMPTS):
                present = await self._carried(name)
                made = _made(await first(LeaseWindows(name, wrapped, present)))
                if made.short and await self._given_back(name, present):
                    continue
                if made.ledger is not None and not await self._entered(name, present, made.ledger):
                    continue
                _leased.inc()
                shown = made.ledger or present
                if shown is not None:
                    await self._register.show(first, WrappedLedger(name.tenant, name.key, shown))
                return
        raise NoMajority("What the key has spent is being written all the time; the request can be repeated.")

    async def present(self, name: KeyName) -> bytes | None:
        """The ledger, as it is stored."""
        return (await self._store.ledger(name)).present

    async def _carried(self, name: KeyName) -> bytes | None:
        """The present one, after what was left half done."""
        for _ in range(_ATTEMPTS):
            kept = await self._store.ledger(name)
            if kept.following is None:
                return kept.present
            await self._carry(WrappedLedger(name.tenant, name.key, kept.following))
        raise NoMajority("What the key has spent is being written all the time; the request can be repeated.")

    async def _entered(self, name: KeyName, present: bytes | None, following: bytes) -> bool:
        """Write it down, then let a majority accept it. False: somebody else was faster."""
        item = WrappedLedger(name.tenant, name.key, following)
        if not await self._store.write_ledger_ahead(present, item):
            return False
        await self._carry(item)
        return True

    async def _carry(self, item: WrappedLedger) -> None:
        try:
            await self._register.enter(item)
        except EnclaveRefused:
            kept = await self._store.ledger(KeyName(item.tenant, item.key, 1))
            if kept.following == item.wrapped:
                raise
            return  # Somebody else has carried it, and made another one since.
        await self._store.take_over_ledger(item)

    async def _given_back(self, name: KeyName, present: bytes | None) -> bool:
        """Whether any other replica gave something back."""
        given = False
        for replica in self._replicas:
            if present is None:
                break
            try:
                answer = await replica(ReturnWindows(name, present))
            except (EnclaveDown, EnclaveUntrusted):
                continue  # what it has counts as spent
            if isinstance(answer, LedgerMade) and answer.ledger is not None:
                given = await self._entered(name, present, answer.ledger) or given
                _returned.inc()
                present = await self._carried(name)
        return given


def _made(answer: Answer) -> LedgerMade:
    if isinstance(answer, LedgerMade):
        return answer
    if isinstance(answer, Refused):
        raise EnclaveRefused(answer)
    raise EnclaveDown("The enclave gave an answer of another kind.")
