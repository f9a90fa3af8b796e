"""Rotation on a real database and three replicas: by the worker when it is due, by people, and over crashes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from nsl.cli.up.postgres import Postgres
from nsl.keys import jobs, store
from nsl.keys.errors import RotationUnsuitable
from nsl.keys.model import Key, Labels, Usage
from nsl.keys.service import Lifecycle
from nsl.kit.clock import now
from nsl_protocol.enclave.lifecycle import KeyChange
from nsl_protocol.enclave.messages import Curve, Used
from nsl_protocol.enclave.symmetric import Decrypt, Encrypt, Product, Task, Use, UseOrder
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.document import Policy
from tests.enclave.replica import client
from tests.service.keys.carried import Bench, benched
from tests.service.keys.crashing import Crash, Crashing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def bench(server: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    async with benched(server, tmp_path, 3) as (made, _):
        yield made


async def new_secret(bench: Bench) -> Key:
    return await bench.keys.create(
        bench.caller,
        labels=Labels("k"),
        curve=Curve.AES_256_GCM,
        usages=(Usage.ENCRYPT, Usage.DECRYPT),
        policy=Policy(),
        rotation_days=90,
    )


async def does(bench: Bench, key: Key, task: Task) -> bytes:
    """By the edition that the database has."""
    async with bench.app.transaction(bench.tenant) as connection:
        found = await store.by_id(connection, key.id)
    assert found is not None
    replica, name = bench.enclave.replicas[0], KeyName(bench.tenant.bytes, key.id.bytes, key.version)
    await bench.enclave.register.show(partial(bench.enclave._ask, replica), WrappedKey(name, found.wrapped))
    order = UseOrder(name, found.wrapped, task, uuid4().bytes)
    (result,) = replica.ask(Used, Use((order,)), client()).results
    assert isinstance(result, Product), result
    return result.value


def make_due(bench: Bench, key: Key) -> None:
    bench.owner("UPDATE keys SET rotates_at = now() - interval '1 minute' WHERE id = %s", key.id)


async def test_the_worker_rotates_what_is_due_and_once(bench: Bench) -> None:
    key, other = await new_secret(bench), await new_secret(bench)
    sealed = await does(bench, key, Encrypt(b"x"))
    make_due(bench, key)
    assert sum(await asyncio.gather(bench.lives.step(), bench.lives.step())) >= 1
    rotated = await bench.keys.get(bench.tenant, key.id)
    assert rotated.secret_version == 2
    assert rotated.public_key == key.public_key, "by which it is told from others"
    assert abs(rotated.rotates_at - now() - timedelta(days=90)) < timedelta(minutes=1)
    assert (await bench.keys.get(bench.tenant, other.id)).secret_version == 1
    assert bench.audited(key) == [("key.rotated", "worker")]
    assert await does(bench, key, Decrypt(sealed)) == b"x"
    assert await bench.lives.step() == 0


async def test_a_key_that_signs_is_counted_as_due_and_left_as_it_is(bench: Bench) -> None:
    key = await bench.new_key()
    await bench.lives.step()
    before = jobs._rotations_due._value.get()
    make_due(bench, key)
    assert await bench.lives.step() == 0
    assert jobs._rotations_due._value.get() == before + 1
    assert await bench.signs(key) == "yes"
    with pytest.raises(RotationUnsuitable, match="make another key"):
        await bench.lifecycle.change(bench.tenant, "a", key.id, KeyChange.ROTATE)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_rotation_that_was_left_half_done_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    monkeypatch.setattr(jobs, "LEFT_AFTER", timedelta())
    at, crashed = 0, True
    while crashed:
        at += 1
        key = await new_secret(bench)
        sealed = await does(bench, key, Encrypt(b"x"))
        make_due(bench, key)
        dying: Any = Crashing(bench, at, after=after)
        crashed = False
        try:
            await Lifecycle(dying, dying).change(bench.tenant, "worker", key.id, KeyChange.ROTATE, when_due=True)
        except Crash:
            crashed = True
        await bench.lives.step()
        assert (await bench.keys.get(bench.tenant, key.id)).secret_version == 2, "neither none nor two"
        assert await does(bench, key, Decrypt(sealed)) == b"x"
        assert bench.audited(key) == [("key.rotated", "worker")]
    assert at > 6, "it takes so many steps"
