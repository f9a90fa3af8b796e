"""The whole layer with a proxy between each of its own processes and each server that the process talks to."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from nsl.cli.up.faucet import Payment, Rpc, pay_n3, pay_neox
from nsl.cli.up.n3 import N3Node
from nsl.cli.up.neox import NeoxNode
from nsl.cli.up.stack import Stack, StackOptions
from nsl.cli.up.tour import SCOPES
from nsl.ledger.model import GAS_N3
from nsl_client import AsyncClient, ConnectionFailed, Unavailable
from nsl_client.calls import ChainName, Curve
from nsl_client.model import Key, Transaction
from nsl_protocol.n3.address import ScriptHash
from tests.support.proxy import Proxy
from tests.support.require import require

CURVES: dict[ChainName, Curve] = {"neo-n3": "secp256r1", "neo-x": "secp256k1"}
DECIMALS: dict[ChainName, int] = {"neo-n3": 8, "neo-x": 18}
FUNDS = 500
BLOCK_TIME_MS = 150
DONE_SECONDS = 60


@dataclass
class Layer:
    """The running layer, and a client whose two keys have funds. ``paid``: what each recipient must hold in the end."""

    stack: Stack
    proxies: dict[tuple[str, str], Proxy]
    client: AsyncClient
    tenant: str
    payers: dict[ChainName, Key] = field(default_factory=dict)
    paid: dict[tuple[ChainName, str], int] = field(default_factory=dict)

    @property
    def n3(self) -> N3Node:
        assert self.stack.n3 is not None
        return self.stack.n3

    @property
    def neox(self) -> NeoxNode:
        assert self.stack.neox is not None
        return self.stack.neox

    def proxy(self, process: str, server: str) -> Proxy:
        """The one between a process (``api``, ``worker``) and a server (``database``, ``kme``, or a chain's name)."""
        return self.proxies[process, server]

    async def die(self, process: str) -> None:
        """SIGKILL it; what proxies have stopped of it never arrives."""
        await self.stack.kill(process)
        for (owner, _), proxy in self.proxies.items():
            if owner == process:
                proxy.cut()

    async def ask(self, chain: ChainName, method: str, *params: Any) -> Any:
        """One call of a chain's own node, past every proxy and past Neo X's guard."""
        async with Rpc(self.n3.url if chain == "neo-n3" else self.neox.node_url) as rpc:
            return await rpc.call(method, *params)

    async def holds(self, chain: ChainName, address: str) -> int:
        """A balance of GAS in the smallest unit, by the node's own word."""
        if chain == "neo-x":
            return int(await self.ask(chain, "eth_getBalance", address, "latest"), 16)
        account = [{"type": "Hash160", "value": str(ScriptHash.from_address(address))}]
        found = await self.ask(chain, "invokefunction", GAS_N3.contract, "balanceOf", account)
        return int(found["stack"][0]["value"])

    async def funded_key(self, chain: ChainName, gas: int = FUNDS) -> Key:
        """A key of its own, with GAS from the devnet's genesis."""
        key = await self.client.keys.create("payer", CURVES[chain])
        payment = Payment(key.addresses[chain], gas * 10 ** DECIMALS[chain])
        if chain == "neo-n3":
            await pay_n3(self.n3, [payment])
        else:
            await pay_neox(self.neox, [payment])
        return key

    async def recipient(self, chain: ChainName) -> str:
        """A fresh account, so that what it holds says how often it was paid."""
        address = (await self.client.keys.create("recipient", CURVES[chain])).addresses[chain]
        self.paid[chain, address] = 0
        return address

    async def accept(
        self, chain: ChainName, to: str, amount: str, name: str, *, key: Key | None = None, seconds: int = 900
    ) -> Transaction:
        """As a careful client does: the same Idempotency-Key until there is an answer."""
        async with asyncio.timeout(DONE_SECONDS):
            while True:
                try:
                    return await self.client.transactions.transfer(
                        chain=chain, from_key=(key or self.payers[chain]).id, asset="GAS", to=to, amount=amount,
                        valid_for_seconds=seconds, idempotency_key=name,
                    )  # fmt: skip
                except (ConnectionFailed, Unavailable):
                    continue

    async def until(self, made: Transaction, *states: str) -> Transaction:
        """Until a transaction is in one of these states."""
        async with asyncio.timeout(DONE_SECONDS):
            while True:
                try:
                    found = await self.client.transactions.get(made.id)
                except (ConnectionFailed, Unavailable):
                    continue
                if found.state in states:
                    return found
                await asyncio.sleep(0.05)

    async def confirmed(self, made: Transaction) -> Transaction:
        """Until it is confirmed; its recipient must hold the amount from then on."""
        done = await self.until(made, "confirmed", "failed", "expired")
        assert done.state == "confirmed", done.failure
        chain: ChainName = "neo-n3" if done.chain == "neo-n3" else "neo-x"
        self.paid[chain, done.to] = int(Decimal(done.amount).scaleb(DECIMALS[chain]))
        assert await self.holds(chain, done.to) == self.paid[chain, done.to]
        return done


def _port(address: str) -> int:
    return int(re.findall(r":(\d+)", address)[-1])


@asynccontextmanager
async def layer_behind_proxies(folder: Path) -> AsyncIterator[Layer]:
    """Start it all; skips where anvil is missing."""
    proxies: dict[tuple[str, str], Proxy] = {}
    async with AsyncExitStack() as exits:

        async def rewire(process: str, environment: dict[str, str]) -> dict[str, str]:
            """Put a proxy, the same at every start, between a process and each of its servers."""
            servers = {
                "NSL_DATABASE_URL": "database" if process == "api" else "",
                "NSL_DATABASE_WORKER_URL": "database" if process == "worker" else "",
                "NSL_KME_ADDRESS": "kme",
                "NSL_N3_RPC_URLS": "neo-n3",
                "NSL_NEOX_RPC_URLS": "neo-x",
            }
            changed = dict(environment)
            for variable, server in servers.items():
                if not server or variable not in changed:
                    continue
                target = _port(changed[variable])
                if (process, server) not in proxies:
                    proxies[process, server] = await exits.enter_async_context(Proxy(target))
                changed[variable] = changed[variable].replace(f":{target}", f":{proxies[process, server].port}")
            return changed

        options = StackOptions(
            state=folder / "state", port=0, n3_block_time_ms=BLOCK_TIME_MS, neox_block_time_ms=BLOCK_TIME_MS,
            rewire=rewire,
        )  # fmt: skip
        stack = await exits.enter_async_context(Stack(options, print))
        require(stack.neox, "there is no anvil: `make install` with Node.js puts it there")
        async with AsyncClient.from_credentials(stack.credentials) as platform:
            tenant = await platform.tenants.create("crash")
            await platform.tenants.set_plan(tenant.id, requests_per_minute=100_000, key_requests_per_minute=100_000)
            made = await platform.clients.create("crash", SCOPES, tenant_id=tenant.id)
        client = await exits.enter_async_context(AsyncClient(stack.base_url, made.client_id, made.client_secret))
        layer = Layer(stack, proxies, client, tenant.id)
        for chain in CURVES:
            layer.payers[chain] = await layer.funded_key(chain)
        yield layer
