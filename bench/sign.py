"""Signatures through HTTP, with policy, durable audit and the load itself on this machine's cores.

A key whose policy allows messages by a rule signs them: one in a request, and 256 in a request. PostgreSQL has fsync
and synchronous_commit on (asserted), the worker brings leaves into the audit log meanwhile, the limiter has a raised
plan. Transfers under recipient and amount rules are shown beside it, and what a batch of RSA signatures does to the
others. Afterwards receipts are verified.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import psycopg

from bench.figures import Figure, report, say, wants_json
from bench.load import exchange
from nsl.cli.up.postgres import OWNER
from nsl.cli.up.stack import Stack, StackOptions
from nsl_client import AsyncClient, Key
from nsl_client.receipts import holds, read_trust, verify_receipt
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.script import transfer_script
from nsl_protocol.n3.transaction import Transaction
from nsl_protocol.n3.witness import Signer

CONNECTIONS = 32
SECONDS = 6.0
BATCH = 256
GOAL_SINGLE, GOAL_BATCHED, GOAL_P99_MS = 4_000, 15_000, 20
GAS = "0xd2a4cff31913016155e38e474a2c06d08be276cf"
NO_LIMIT = {"requests_per_minute": 10_000_000, "key_requests_per_minute": 10_000_000}
MESSAGES = {"kinds": ["message"], "rules": [{"allow": "message", "name": "messages"}]}
PAYEE = ScriptHash(b"\1" * 20)
PAYEE_X = EvmAddress(b"\2" * 20)


def payouts(chain: str) -> dict[str, Any]:
    """One recipient, an amount at most."""
    n3 = chain == "neo-n3"
    asset = {"chain": chain, "contract": GAS if n3 else "native", "decimals": 8 if n3 else 18}
    to = [PAYEE.address if n3 else str(PAYEE_X)]
    rule = {"allow": "transfer", "name": "payout", "assets": ["GAS"], "to": to, "amount_max": "10"}
    return {"assets": {"GAS": asset}, "fee_max": {chain: "1"}, "rules": [rule]}


def transfer(key: Key) -> dict[str, Any]:
    """To sign, by this key."""
    if "neo-n3" in key.addresses:
        own = ScriptHash.from_address(key.addresses["neo-n3"])
        script = transfer_script(ScriptHash.parse(GAS), own, PAYEE, 10**8)
        unsigned = Transaction(1, 10, 20, 30, (Signer(own),), script=script).unsigned_bytes()
        return {"kind": "n3-transaction", "payload": {"hex": unsigned.hex()}, "network": 860833102}
    made = FeeMarketTransaction(47763, 1, 21_000, PAYEE_X, 10**18, b"", 20 * 10**9, 60 * 10**9)
    return {"kind": "evm-transaction", "payload": {"hex": made.unsigned_bytes().hex()}, "network": 47763}


def request(port: int, token: str, path: str, body: Any) -> bytes:
    """As it goes over the wire."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def load(port: int, sent: bytes, seconds: float, connections: int = CONNECTIONS) -> tuple[float, float]:
    """Requests per second, and the 99th percentile of their times in milliseconds."""
    loop = asyncio.get_running_loop()
    begun: list[float] = []
    end = loop.time() + seconds

    def following() -> bytes | None:
        if loop.time() >= end:
            return None
        begun.append(loop.time())
        return sent

    started = loop.time()
    await exchange(port, following, connections)
    elapsed = loop.time() - started
    # Each connection sends the next request when the answer is there: so many are always under way.
    waits = [later - earlier for earlier, later in zip(begun, begun[connections:], strict=False)]
    return len(begun) / elapsed, quantiles(waits, n=100)[98] * 1000 if len(waits) > 100 else 0.0


def settings(stack: Stack) -> Iterator[str]:
    with psycopg.connect(stack.postgres.url(OWNER)) as connection:
        for name in ("fsync", "synchronous_commit"):
            row = connection.execute(f"SHOW {name}").fetchone()
            assert row is not None
            assert row[0] == "on", f"{name} is {row[0]}"
            yield f"{name} {row[0]}"


async def caught_up(stack: Stack) -> None:
    """Until every leaf is in the log."""
    with psycopg.connect(stack.postgres.url(OWNER), autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM audit_leaves), (SELECT size FROM audit_log)"
            ).fetchone()
            assert row is not None
            if row[0] <= row[1]:
                return
            await asyncio.sleep(0.5)


async def receipts_hold(stack: Stack, client: AsyncClient, key: Key) -> int:
    """How many of a few fresh ones verify."""
    trust = read_trust(stack.trust.read_bytes())
    made = [await client.keys.sign(key.id, "message", {"text": f"{number}"}) for number in range(5)]
    await asyncio.sleep(2)
    found = [await client.audit.receipt(str(each.receipt_id)) for each in made]
    return sum(holds(verify_receipt(each, trust)) for each in found)


async def in_log(client: AsyncClient) -> tuple[int, float]:
    """Leaves, and when."""
    return (await client.audit.tree_head()).size, time.monotonic()


async def measure(stack: Stack, client: AsyncClient, token: str) -> list[Figure]:
    say(", ".join(settings(stack)))
    port = int(stack.base_url.rpartition(":")[2])
    key = await client.keys.create("messages", "secp256k1", policy=MESSAGES)
    message = {"kind": "message", "payload": {"text": "I own this key"}}
    single = request(port, token, f"/v1/keys/{key.id}/sign", message)
    batch = request(port, token, f"/v1/keys/{key.id}/sign-batch", {"items": [message] * BATCH})
    await load(port, single, 1.0)
    before = await in_log(client)
    rate, p99 = await load(port, single, SECONDS)
    batches, _ = await load(port, batch, SECONDS, connections=8)
    figures = [
        Figure("messages, one in a request", rate, "signatures/s", f">= {GOAL_SINGLE}", rate >= GOAL_SINGLE),
        Figure("p99 of those", p99, "ms", f"< {GOAL_P99_MS}", p99 < GOAL_P99_MS),
        Figure("messages, 256 in a request", batches * BATCH, "signatures/s", f">= {GOAL_BATCHED}",
               batches * BATCH >= GOAL_BATCHED),
    ]  # fmt: skip
    figures += await beside_rsa(port, client, token, single, message)
    for curve, chain in (("secp256r1", "neo-n3"), ("secp256k1", "neo-x")):
        payer = await client.keys.create(chain, curve, policy=payouts(chain))  # type: ignore[arg-type]
        found, _ = await load(port, request(port, token, f"/v1/keys/{payer.id}/sign", transfer(payer)), SECONDS / 2)
        figures.append(Figure(f"{chain} transfers under rules", found, "signatures/s"))
    after = await in_log(client)
    for each in figures:
        say(f"{each.name}: {each.value:.1f}")
    await caught_up(stack)
    figures.append(Figure("leaves into the log meanwhile", (after[0] - before[0]) / (after[1] - before[1]), "1/s"))
    good = await receipts_hold(stack, client, key)
    figures.append(Figure("receipts that verify afterwards", good, "of 5", "5", good == 5))
    return figures


async def beside_rsa(
    port: int, client: AsyncClient, token: str, single: bytes, message: dict[str, Any]
) -> list[Figure]:
    """What the others wait while batches of RSA signatures are made without end, and those themselves."""
    key = await client.keys.create("rsa", "rsa-3072", policy=MESSAGES)
    batch = request(port, token, f"/v1/keys/{key.id}/sign-batch", {"items": [message] * BATCH})
    _, alone = await load(port, single, SECONDS / 2, connections=1)
    (_, beside), (batches, _) = await asyncio.gather(
        load(port, single, SECONDS / 2, connections=1), load(port, batch, SECONDS / 2, connections=1)
    )
    return [
        Figure("p99 of messages, one at a time", alone, "ms"),
        Figure("the same beside batches of RSA-3072", beside, "ms", f"< {GOAL_P99_MS}", beside < GOAL_P99_MS),
        Figure("RSA-3072, 256 in a request, one request at a time", batches * BATCH, "signatures/s"),
    ]


async def main_async() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        options = StackOptions(state=Path(folder) / "state", port=0, n3_block_time_ms=5_000, neox_block_time_ms=5_000)
        async with Stack(options, say) as stack:
            async with AsyncClient.from_credentials(stack.credentials) as platform:
                tenant = await platform.tenants.create("bench", plan=NO_LIMIT)
                scopes = ["keys:create", "keys:read", "keys:sign"]
                made = await platform.clients.create("bench", scopes, tenant_id=tenant.id)
            async with httpx.AsyncClient(base_url=stack.base_url) as http:
                form = {"grant_type": "client_credentials"}
                answer = await http.post("/oauth2/token", data=form, auth=(made.client_id, made.client_secret))
            async with AsyncClient(stack.base_url, made.client_id, made.client_secret) as client:
                return await measure(stack, client, answer.json()["access_token"])


def main() -> int:
    as_json = wants_json(__doc__ or "")
    return report("sign", asyncio.run(main_async()), as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
