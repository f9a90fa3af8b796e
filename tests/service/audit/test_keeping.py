"""The audit log on a real database and three replicas: everything that was written down comes in, once, in an order
that the enclave signs; crashed between any two steps, and with leaves that nobody wrote down."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from nsl.audit import store
from nsl.audit.service import LogKeeper, Witnessing, keeping
from nsl.cli.up.postgres import Postgres
from nsl.keys.model import Key, Kind
from nsl.keys.service import Made, ToSign
from nsl_protocol.audit.heads import Head, origin, parse_signed_head, verify_log_line
from nsl_protocol.audit.leaves import EnclaveLeaf, HostLeaf, LostLeaves, commits, read_leaf
from nsl_protocol.audit.merkle import Frontier, leaf_hash, perfect_root
from nsl_protocol.enclave.lifecycle import KeyChange
from tests.enclave.replica import Founders, Replica
from tests.service.keys.carried import Bench, benched

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def bench(server: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    async with benched(server, tmp_path, 3) as (found, _):
        yield found


def keeper(bench: Bench) -> LogKeeper:
    return LogKeeper(bench.worker, bench.enclave, Witnessing(bench.worker, []), origin(_cluster(bench)))


def _cluster(bench: Bench) -> bytes:
    return bench.enclave.replicas[0].cluster.identifier


def log_of(bench: Bench) -> list[bytes]:
    """The contents in their order, as the database has them."""
    rows = bench.owner(
        "SELECT coalesce(p.content, l.content) FROM audit_positions p LEFT JOIN audit_leaves l ON l.id = p.leaf_id "
        "WHERE p.position < (SELECT size FROM audit_log) ORDER BY p.position"
    )
    return [row[0] for row in rows]


def verified(bench: Bench) -> list[Any]:
    """The leaves, after the newest head was verified over exactly them."""
    contents = log_of(bench)
    ((size, root, note),) = bench.owner("SELECT size, root, note FROM audit_heads ORDER BY size DESC LIMIT 1")
    assert (size, root) == (len(contents), Frontier().appended(map(leaf_hash, contents)).root)
    signed = parse_signed_head(note)
    assert signed.head == Head(origin(_cluster(bench)), size, root)
    log_key = bench.enclave.replicas[0].cluster.needed_root().log_key().public_key().public_bytes_raw()
    verify_log_line(signed, log_key)
    return [read_leaf(each) for each in contents]


async def sign(bench: Bench, key: Key, text: bytes = b"m") -> Made:
    (result,) = await bench.keys.sign(bench.caller, key.id, [ToSign(Kind.MESSAGE, text)])
    assert isinstance(result, Made)
    return result


async def test_everything_comes_in_once_under_a_signed_head(bench: Bench) -> None:
    key = await bench.new_key()
    made = await sign(bench, key)
    (refused,) = await bench.keys.sign(bench.caller, key.id, [ToSign(Kind.N3_TRANSACTION, b"m", 1)])
    assert not isinstance(refused, Made)
    await bench.keys.change(bench.caller, key.id, KeyChange.DISABLE)
    assert await keeper(bench).step() > 0
    leaves = verified(bench)
    acts = [each.act for each in leaves if isinstance(each, EnclaveLeaf) and each.key == str(key.id)]
    assert acts == ["key.created", "signature", "key.disabled"]
    assert "key.disabled" in [each.act for each in leaves if isinstance(each, HostLeaf)]
    (signature,) = [each for each in leaves if isinstance(each, EnclaveLeaf) and each.act == "signature"]
    ((salt, decoded),) = bench.owner(
        "SELECT l.salt, s.decoded::text FROM audit_leaves l JOIN signatures s USING (id) WHERE id = %s", made.receipt
    )
    assert commits(signature.commitment, salt, decoded.encode())
    assert await keeper(bench).step() == 0


async def test_a_large_log_keeps_the_roots_of_its_subtrees(bench: Bench) -> None:
    key = await bench.new_key()
    for _ in range(3):
        items = [ToSign(Kind.MESSAGE, b"m")] * 256
        assert all(isinstance(each, Made) for each in await bench.keys.sign(bench.caller, key.id, items))
    assert await keeper(bench).step() > 768
    contents = [leaf_hash(each) for each in log_of(bench)]
    assert len(verified(bench)) == len(contents)
    nodes = bench.owner("SELECT index, hash FROM audit_nodes WHERE level = 8 ORDER BY index")
    assert nodes == [
        (index, perfect_root(contents[index * 256 : index * 256 + 256])) for index in range(len(contents) // 256)
    ]


async def test_a_database_that_was_restored_into_another_cluster_goes_on(bench: Bench) -> None:
    """As after pg_dump and restore: the numbers of transactions that it brings are still to come there."""
    key = await bench.new_key()
    await sign(bench, key)
    await keeper(bench).step()
    await sign(bench, key)
    bench.owner("UPDATE audit_leaves SET tx = (tx::text::bigint + 1000000000)::text::xid8")
    bench.owner("UPDATE audit_log SET tx = (tx::text::bigint + 1000000000)::text::xid8")
    await sign(bench, key)
    await keeper(bench).step()
    contents = log_of(bench)
    assert len(verified(bench)) == len(set(contents)) == bench.owner("SELECT count(*) FROM audit_leaves")[0][0]


async def test_hashes_are_read_wherever_they_stand(bench: Bench) -> None:
    """Numbers are sent in as few bytes as they need: around the end of two bytes, and of four."""
    async with bench.worker.transaction() as connection:
        for first in (32_767 - 100, 32_767, 65_536 - 100, 2**31 - 100, 2**31):
            hashes = [number.to_bytes(32) for number in range(first, first + 256)]
            await store.append(connection, first, hashes, [None] * 256, [b"{}"] * 256)
            assert await store.hashes(connection, 0, first, 256) == hashes
            await store.insert_node(connection, 8, first, hashes[0])
            assert await store.hashes(connection, 8, first, 256) == [hashes[0]]
            await connection.execute("DELETE FROM audit_positions")
            await connection.execute("DELETE FROM audit_nodes")


class Ended(Exception):
    """The worker ends here."""


STEPS = ["append_leaves", "enter_log", "sign_head"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_worker_may_end_at_any_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    key = await bench.new_key()
    made = await sign(bench, key)
    asked = getattr(bench.enclave, step)

    async def ends(*arguments: Any) -> Any:
        if when == "after":
            await asked(*arguments)
        raise Ended

    with monkeypatch.context() as patched:
        patched.setattr(bench.enclave, step, ends)
        with pytest.raises(Ended):
            await keeper(bench).step()
    await sign(bench, key)
    await keeper(bench).step()
    leaves = verified(bench)
    made_by = [each for each in leaves if isinstance(each, EnclaveLeaf)]
    for run in {each.run for each in made_by}:
        numbers = [each.number for each in made_by if each.run == run]
        assert numbers == list(range(len(numbers)))
    contents = log_of(bench)
    assert len(set(contents)) == len(contents)
    assert bench.owner("SELECT position FROM audit_positions WHERE leaf_id = %s", made.receipt)


async def test_two_workers_bring_each_leaf_in_once(bench: Bench) -> None:
    key = await bench.new_key()
    for _ in range(5):
        await sign(bench, key)
        await asyncio.gather(keeper(bench).step(), keeper(bench).step(), sign(bench, key))
    await keeper(bench).step()
    contents = log_of(bench)
    assert len(verified(bench)) == len(set(contents)) == bench.owner("SELECT count(*) FROM audit_leaves")[0][0]


async def test_what_a_host_never_wrote_down_is_fetched_from_the_enclave(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await bench.new_key()
    await sign(bench, key)
    bench.owner("DELETE FROM audit_leaves WHERE content LIKE %s", '%"act":"signature"%')  # it ended before
    await sign(bench, key)
    monkeypatch.setattr(keeping, "GAP_SECONDS", 0.0)
    working = keeper(bench)
    await working.step()
    assert bench.owner("SELECT cardinality(held) FROM audit_log") == [(1,)]
    await working.step()
    await working.step()
    signatures = [each for each in verified(bench) if isinstance(each, EnclaveLeaf) and each.act == "signature"]
    assert [each.key_number for each in signatures] == [0, 1]


async def test_many_may_wait_for_one_that_comes_far_behind_them(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one message holds: what they wait for is found wherever it stands."""
    key = await bench.new_key()
    await sign(bench, key)
    await keeper(bench).step()
    await sign(bench, key)
    bench.owner("DELETE FROM audit_leaves WHERE content LIKE %s", '%"key_number":1,%')
    for _ in range(6):
        await bench.keys.sign(bench.caller, key.id, [ToSign(Kind.MESSAGE, b"m")] * 256)
    monkeypatch.setattr(keeping, "GAP_SECONDS", 0.0)
    working = keeper(bench)
    for _ in range(4):
        await working.step()
    numbers = [each.key_number for each in verified(bench) if isinstance(each, EnclaveLeaf) and each.act == "signature"]
    assert numbers == list(range(1538))


async def test_the_last_leaves_of_a_host_that_ended_are_swept_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await bench.new_key()
    await sign(bench, key)
    bench.owner("DELETE FROM audit_leaves WHERE content LIKE %s", '%"act":"signature"%')
    monkeypatch.setattr(keeping, "SWEEP_SECONDS", -1.0)
    working = keeper(bench)
    await working.step()
    await working.step()
    await working.step()
    assert "signature" in [each.act for each in verified(bench) if isinstance(each, EnclaveLeaf)]


async def test_what_nobody_has_any_more_stands_in_the_log_as_lost(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with benched(server, tmp_path, 1) as (bench, founders):
        key = await bench.new_key()
        await sign(bench, key)
        bench.owner("DELETE FROM audit_leaves WHERE content LIKE %s", '%"act":"signature"%')
        await sign(bench, key)
        restart(bench, founders, tmp_path)
        monkeypatch.setattr(keeping, "GAP_SECONDS", 0.0)
        working = keeper(bench)
        for _ in range(3):
            await working.step()
        leaves = verified(bench)
        (lost,) = [each for each in leaves if isinstance(each, LostLeaves)]
        assert lost.first == lost.last
        after = leaves[leaves.index(lost) :]
        assert [each.act for each in after if isinstance(each, EnclaveLeaf)] == ["signature"]


def restart(bench: Bench, founders: Founders, directory: Path) -> None:
    """The replica, from its seal: another run."""
    again = Replica(founders, directory / "0")
    bench.enclave.replicas[0].program, bench.enclave.replicas[0].cluster = again.program, again.cluster
