"""What every store of the register of keys must do. A test module inherits the suite and gives it ``store``, empty."""

import asyncio
import hashlib
from uuid import uuid4

import pytest

from nsl.adapters.enclave import RegisterStore
from nsl.adapters.enclave.register_store import Kept, KeptLedger
from nsl_protocol.cluster.register import EMPTY, Leaf, edition_at, entered
from nsl_protocol.enclave.agreement import Certificate, Head, Record
from nsl_protocol.enclave.wrapped import KeyName, WrappedLedger, WrappedTokenKey

FIRST = Certificate(Head(1, 0, EMPTY, (b"m" * 16,)), bytes(32))


def leaf(number: int) -> Leaf:
    """Of an index that begins with any bits."""
    return Leaf(hashlib.sha256(number.to_bytes(4)).digest(), number.to_bytes(16))


def record(number: int) -> Record:
    """That is told from others."""
    head = Head(1, number, bytes(32), (b"m" * 16,))
    return Record(bytes(32), head, WrappedTokenKey("kid", b"w"), leaf(number), bytes(32))


def certificate(number: int, root: bytes) -> Certificate:
    """Of a change."""
    return Certificate(Head(1, number, root, (b"m" * 16,)), bytes(32))


async def enter(store: RegisterStore, number: int) -> Certificate:
    """A change, from its proposal to its end."""
    async with store.changing() as change:
        await change.propose(record(number))
    async with store.changing() as change:
        nodes = entered(leaf(number), await change.path(leaf(number).index))
        made = certificate(number, nodes[-1].hash)
        await change.settle(made, nodes)
        return made


class RegisterStorePort:
    """Inherit, and provide the fixture ``store``."""

    async def test_it_begins_empty(self, store: RegisterStore) -> None:
        assert await store.kept() == Kept(None, None)
        kept, path = await store.path(leaf(1).index)
        assert kept == Kept(None, None)
        assert edition_at(EMPTY, leaf(1).index, path) is None

    async def test_it_is_held_until_another_epoch_is_settled(self, store: RegisterStore) -> None:
        async with store.changing() as change:
            await change.settle(FIRST, ())
            await change.hold(30)
        assert (await store.kept()).held
        async with store.changing() as change:
            assert change.kept == Kept(FIRST, None, held=True)
            await change.settle(certificate(1, EMPTY), ())
        assert await store.kept() == Kept(certificate(1, EMPTY), None)
        async with store.changing() as change:
            await change.hold(0)
        assert not (await store.kept()).held

    async def test_a_change_is_under_way_until_it_is_settled(self, store: RegisterStore) -> None:
        async with store.changing() as change:
            await change.settle(FIRST, ())
        async with store.changing() as change:
            assert change.kept == Kept(FIRST, None)
            await change.propose(record(1))
        assert await store.kept() == Kept(FIRST, record(1))
        made = await enter(store, 1)
        assert await store.kept() == Kept(made, None)

    async def test_each_index_is_found_under_the_newest_root(self, store: RegisterStore) -> None:
        for number in range(1, 40):
            await enter(store, number)
        kept, _ = await store.path(leaf(1).index)
        assert kept.certificate is not None
        for number in range(1, 45):
            same, path = await store.path(leaf(number).index)
            assert same == kept
            found = edition_at(kept.certificate.head.root, leaf(number).index, path)
            assert found == (leaf(number).edition if number < 40 else None)

    async def test_what_fails_in_between_changes_nothing(self, store: RegisterStore) -> None:
        made = await enter(store, 1)

        async def breaks_off() -> None:
            async with store.changing() as change:
                nodes = entered(leaf(2), await change.path(leaf(2).index))
                await change.settle(certificate(2, nodes[-1].hash), nodes)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await breaks_off()
        kept, path = await store.path(leaf(2).index)
        assert kept == Kept(made, None)
        assert edition_at(made.head.root, leaf(2).index, path) is None

    async def test_one_change_at_a_time(self, store: RegisterStore) -> None:
        async def one(number: int) -> Kept:
            async with store.changing() as change:
                await asyncio.sleep(0.01)
                found = change.kept
                await change.settle(certificate(number, EMPTY), ())
                return found

        seen = await asyncio.gather(*(one(number) for number in range(1, 6)))
        numbers = [each.certificate.head.number for each in seen if each.certificate is not None]
        last = (await store.kept()).certificate
        assert last is not None
        assert sorted([*numbers, last.head.number]) == [1, 2, 3, 4, 5], "each began where another had ended"

    async def test_a_ledger_is_followed_by_one_at_a_time(self, store: RegisterStore) -> None:
        name = KeyName(uuid4().bytes, uuid4().bytes, 1)

        def edition(wrapped: bytes) -> WrappedLedger:
            return WrappedLedger(name.tenant, name.key, wrapped)

        assert await store.ledger(name) == KeptLedger()
        assert not await store.write_ledger_ahead(b"another", edition(b"1"))
        assert await store.write_ledger_ahead(None, edition(b"1"))
        assert not await store.write_ledger_ahead(None, edition(b"2")), "one follows already"
        assert await store.ledger(name) == KeptLedger(None, b"1")
        await store.take_over_ledger(edition(b"2"))
        assert await store.ledger(name) == KeptLedger(None, b"1")
        for _ in range(2):
            await store.take_over_ledger(edition(b"1"))
            assert await store.ledger(name) == KeptLedger(b"1")
        assert not await store.write_ledger_ahead(None, edition(b"3")), "another one is the present one"
        assert await store.write_ledger_ahead(b"1", edition(b"3"))
        assert await store.ledger(name) == KeptLedger(b"1", b"3")
        assert await store.ledger(KeyName(name.tenant, uuid4().bytes, 1)) == KeptLedger()
