"""The register of keys over real processes: too few replicas, and all gone."""

import asyncio
import os
import signal

import pytest

from nsl.cli.up.stack import Stack
from nsl_client import AsyncClient, NslError
from tests.acceptance.key_cluster import REPLICAS, SECONDS_MAX, custodians, join_again, leased, signed, status

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_two_hang_and_custodians_go_on_with_the_third(stack: Stack, client: AsyncClient) -> None:
    await leased(stack)
    epoch = (await status(stack, 0)).epoch
    key = await client.keys.create("k", "secp256r1")
    hung = [stack.pid(name) for name in REPLICAS[:2]]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert (await signed(client, key))[1] < SECONDS_MAX
        with pytest.raises(NslError, match="CLUSTER_NO_MAJORITY"):
            await client.keys.create("no majority", "secp256r1")
        before = await custodians(stack, "register")
        went_on = await custodians(stack, "proceed", "--address", stack.kmes[2].address)
        assert (went_on["epoch"], went_on["register"]) == (epoch + 1, before["register"] + 1)
        assert went_on["fenced_after_seconds"] == 3600
        assert (await signed(client, key))[1] < SECONDS_MAX
        later = await client.keys.create("later", "secp256k1")
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)
    async with asyncio.timeout(10):
        while (await status(stack, 0)).lease_seconds or (await status(stack, 1)).lease_seconds:
            await asyncio.sleep(0.2)  # they learn that their epoch is over, and give their leases up
    assert {(await status(stack, number)).epoch for number in (0, 1)} == {epoch}
    await join_again(stack, 2)
    for each in (key, later):
        assert (await signed(client, each))[1] < SECONDS_MAX


async def test_all_are_gone_and_custodians_bring_the_root_back(stack: Stack, client: AsyncClient) -> None:
    key = await client.keys.create("k", "ed25519")
    await custodians(stack, "register")
    for name in REPLICAS:
        await stack.kill(name)
        (stack.state.path / name / "kme.state").unlink()
    for name in REPLICAS:
        await stack.start(name)
    first = stack.kmes[0].address
    found = await custodians(stack, "recover", "--address", first)
    assert found["recovered"]
    await join_again(stack, 0)
    assert (await signed(client, key))[1] < SECONDS_MAX
