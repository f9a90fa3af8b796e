"""The layer on a key cluster of three: two replicas die or hang, and people notice nothing."""

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from nsl.adapters.enclave import PostgresRegister, visit
from nsl.cli.custodian import CustodianKeys, approve_now
from nsl.cli.custodian import rotate as make_another
from nsl.cli.rotation import hold
from nsl.cli.up.postgres import OWNER
from nsl.cli.up.stack import Stack, StackOptions
from nsl.kit.db import Database
from nsl_client import AsyncClient, Denied, Key, NslError
from nsl_protocol.cluster.custody import Act
from nsl_protocol.cluster.manifest import Program
from tests.acceptance.key_cluster import REPLICAS, SECONDS_MAX, enclave, leased, signed
from tests.support.live import NSL

WRAPPED_UNDER = """
    SELECT substring(wrapped FROM 1 FOR 5) FROM key_versions
    UNION SELECT substring(wrapped FROM 1 FOR 5) FROM token_keys
    UNION SELECT substring(wrapped FROM 1 FOR 5) FROM key_ledgers
"""
pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_all_three_are_attested(client: AsyncClient) -> None:
    found = (await client.enclaves.list()).items
    assert [each.name for each in found] == list(REPLICAS)
    assert {(each.status, each.phase, each.epoch) for each in found} == {("attested", "ready", 1)}


@pytest.mark.parametrize("survivor", REPLICAS)
async def test_any_two_may_die(stack: Stack, client: AsyncClient, survivor: str) -> None:
    await leased(stack)
    key = await client.keys.create("k", "secp256r1")
    victims = [name for name in REPLICAS if name != survivor]
    for name in victims:
        await stack.kill(name)
    try:
        for _ in range(5):
            made, seconds = await signed(client, key)
            assert made.signature
            assert seconds < SECONDS_MAX
        standing = {each.name: each.status for each in (await client.enclaves.list()).items}
        assert standing[survivor] == "attested"
    finally:
        for name in victims:
            await stack.start(name)


async def test_two_may_hang(stack: Stack, client: AsyncClient) -> None:
    await leased(stack)
    key = await client.keys.create("k", "secp256k1")
    hung = [stack.pid(name) for name in REPLICAS[:2]]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(5):
            made, seconds = await signed(client, key)
            assert made.signature
            assert seconds < SECONDS_MAX
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)


async def test_no_window_has_more_than_its_limit_while_replicas_are_killed(stack: Stack, client: AsyncClient) -> None:
    await leased(stack)
    limit = 24
    policy = {"rate": [{"seconds": 3600, "count_max": limit}]}
    key = await client.keys.create("counted", "ed25519", policy=policy)
    made = 0
    for victim in REPLICAS:
        for _ in range(3):
            assert (await signed(client, key))[0].signature
            made += 1
        await stack.kill(victim)  # with what it had in advance
        try:
            assert (await signed(client, key))[0].signature
            made += 1
        finally:
            await stack.start(victim)
        await leased(stack)
    refused = False
    while not refused and made <= limit:
        try:
            await signed(client, key)
            made += 1
        except NslError as error:
            refused = "WINDOW_" in str(error)
            if not refused:
                raise
    assert 12 < made <= limit, "a replica that is lost takes a quarter of what was left with it"


async def standing(client: AsyncClient, expected: set[tuple[str, int | None]]) -> None:
    """Wait until the list says so: a look is shown again for five seconds."""
    async with asyncio.timeout(10):
        while {(each.status, each.epoch) for each in (await client.enclaves.list()).items} != expected:
            await asyncio.sleep(0.2)


def root(stack: Stack, act: str, *more: str) -> Any:
    """`nsl enclave root rotate` or `retire`, with the development custodian."""
    owner = {"NSL_DATABASE_OWNER_URL": stack.postgres.url(OWNER)}
    directory = stack.cluster.directory
    line = [NSL, "enclave", "root", act, "--json", "--custodian", str(directory / "custodian.json")]
    line += ["--packages", str(directory / "packages.json"), *more]
    environment = os.environ | stack.environment() | owner
    done = subprocess.run(line, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_the_whole_cluster_is_frozen_and_its_custodians_end_that(
    stack: Stack, client: AsyncClient, tmp_path: Path
) -> None:
    await leased(stack)
    key = await client.keys.create("k", "ed25519")
    cluster = (await client.enclaves.cluster_freeze()).cluster
    with pytest.raises(Denied, match="platform:admin"):
        await client.enclaves.freeze_cluster(cluster)
    assert await enclave(stack, "freeze", "--cluster", cluster)
    with pytest.raises(NslError, match="CLUSTER_FROZEN"):
        await client.keys.sign(key.id, "message", {"text": "m"})
    request, approval = tmp_path / "unfreeze.json", tmp_path / "approval.json"
    await enclave(stack, "request-unfreeze", "--out", str(request))
    custodian = str(stack.cluster.directory / "custodian.json")
    files = ("--custodian", custodian, "--manifest", str(stack.cluster.manifests), "--out", str(approval))
    await enclave(stack, "approve-unfreeze", str(request), *files)
    assert not (await enclave(stack, "unfreeze", "--approval", str(approval)))["frozen"]
    assert (await signed(client, key))[0].signature


async def test_the_root_is_replaced_while_signing_goes_on(stack: Stack, client: AsyncClient) -> None:
    await leased(stack)
    counted = {"rate": [{"seconds": 60, "count_max": 1_000_000}]}
    policies = [counted if number % 2 else None for number in range(40)]
    keys = [await client.keys.create("k", "ed25519", policy=policy) for policy in policies]
    going_on, answered = True, 0

    async def load(key: Key) -> None:
        nonlocal answered
        while going_on:
            assert (await signed(client, key))[0].signature
            answered += 1

    working = [asyncio.create_task(load(key)) for key in keys[:8]]
    rotated = await asyncio.to_thread(root, stack, "rotate")
    assert rotated["rewrapped"] >= len(keys)
    result = await asyncio.to_thread(root, stack, "retire")
    going_on = False
    await asyncio.gather(*working)
    assert answered > 100
    await standing(client, {("attested", result["epoch"])})
    for key in keys:
        assert (await signed(client, key))[0].public_key == key.public_key
    assert (await signed(client, await client.keys.create("later", "secp256r1")))[0].signature
    async with await psycopg.AsyncConnection.connect(stack.postgres.url(OWNER)) as connection:
        rows = await (await connection.execute(WRAPPED_UNDER)).fetchall()
    assert [bytes(row[0]) for row in rows] == [b"\3\0\0\0\2"]


async def test_a_rotation_that_was_interrupted_is_gone_on_with(stack: Stack, client: AsyncClient) -> None:
    await leased(stack)
    key = await client.keys.create("k", "secp256r1")
    custodian = CustodianKeys.read(stack.cluster.directory / "custodian.json")
    address = ("127.0.0.1", stack.kmes[1].port)
    async with (
        Database(stack.postgres.url(OWNER), connections_max=1) as database,
        visit(address, Program.KME, stack.cluster.trust()) as second,
    ):
        newest = None
        while newest is None:  # the worker brings the audit log forward all the time
            newest = await hold(PostgresRegister(database))
        await make_another(second, await approve_now(second, Act.ROTATE, [custodian]), newest)
    await asyncio.to_thread(root, stack, "rotate", "--resume")
    await asyncio.to_thread(root, stack, "retire")
    await leased(stack)
    for name in REPLICAS[1:]:
        await stack.kill(name)
    try:
        assert (await signed(client, key))[0].public_key == key.public_key
    finally:
        for name in REPLICAS[1:]:
            await stack.start(name)


async def test_what_an_older_root_has_wrapped_is_not_taken_any_more(stack: Stack) -> None:
    async with await psycopg.AsyncConnection.connect(stack.postgres.url(OWNER)) as connection:
        with pytest.raises(psycopg.errors.SerializationFailure, match="being replaced"):
            await connection.execute(
                "INSERT INTO token_keys (kid, public_key, wrapped) VALUES ('old', '\\x00', '\\x030000000100')"
            )


@pytest.mark.long
async def test_a_replica_without_its_seal_is_seen_and_joins_at_the_next_start(tmp_path: Path) -> None:
    options = StackOptions(state=tmp_path / "state", port=0, kme_replicas=3)
    async with Stack(options) as running, AsyncClient.from_credentials(running.credentials) as client:
        key = await client.keys.create("k", "secp256r1")
        await running.kill("kme-2")
        (tmp_path / "state" / "kme-2" / "kme.state").unlink()
        await running.start("kme-2")
        await asyncio.sleep(5.5)  # a look is shown again for five seconds
        standing = {each.name: each for each in (await client.enclaves.list()).items}
        assert standing["kme-2"].status != "attested"
        health = await client.health()
        assert health.status == "degraded"
    async with Stack(options) as running, AsyncClient.from_credentials(running.credentials) as client:
        await leased(running)
        for name in ("kme", "kme-3"):
            await running.kill(name)
        made, _ = await signed(client, key)
        assert made.signature
