"""The layer on a key cluster of three: two replicas die or hang, and people notice nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest
import pytest_asyncio

from nsl.cli.up.stack import Stack, StackOptions
from nsl_client import AsyncClient, Key
from nsl_client.model import Signature

REPLICAS = ("kme", "kme-2", "kme-3")
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    options = StackOptions(state=tmp_path_factory.mktemp("cluster") / "state", port=0, kme_replicas=3)
    async with Stack(options) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(stack: Stack) -> AsyncIterator[AsyncClient]:
    async with AsyncClient.from_credentials(stack.credentials) as connected:
        yield connected


async def signed(client: AsyncClient, key: Key) -> tuple[Signature, float]:
    """A signature, and how long it took."""
    began = monotonic()
    return await client.keys.sign(key.id, "message", {"text": "m"}), monotonic() - began


async def test_all_three_are_attested(client: AsyncClient) -> None:
    found = (await client.enclaves.list()).items
    assert [each.name for each in found] == list(REPLICAS)
    assert {(each.status, each.phase, each.epoch) for each in found} == {("attested", "ready", 1)}


@pytest.mark.parametrize("survivor", REPLICAS)
async def test_any_two_may_die(stack: Stack, client: AsyncClient, survivor: str) -> None:
    key = await client.keys.create("k", "secp256r1")
    victims = [name for name in REPLICAS if name != survivor]
    for name in victims:
        await stack.kill(name)
    try:
        for _ in range(5):
            made, seconds = await signed(client, key)
            assert made.signature
            assert seconds < 2
        standing = {each.name: each.status for each in (await client.enclaves.list()).items}
        assert standing[survivor] == "attested"
    finally:
        for name in victims:
            await stack.start(name)


async def test_two_may_hang(stack: Stack, client: AsyncClient) -> None:
    key = await client.keys.create("k", "secp256k1")
    hung = [stack.pid(name) for name in REPLICAS[:2]]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(5):
            made, seconds = await signed(client, key)
            assert made.signature
            assert seconds < 2
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)


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
        for name in ("kme", "kme-3"):
            await running.kill(name)
        made, _ = await signed(client, key)
        assert made.signature
