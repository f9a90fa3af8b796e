"""The host or a replica ends between any two steps of a change: nothing is lost, nothing is done twice."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from nsl_protocol.enclave.messages import Answer, Request
from tests.enclave.ceremonies import bootstrap, join
from tests.enclave.host import Host, restarted, shown, unentered
from tests.enclave.replica import Founders, Replica


class Crash(Exception):
    """The host ends here."""


class CrashingHost(Host):
    """Ends before or after it has asked a replica for the ``at``-th time."""

    at, asked, after = 0, 0, False

    async def _ask(self, replica: Replica, request: Request) -> Answer:
        self.asked += 1
        now = self.asked == self.at
        if now and not self.after:
            raise Crash
        try:
            return await super()._ask(replica, request)
        finally:
            if now:
                raise Crash


def crashing(host: Host, at: int, *, after: bool) -> CrashingHost:
    """The same replicas and database."""
    made = CrashingHost(*host.replicas, store=host.store)
    made.silent, made.at, made.after = host.silent, at, after
    return made


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("silent", [None, 0, 2])
def test_whoever_finds_a_change_half_done_carries_it_to_its_end(host: Host, silent: int | None, *, after: bool) -> None:
    at, crashed = 0, True
    while crashed:
        at += 1
        item = unentered(host.replicas[1], at)
        host.silent = set() if silent is None else {host.replicas[silent]}
        try:
            crashing(host, at, after=after).enter(item)
            crashed = False
        except Crash:
            host.attend()
            host.enter(item)  # also where whoever came next has entered it
        host.silent = set()
        host.attend()
        for replica in host.replicas:
            host.show(replica, item)
        assert {shown(each).certificate for each in host.replicas} == {host.certificate}
    assert at > 4, "it takes so many questions"


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_replica_comes_back_from_its_seal_at_any_step(
    host: Host, founders: Founders, tmp_path: Path, gone: int
) -> None:
    for at in range(1, 8):
        item = unentered(host.replicas[0], at)
        with suppress(Crash):
            crashing(host, at, after=True).enter(item)
        restarted(host, founders, tmp_path, gone)
        host.attend()
        host.enter(item)
        for replica in host.replicas:
            host.show(replica, item)


@pytest.mark.parametrize("at", range(1, 12))
def test_all_come_back_from_their_seals_at_any_step(host: Host, founders: Founders, tmp_path: Path, at: int) -> None:
    made, item = host.make_key(), unentered(host.replicas[0], 1)
    with suppress(Crash):
        crashing(host, at, after=True).enter(item)
    restarted(host, founders, tmp_path, 1, 2, 3)
    host.attend()
    host.enter(item)
    for replica in host.replicas:
        host.show(replica, item)
        assert host.public_key_of(replica, made.wrapped) == made.public_key


def test_two_hosts_attend_side_by_side(founders: Founders, tmp_path: Path) -> None:
    """Each finds the same candidates; one is faster."""
    replicas = [Replica(founders, tmp_path / str(number)) for number in (1, 2, 3)]
    bootstrap(replicas[0], founders)
    for each in replicas[1:]:
        join(replicas[0], each)
    hosts = [Host(*replicas)]
    hosts += [Host(*replicas, store=hosts[0].store) for _ in range(2)]

    async def all_of_them() -> None:
        await asyncio.gather(*(each.carrying.attend() for each in hosts))

    asyncio.run(all_of_them())
    assert len(hosts[0].certificate.head.members) == 3
    assert all(shown(each).lease_seconds for each in replicas)


def test_two_hosts_enter_keys_side_by_side(host: Host) -> None:
    items = [unentered(host.replicas[number % 3], number) for number in range(12)]
    others = [Host(*host.replicas, store=host.store) for _ in range(3)]

    async def all_of_them() -> None:
        await asyncio.gather(*(others[number % 3].carrying.enter(item) for number, item in enumerate(items)))

    asyncio.run(all_of_them())
    for item in items:
        for replica in host.replicas:
            host.show(replica, item)
