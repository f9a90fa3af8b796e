"""The register of keys over real processes: too few replicas, all gone, and a database from before."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio

from nsl.cli.up.stack import API, WORKER_PROCESS, Stack, StackOptions
from nsl_client import AsyncClient, Key, NslError
from tests.acceptance.test_key_cluster import REPLICAS, SECONDS_MAX, leased, status
from tests.support.live import NSL

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    options = StackOptions(state=tmp_path_factory.mktemp("register") / "state", port=0, kme_replicas=3)
    async with Stack(options) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(stack: Stack) -> AsyncIterator[AsyncClient]:
    async with AsyncClient.from_credentials(stack.credentials) as connected:
        yield connected


async def enclave(stack: Stack, *command: str) -> Any:
    """`nsl enclave …`, with the development custodian's files."""
    directory = stack.cluster.directory
    trusting = ("--manifest", str(stack.cluster.manifests), "--root", str(stack.cluster.root_certificate))
    options = {
        "register": ("--out", str(directory / "register.json")),
        "proceed": (*trusting, "--custodian", str(directory / "custodian.json"), "--register", _register(stack)),
        "recover": (
            *trusting, "--custodian", str(directory / "custodian.json"), "--register", _register(stack),
            "--packages", str(directory / "packages.json"),
        ),
        "join": trusting,
    }  # fmt: skip
    line = [NSL, "enclave", *command, *options[command[0]], "--json"]
    environment = os.environ | stack.environment()
    done = await asyncio.to_thread(subprocess.run, line, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _register(stack: Stack) -> str:
    return str(stack.cluster.directory / "register.json")


async def signed(client: AsyncClient, key: Key) -> float:
    """How long it took."""
    began = monotonic()
    assert (await client.keys.sign(key.id, "message", {"text": "m"})).signature
    return monotonic() - began


async def join_again(stack: Stack, member: int) -> None:
    """Whoever is not of the member's epoch."""
    epoch = (await status(stack, member)).epoch
    for number, each in enumerate(stack.kmes):
        if (await status(stack, number)).epoch < epoch:
            await enclave(stack, "join", "--address", each.address, "--member", stack.kmes[member].address)
    await leased(stack)


async def test_two_hang_and_custodians_go_on_with_the_third(stack: Stack, client: AsyncClient) -> None:
    await leased(stack)
    key = await client.keys.create("k", "secp256r1")
    hung = [stack.pid(name) for name in REPLICAS[:2]]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert await signed(client, key) < SECONDS_MAX
        with pytest.raises(NslError, match="CLUSTER_NO_MAJORITY"):
            await client.keys.create("no majority", "secp256r1")
        before = await enclave(stack, "register")
        went_on = await enclave(stack, "proceed", "--address", stack.kmes[2].address)
        assert (went_on["epoch"], went_on["register"]) == (2, before["register"] + 1)
        assert went_on["fenced_after_seconds"] == 3600
        assert await signed(client, key) < SECONDS_MAX
        later = await client.keys.create("later", "secp256k1")
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)
    async with asyncio.timeout(10):
        while (await status(stack, 0)).lease_seconds or (await status(stack, 1)).lease_seconds:
            await asyncio.sleep(0.2)  # they learn that their epoch is over, and give their leases up
    assert {(await status(stack, number)).epoch for number in (0, 1)} == {1}
    await join_again(stack, 2)
    for each in (key, later):
        assert await signed(client, each) < SECONDS_MAX


async def test_all_are_gone_and_custodians_bring_the_root_back(stack: Stack, client: AsyncClient) -> None:
    key = await client.keys.create("k", "ed25519")
    await enclave(stack, "register")
    for name in REPLICAS:
        await stack.kill(name)
        (stack.state.path / name / "kme.state").unlink()
    for name in REPLICAS:
        await stack.start(name)
    first = stack.kmes[0].address
    found = await enclave(stack, "recover", "--address", first)
    assert found["recovered"]
    await join_again(stack, 0)
    assert await signed(client, key) < SECONDS_MAX


async def test_an_older_database_is_refused_until_custodians_accept_the_gap(
    stack: Stack, client: AsyncClient, tmp_path: Path
) -> None:
    await leased(stack)
    key = await client.keys.create("k", "secp256r1")
    backup = tmp_path / "backup"
    await with_database_stopped(stack, lambda data: copied(data, backup))
    lost = await client.keys.create("lost", "secp256r1")
    assert await signed(client, lost) < SECONDS_MAX
    await with_database_stopped(stack, lambda data: copied(backup, data))
    for restart in (False, True):
        if restart:
            for name in REPLICAS:
                await stack.kill(name)
                await stack.start(name)
        async with asyncio.timeout(20):
            while not await refused(client, key):
                await asyncio.sleep(0.2)
        assert await refused(client, key), "and it stays so"
        kme = (await client.health()).checks["kme"]
        assert not kme.ok
        assert "key enclaves" in (kme.detail or "")
    await enclave(stack, "register")
    await enclave(stack, "proceed", "--address", stack.kmes[1].address)
    await join_again(stack, 1)
    assert await signed(client, key) < SECONDS_MAX
    assert (await client.keys.create("after", "secp256r1")).id != lost.id


async def refused(client: AsyncClient, key: Key) -> bool:
    """Whether the key's signature is refused because the database is older."""
    try:
        await signed(client, key)
    except NslError as error:
        return "DATABASE_OLDER" in str(error)
    return False


async def with_database_stopped(stack: Stack, work: Any) -> None:
    """Between two moments at which nothing writes."""
    for name in (WORKER_PROCESS, API, "postgres"):
        await stack.stop(name)
    await asyncio.to_thread(work, stack.postgres.data)
    for name in ("postgres", API, WORKER_PROCESS):
        await stack.start(name)


def copied(source: Path, target: Path) -> None:
    """With its owner: PostgreSQL may be another user."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
