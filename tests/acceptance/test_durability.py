"""What was acknowledged is durable: PostgreSQL is killed while signatures are made, and every receipt verifies."""

import asyncio

import psycopg
import pytest
from msgspec.structs import replace

from nsl.cli.up.postgres import APP, WORKER
from nsl.cli.up.stack import Stack
from nsl_client import ApiError, AsyncClient, ConnectionFailed
from nsl_client.receipts import Receipt, holds, read_trust, verify_receipt

pytestmark = pytest.mark.asyncio(loop_scope="package")
RATE = {"seconds": 3600, "count_max": 100_000}
SIGNERS, BEFORE_THE_KILL, AFTER_IT = 8, 60, 20
#: what PostgreSQL must be set to for an acknowledged commit to be on disk, for whoever commits
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@pytest.mark.parametrize("role", [APP, WORKER])
async def test_a_commit_is_on_disk_when_it_is_acknowledged(stack: Stack, role: str) -> None:
    async with await psycopg.AsyncConnection.connect(stack.postgres.url(role)) as connection:
        found = await (await connection.execute("SELECT name, setting FROM pg_settings")).fetchall()
    assert {name: value for name, value in found if name in DURABLE} == DURABLE


async def test_every_acknowledged_receipt_verifies_after_postgresql_was_killed(
    stack: Stack, client: AsyncClient
) -> None:
    key = await client.keys.create("k", "ed25519", policy={"kinds": ["message"], "rate": [RATE]})
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def sign(signer: int) -> None:
        number = 0
        while not enough.is_set():
            number += 1
            try:
                made = await client.keys.sign(key.id, "message", {"text": f"{signer} {number}"})
            except (ApiError, ConnectionFailed):
                continue  # nothing was acknowledged
            acknowledged.append(made.receipt_id)

    signing = [asyncio.create_task(sign(number)) for number in range(SIGNERS)]
    await more_than(acknowledged, BEFORE_THE_KILL)
    await stack.kill("postgres")
    before = len(acknowledged)
    await stack.start("postgres")
    await more_than(acknowledged, before + AFTER_IT)
    enough.set()
    await asyncio.gather(*signing)
    receipts = await asyncio.gather(*(received(client, each) for each in acknowledged))
    # Witnesses are another matter than durability.
    pinned = replace(read_trust(stack.trust.read_bytes()), witnesses_needed=0)
    assert [each.id for each in receipts if not holds(verify_receipt(each, pinned))] == []
    assert len({each.index for each in receipts}) == len(acknowledged), "each has a leaf of its own"


async def more_than(found: list[str], count: int) -> None:
    async with asyncio.timeout(30):
        while len(found) <= count:
            await asyncio.sleep(0.01)


async def received(client: AsyncClient, identifier: str) -> Receipt:
    """As soon as the log has it."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await client.audit.receipt(identifier)
            except ApiError as error:
                if error.code != "NOT_IN_LOG_YET":
                    raise
