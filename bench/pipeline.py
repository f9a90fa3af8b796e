"""Accepted to confirmed: 1,000 ``POST /v1/transactions`` by a separate process, one transaction on chain each.

First on Neo N3, then on Neo X, blocks every 100 ms, everything on this machine: nodes, PostgreSQL with fsync and forced
row-level security, the key enclave over TLS, the limiter with a raised plan, and the load itself. The rate is
1,000 / (last confirmation - first POST). What was lost or doubled is counted from the nodes' blocks.
"""

import asyncio
import hashlib
import json
import sys
import tempfile
from base64 import b64decode
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec

from bench.figures import Figure, report, say, wants_json
from nsl.cli.up.faucet import Payment, Rpc, pay_n3, pay_neox
from nsl.cli.up.stack import Stack, StackOptions
from nsl.ledger.model import GAS_N3
from nsl_client import AsyncClient
from nsl_client.calls import ChainName, Curve
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.script import parse_transfer

COUNT = 1000
PAYERS = 4
GOAL_TPS = 300
TIMEOUT_SECONDS = 120
SCOPES = ("keys:create", "keys:read", "transactions:create", "transactions:read", "ledger:read")
CURVES: dict[ChainName, Curve] = {"neo-n3": "secp256r1", "neo-x": "secp256k1"}


def recipients(chain: ChainName) -> list[str]:
    """Fresh accounts, one for each transaction."""
    raw = [hashlib.sha256(f"{chain} {number}".encode()).digest()[:20] for number in range(COUNT)]
    return [ScriptHash(each).address if chain == "neo-n3" else str(EvmAddress(each)) for each in raw]


async def fund(stack: Stack, chain: ChainName, payers: list[str]) -> None:
    """More than all of it costs."""
    if chain == "neo-n3":
        assert stack.n3 is not None
        await pay_n3(stack.n3, [Payment(each, 1000 * 10**8, str(GAS_N3.contract)) for each in payers])
    else:
        assert stack.neox is not None
        await pay_neox(stack.neox, [Payment(each, 100 * 10**18) for each in payers])


async def paid_by_blocks(stack: Stack, chain: ChainName) -> Counter[str]:
    """How often each account was paid, by the node's own blocks."""
    paid: Counter[str] = Counter()
    if chain == "neo-n3":
        assert stack.n3 is not None
        async with Rpc(stack.n3.url) as rpc:
            for height in range(await rpc.call("getblockcount")):
                for transaction in (await rpc.call("getblock", height, 1)).get("tx", []):
                    transfer = parse_transfer(b64decode(transaction["script"]))
                    if transfer is not None:
                        paid[transfer.recipient.address] += 1
        return paid
    assert stack.neox is not None
    async with Rpc(stack.neox.url) as rpc:
        for height in range(int(await rpc.call("eth_blockNumber"), 16) + 1):
            for transaction in (await rpc.call("eth_getBlockByNumber", hex(height), True))["transactions"]:
                paid[str(EvmAddress.parse(transaction["to"]))] += 1
    return paid


async def run_load(stack: Stack, token: str, chain: ChainName, bodies: list[dict[str, Any]]) -> dict[str, float]:
    """The load process; when it sent its first and its last request."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.write("\n".join(map(json.dumps, bodies)))
        file.flush()
        port = stack.base_url.rpartition(":")[2]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.pipeline_load", port, token, chain, file.name, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the load process failed")
    times: dict[str, float] = json.loads(output)
    return times


async def confirmed_at(client: AsyncClient, chain: ChainName) -> list[float]:
    """When each transaction was confirmed, once nothing is under way any more."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        for state in ("accepted", "signed", "submitted"):
            while (await client.transactions.list(state=state, chain=chain, limit=1)).items:
                await asyncio.sleep(0.2)
    found = []
    async for each in client.every(client.transactions.list, state="confirmed", chain=chain, limit=200):
        history = (await client.transactions.get(each.id)).history or []
        found.append(max(step.at.timestamp() for step in history if step.state == "confirmed"))
    return found


async def measure(stack: Stack, client: AsyncClient, token: str, chain: ChainName) -> list[Figure]:
    """One chain."""
    keys = [await client.keys.create(f"payer {number}", CURVES[chain]) for number in range(PAYERS)]
    await fund(stack, chain, [key.addresses[chain] for key in keys])
    to = recipients(chain)
    bodies = [
        {
            "kind": "transfer", "chain": chain, "from_key": keys[number % PAYERS].id, "asset": "GAS", "to": account,
            "amount": "0.001",
        }
        for number, account in enumerate(to)
    ]  # fmt: skip
    times = await run_load(stack, token, chain, bodies)
    say(f"{chain}: accepted {COUNT / (times['last'] - times['first']):.0f}/s")
    confirmations = await confirmed_at(client, chain)
    paid = await paid_by_blocks(stack, chain)
    tps = len(confirmations) / (max(confirmations) - times["first"])
    lost = sum(paid[account] == 0 for account in to)
    doubled = sum(paid[account] > 1 for account in to)
    name = chain.replace("neo-", "") if chain == "neo-n3" else "neox"
    return [
        Figure(f"{name}_tps", tps, "transactions/s", f">= {GOAL_TPS}", tps >= GOAL_TPS),
        Figure(f"{name}_lost", lost, "transactions", "0", lost == 0),
        Figure(f"{name}_doubled", doubled, "transactions", "0", doubled == 0),
    ]


async def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        options = StackOptions(state=Path(folder) / "state", port=0, n3_block_time_ms=100, neox_block_time_ms=100)
        async with Stack(options, say) as stack:
            async with AsyncClient.from_credentials(stack.credentials) as platform:
                tenant = await platform.tenants.create("bench")
                plan = {"requests_per_minute": 10_000_000, "key_requests_per_minute": 10_000_000}
                await platform.tenants.set_plan(tenant.id, **plan)
                made = await platform.clients.create("bench", SCOPES, tenant_id=tenant.id)
            async with AsyncClient(stack.base_url, made.client_id, made.client_secret) as client:
                token = await _token(stack, made.client_id, made.client_secret)
                figures = await measure(stack, client, token, "neo-n3")
                return figures + await measure(stack, client, token, "neo-x")


async def _token(stack: Stack, client_id: str, secret: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{stack.base_url}/oauth2/token", data=form)
    token: str = msgspec.json.decode(answer.content)["access_token"]
    return token


def main() -> int:
    as_json = wants_json(__doc__)
    return report("pipeline", asyncio.run(run()), as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
