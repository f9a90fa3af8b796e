"""The layer on three key enclaves, as the tests that kill, hang and deceive them see it."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from nsl.adapters.enclave import visit
from nsl.cli.up.stack import Stack
from nsl_client import AsyncClient, Key
from nsl_client.model import Signature
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.messages import GetStatus, Status
from tests.support.live import NSL

REPLICAS = ("kme", "kme-2", "kme-3")
# Two seconds are the promise, on a machine that has nothing else to do; whoever waits for a dead replica waits longer.
SECONDS_MAX = 6


@asynccontextmanager
async def tenant_of(stack: Stack, scopes: Sequence[str]) -> AsyncIterator[AsyncClient]:
    """A client of a tenant of its own."""
    async with AsyncClient.from_credentials(stack.credentials) as platform:
        tenant = await platform.tenants.create("cluster")
        await platform.tenants.set_plan(tenant.id, requests_per_minute=1_000_000, key_requests_per_minute=1_000_000)
        made = await platform.clients.create("cluster", scopes, tenant_id=tenant.id)
    async with AsyncClient(stack.base_url, made.client_id, made.client_secret) as connected:
        yield connected


async def status(stack: Stack, number: int) -> Status:
    """What a replica says of itself."""
    async with visit(("127.0.0.1", stack.kmes[number].port), Program.KME, stack.cluster.trust()) as replica:
        return await replica.ask(Status, GetStatus())


async def leased(stack: Stack) -> None:
    """Wait until every replica is a member with a lease, which a majority has granted."""
    async with asyncio.timeout(10):
        while not all([(await status(stack, number)).lease_seconds for number in range(len(stack.kmes))]):
            await asyncio.sleep(0.1)


async def signed(client: AsyncClient, key: Key) -> tuple[Signature, float]:
    """A signature, and how long it took."""
    began = monotonic()
    return await client.keys.sign(key.id, "message", {"text": "m"}), monotonic() - began


async def custodians(stack: Stack, *command: str) -> Any:
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
    return await enclave(stack, *command, *options[command[0]])


async def enclave(stack: Stack, *command: str) -> Any:
    """`nsl enclave …`, as the platform's administrator."""
    line = [NSL, "enclave", *command, "--json"]
    environment = os.environ | stack.environment() | {"NSL_CREDENTIALS": str(stack.credentials)}
    done = await asyncio.to_thread(subprocess.run, line, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _register(stack: Stack) -> str:
    return str(stack.cluster.directory / "register.json")


async def join_again(stack: Stack, member: int) -> None:
    """Whoever is not of the member's epoch."""
    epoch = (await status(stack, member)).epoch
    for number, each in enumerate(stack.kmes):
        if (await status(stack, number)).epoch < epoch:
            await custodians(stack, "join", "--address", each.address, "--member", stack.kmes[member].address)
    await leased(stack)
