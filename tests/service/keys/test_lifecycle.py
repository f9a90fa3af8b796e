"""The life of a key on a real database and three replicas: crashed between any two steps, brought back, undone."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

from nsl.adapters.enclave import EnclaveRefused, PostgresRegister
from nsl.adapters.rewrapping import rewrap_all
from nsl.cli.up.postgres import APP, OWNER, WORKER, Postgres
from nsl.keys import jobs, store
from nsl.keys.errors import KeyStateConflict, KeyUnknown
from nsl.keys.model import Key, Kind
from nsl.keys.service import Lifecycle, Made, ToSign
from nsl.keys.store import freezes
from nsl.kit.clock import now, pause
from nsl.kit.db import Database
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.cluster.custody import Act
from nsl_protocol.enclave.lifecycle import DAY_SECONDS, KeyChange, KeyState
from nsl_protocol.enclave.membership import Founded, GetQuote, Quoted, RotateRoot
from tests.enclave.ceremonies import NONCE, approved
from tests.service.keys.carried import Bench, benched
from tests.service.keys.crashing import Crash, Crashing

WEEK = 7 * DAY_SECONDS
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def bench(server: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    async with benched(server, tmp_path, 3) as (made, _):
        yield made


async def change(bench: Bench, key: Key, wanted: KeyChange) -> Key:
    wait = WEEK if wanted is KeyChange.DESTROY_LATER else 0
    return await bench.keys.change(bench.caller, key.id, wanted, wait_seconds=wait)


# What it does ---------------------------------------------------------------------------------------------------------


async def test_a_key_lives_and_each_change_is_on_record(bench: Bench) -> None:
    key = await bench.new_key()
    assert (await change(bench, key, KeyChange.DISABLE)).state is KeyState.DISABLED
    assert await bench.signs(key) == "KEY_NOT_ACTIVE"
    waiting = await change(bench, key, KeyChange.DESTROY_LATER)
    assert waiting.state is KeyState.DESTROYING
    assert waiting.destroys_at is not None
    assert abs(waiting.destroys_at - now() - timedelta(days=7)) < timedelta(minutes=1)
    enabled = await change(bench, key, KeyChange.ENABLE)
    assert (enabled.state, enabled.destroys_at) == (KeyState.ACTIVE, None)
    assert await bench.signs(key) == "yes"
    subject = bench.caller.subject
    actions = ["key.disabled", "key.destruction_scheduled", "key.enabled"]
    assert bench.audited(key) == [(each, subject) for each in actions]


async def test_what_is_done_stays_and_what_does_not_follow_is_a_conflict(bench: Bench) -> None:
    key = await bench.new_key()
    assert await change(bench, key, KeyChange.ENABLE) == key
    waiting = await change(bench, key, KeyChange.DESTROY_LATER)
    bench.later(1)
    assert await change(bench, key, KeyChange.DESTROY_LATER) == waiting, "another wait begins only after an undo"
    assert len(bench.audited(key)) == 1
    await destroyed(bench, key)
    assert (await change(bench, key, KeyChange.DESTROY_LATER)).state is KeyState.DESTROYED
    for wanted in (KeyChange.ENABLE, KeyChange.DISABLE):
        with pytest.raises(KeyStateConflict, match="The key is destroyed"):
            await change(bench, key, wanted)
    with pytest.raises(KeyUnknown):
        await bench.lifecycle.change(bench.tenant, "x", UUID(int=0), KeyChange.DISABLE)


async def destroyed(bench: Bench, key: Key) -> None:
    """When the wait is over, by the worker."""
    bench.later(8)
    bench.owner("UPDATE keys SET destroys_at = now() WHERE id = %s", key.id)
    assert await bench.lives.step() == 1


async def test_the_worker_destroys_what_is_due_by_the_enclaves_time_too(bench: Bench) -> None:
    key, other = await bench.new_key(), await bench.new_key()
    for each in (key, other):
        await change(bench, each, KeyChange.DESTROY_LATER)
    assert await bench.lives.step() == 0, "a week is not over"
    bench.owner("UPDATE keys SET destroys_at = now() WHERE id = %s", key.id)
    lives = bench.lives
    assert await lives.step() == 0, "the database says it is, the enclave does not"
    bench.later(8)
    assert await lives.step() == 0, "what was refused is tried later"
    assert await bench.lives.step() == 1, "by another worker"
    found = await bench.keys.get(bench.tenant, key.id)
    assert (found.state, found.destroys_at) == (KeyState.DESTROYED, None)
    assert bench.audited(key)[-1] == ("key.destroyed", "worker")
    certified, final_at = await bench.portable.certificate(bench.tenant, key.id, bytes(32))
    said = certified.statement
    assert (said.state, said.public_key, said.nonce) == (KeyState.DESTROYED, key.public_key, bytes(32))
    assert final_at.timestamp() == said.destroyed_at + 35 * DAY_SECONDS
    assert await bench.signs(key) == "KEY_NOT_ACTIVE"
    assert (await change(bench, other, KeyChange.ENABLE)).state is KeyState.ACTIVE


async def test_the_row_of_a_destroyed_key_that_is_brought_back_does_not_sign(bench: Bench) -> None:
    key = await bench.new_key()
    ((wrapped,),) = bench.owner("SELECT wrapped FROM key_versions WHERE key_id = %s", key.id)
    await change(bench, key, KeyChange.DESTROY_LATER)
    await destroyed(bench, key)
    bench.owner("UPDATE keys SET state = 'active', destroys_at = NULL WHERE id = %s", key.id)
    assert await bench.signs(key) == "KEY_NOT_ACTIVE", "the state in the database decides nothing"
    bench.owner("UPDATE key_versions SET wrapped = %s WHERE key_id = %s", wrapped, key.id)
    assert await bench.signs(key) == "NOT_REGISTERED"


async def test_many_at_once_lead_to_one_change_each_time(bench: Bench) -> None:
    key = await bench.new_key()
    found = await asyncio.gather(*(change(bench, key, KeyChange.DISABLE) for _ in range(6)))
    assert {each.state for each in found} == {KeyState.DISABLED}
    assert len(bench.audited(key)) == 1
    both = await asyncio.gather(change(bench, key, KeyChange.ENABLE), change(bench, key, KeyChange.DESTROY_LATER))
    last = await bench.keys.get(bench.tenant, key.id)
    assert last in both
    assert await bench.signs(key) == ("yes" if last.state is KeyState.ACTIVE else "KEY_NOT_ACTIVE")


async def test_a_change_that_was_tampered_with_holds_no_other_key_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEFT_AFTER", timedelta())
    keys = [await bench.new_key() for _ in range(2)]
    for key in keys:
        dying = Crashing(bench, 5, after=False)
        with pytest.raises(Crash):
            await Lifecycle(dying, dying).change(bench.tenant, "a", key.id, KeyChange.DISABLE)  # type: ignore[arg-type]
    bench.owner(
        "UPDATE key_changes c SET wrapped = v.wrapped FROM key_versions v WHERE v.key_id = %s AND c.key_id = %s",
        keys[1].id, keys[0].id,
    )  # fmt: skip
    assert await bench.lives.step() == 1
    assert [await bench.signs(keys[1])] == ["KEY_NOT_ACTIVE"]
    with pytest.raises(EnclaveRefused) as caught:
        await change(bench, keys[0], KeyChange.DISABLE)
    assert caught.value.code == "KEY_NOT_AUTHENTIC"
    assert await bench.signs(keys[0]) == "yes", "nothing was changed"


# Crashes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("by", ["worker", "next request", "signer"])
async def test_a_change_that_was_left_half_done_is_carried_to_its_end(
    bench: Bench, by: str, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    monkeypatch.setattr(jobs, "LEFT_AFTER", timedelta())
    at, crashed = 0, True
    while crashed:
        at += 1
        key = await bench.new_key()
        dying = Crashing(bench, at, after=after)
        crashed = False
        try:
            await Lifecycle(dying, dying).change(bench.tenant, "a", key.id, KeyChange.DISABLE)  # type: ignore[arg-type]
        except Crash:
            crashed = True
        written = bench.owner("SELECT count(*) FROM key_changes")[0][0]
        if by == "worker":
            assert await bench.lives.step() == written
        elif by == "signer":
            # By the former edition while that is the present one; else it finds the change, and carries it.
            assert await bench.signs(key) in ("yes", "KEY_NOT_ACTIVE")
        assert (await change(bench, key, KeyChange.DISABLE)).state is KeyState.DISABLED
        assert bench.owner("SELECT count(*) FROM key_changes") == [(0,)]
        assert [action for action, _ in bench.audited(key)] == ["key.disabled"]
        assert await bench.signs(key) == "KEY_NOT_ACTIVE"
    assert at > 6, "it takes so many steps"


@pytest.mark.parametrize("at", [5, 6], ids=["written", "entered"])
async def test_who_signs_with_a_key_that_is_half_enabled_finishes_that_first(bench: Bench, at: int) -> None:
    key = await bench.new_key()
    await change(bench, key, KeyChange.DISABLE)
    dying = Crashing(bench, at, after=False)
    with pytest.raises(Crash):
        await Lifecycle(dying, dying).change(bench.tenant, "a", key.id, KeyChange.ENABLE)  # type: ignore[arg-type]
    assert bench.owner("SELECT state FROM keys WHERE id = %s", key.id) == [("disabled",)]
    assert await bench.signs(key) == "yes"
    assert bench.audited(key)[-1] == ("key.enabled", "a")


async def test_an_api_that_remembers_the_key_of_before_reads_it_again(bench: Bench) -> None:
    key = await bench.new_key()
    await change(bench, key, KeyChange.DISABLE)
    assert (await bench.keys.get(bench.tenant, key.id)).state is KeyState.DISABLED
    await bench.lifecycle.change(bench.tenant, "another process", key.id, KeyChange.ENABLE)
    (made,) = await bench.keys.sign(bench.caller, key.id, [ToSign(Kind.MESSAGE, b"m")])
    assert isinstance(made, Made)


async def test_whoever_is_overtaken_by_others_tells_of_the_key_as_it_is(bench: Bench) -> None:
    key = await bench.new_key()

    class Slow(Crashing):
        async def enter_key(self, *arguments: Any) -> None:
            await change(bench, key, KeyChange.ENABLE)  # carries ours to its end, and makes another
            await self._bench.enclave.enter_key(*arguments)

    slow = Slow(bench, 0, after=False)
    found = await Lifecycle(slow, slow).change(bench.tenant, "a", key.id, KeyChange.DISABLE)  # type: ignore[arg-type]
    assert found.state is KeyState.ACTIVE
    assert [action for action, _ in bench.audited(key)] == ["key.disabled", "key.enabled"]
    assert await bench.signs(key) == "yes"


async def test_an_edition_that_others_have_overtaken_is_made_anew(bench: Bench) -> None:
    key, turns = await bench.new_key(), iter([KeyChange.DISABLE, KeyChange.ENABLE])

    class Slow(Crashing):
        async def change_key(self, *arguments: Any) -> Any:
            made = await super().change_key(*arguments)
            for wanted in turns:
                await change(bench, key, wanted)
            return made

    slow = Slow(bench, 0, after=False)
    found = await Lifecycle(slow, slow).change(bench.tenant, "a", key.id, KeyChange.DISABLE)  # type: ignore[arg-type]
    assert found.state is KeyState.DISABLED
    assert [action for action, _ in bench.audited(key)] == ["key.disabled", "key.enabled", "key.disabled"]


async def test_who_writes_a_change_down_and_who_ends_one_do_not_wait_for_each_other_in_a_circle(bench: Bench) -> None:
    key = await bench.new_key()
    dying = Crashing(bench, 6, after=False)
    with pytest.raises(Crash):
        await Lifecycle(dying, dying).change(bench.tenant, "a", key.id, KeyChange.DISABLE)  # type: ignore[arg-type]
    another = store.PendingChange(
        uuid4(), key.id, 1, bytes(30), KeyState.DISABLED, None, "b", "key.disabled", key.policies
    )
    async with bench.app.transaction(bench.tenant) as connection:
        await store.lock(connection, key.id)
        ending = asyncio.create_task(bench.lifecycle.carry(bench.tenant, key.id))
        await pause(0.3)
        assert not await store.insert_change(connection, bench.tenant, another, now())
    assert await ending


# The database ---------------------------------------------------------------------------------------------------------


async def test_a_change_under_way_is_wrapped_anew_with_the_root(server: Postgres, tmp_path: Path) -> None:
    async with benched(server, tmp_path, 1) as (bench, founders):
        key, replica = await bench.new_key(), bench.enclave.replicas[0]
        dying = Crashing(bench, 5, after=False)
        with pytest.raises(Crash):
            await Lifecycle(dying, dying).change(bench.tenant, "a", key.id, KeyChange.DISABLE)  # type: ignore[arg-type]
        assert bench.owner("SELECT get_byte(wrapped, 4) FROM key_changes") == [(1,)]
        certificate = (await PostgresRegister(bench.app).kept()).certificate
        assert certificate is not None
        digest = hashlib.sha256(replica.ask(Quoted, GetQuote(Purpose.ROTATION, NONCE)).quote).digest()
        replica.ask(Founded, RotateRoot(certificate, digest, approved(founders, Act.ROTATE, digest)))
        await bench.enclave.register.attend()
        async with Database(server.url(OWNER)) as owner:
            assert await rewrap_all(owner, bench.enclave, print) >= 2  # type: ignore[arg-type]
        assert bench.owner("SELECT get_byte(wrapped, 4) FROM key_changes") == [(2,)]
        assert (await change(bench, key, KeyChange.DISABLE)).state is KeyState.DISABLED
        assert (await change(bench, key, KeyChange.ENABLE)).state is KeyState.ACTIVE
        assert await bench.signs(key) == "yes"
        old = b"\3" + (1).to_bytes(4) + bytes(30)
        with pytest.raises(psycopg.errors.SerializationFailure):
            bench.owner(
                "INSERT INTO key_changes (key_id, version, id, tenant_id, wrapped, state, changed_by, changed_at)"
                " VALUES (%s, 1, gen_random_uuid(), %s, %s, 'active', 'x', now())",
                key.id, bench.tenant, old,
            )  # fmt: skip
        bench.owner("UPDATE oldest_root SET generation = 0")


@pytest.mark.parametrize("role", [APP, WORKER])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE key_changes SET state = 'active'", "TRUNCATE key_changes", "UPDATE key_versions SET public_key = ''"],
)
async def test_the_service_changes_nothing_else(server: Postgres, role: str, statement: str) -> None:
    with (
        psycopg.connect(server.url(role), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


async def test_the_worker_writes_in_no_tenant_but_the_one_it_works_for(bench: Bench) -> None:
    key = await bench.new_key()
    async with bench.worker.transaction() as connection:
        done = await connection.execute("UPDATE keys SET state = 'disabled' WHERE id = %s", [key.id])
        assert done.rowcount == 0
        done = await connection.execute("UPDATE key_versions SET wrapped = '' WHERE key_id = %s", [key.id])
        assert done.rowcount == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with bench.worker.transaction() as connection:
            await connection.execute(
                "INSERT INTO key_changes (key_id, version, id, tenant_id, wrapped, state, changed_by, changed_at)"
                " VALUES (%s, 1, gen_random_uuid(), %s, '', 'active', 'x', now())",
                [key.id, bench.tenant],
            )


async def test_what_a_freeze_of_a_tenant_left_the_worker_freezes(bench: Bench) -> None:
    key, disabled = await bench.new_key(), await bench.new_key()
    await change(bench, disabled, KeyChange.DISABLE)
    async with bench.app.transaction(bench.tenant) as connection:
        assert await freezes.freeze(connection, bench.tenant, "somebody", now())
    while await bench.lives.step():
        pass
    assert await bench.signs(key) == "KEY_FROZEN"
    async with bench.app.transaction(bench.tenant) as connection:
        found = await freezes.freeze_of(connection, bench.tenant)
        assert found is not None
        assert found.keys_left == 0
        assert await freezes.lift(connection, bench.tenant)
