"""Worker, API and enclave are killed at every step of the pipeline; each transfer is made exactly once.

The stops come from proxies in front of nodes, enclave and PostgreSQL that hold one message; the product has no switch
for them. The steps are those of the transition table. "Once" is judged on the nodes: recipients are fresh, so a balance
that equals the amount was paid once.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from nsl.cli.up.faucet import Payment, Rpc, pay_n3, pay_neox
from nsl.cli.up.stack import Stack, StackOptions
from nsl.cli.up.tour import SCOPES
from nsl.ledger.model import GAS_N3
from nsl.transactions.model import TRANSITIONS, Mined, Overdue, Prepared, Rejected, Sent, Signed, State, Unmined
from nsl_client import AsyncClient, ConnectionFailed
from nsl_client.calls import ChainName
from nsl_client.model import Key, Transaction
from nsl_protocol.n3.address import ScriptHash
from tests.support.long import LONG
from tests.support.proxy import Proxy
from tests.support.require import require

CHAINS: tuple[ChainName, ...] = ("neo-n3", "neo-x")
VICTIMS = ("worker", "api", "kme")
AMOUNT = "0.125"
UNITS = {"neo-n3": 12_500_000, "neo-x": 125 * 10**15}
HELD_SECONDS = 20
DONE_SECONDS = 60
ACCEPT = "accept"
FORWARD = (Prepared, Signed, Sent, Mined)
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Stop:
    """Where to stop: which step, whose connection to what, and which words are in the message (of N3, of Neo X).

    ``reply``: not the message is held but the answer to it, so what it asked for has happened.
    """

    step: object
    name: str
    owner: str
    server: str
    words: tuple[bytes, bytes]
    reply: bool = False

    def match(self, chain: ChainName, data: bytes) -> bool:
        return self.words[CHAINS.index(chain)] in data


def _saving(state: State) -> tuple[bytes, bytes]:
    """What the bound parameter that writes a state looks like: an array in PostgreSQL's text format."""
    text = b"{" + state.encode() + b"}"
    return text, text


STOPS = (
    Stop(ACCEPT, "the intent is not written", "api", "database", (b"accepted", b"accepted")),
    Stop(ACCEPT, "the intent is committed and not answered", "api", "database", (b"COMMIT", b"COMMIT"), reply=True),
    Stop(
        (State.ACCEPTED, Prepared), "the price is asked", "worker", "node",
        (b"calculatenetworkfee", b"eth_estimateGas"),
    ),
    Stop((State.ACCEPTED, Prepared), "the bytes are not written", "worker", "database", _saving(State.PREPARED)),
    Stop((State.PREPARED, Signed), "the enclave is asked", "worker", "kme", (b"", b"")),
    Stop((State.PREPARED, Signed), "the enclave has signed", "worker", "kme", (b"", b""), reply=True),
    Stop((State.PREPARED, Signed), "the signature is not written", "worker", "database", _saving(State.SIGNED)),
    Stop((State.SIGNED, Sent), "nothing is sent", "worker", "node", (b"sendrawtransaction", b"eth_sendRawTransaction")),
    Stop(
        (State.SIGNED, Sent), "it is sent and not answered", "worker", "node",
        (b"sendrawtransaction", b"eth_sendRawTransaction"), reply=True,
    ),
    Stop((State.SIGNED, Sent), "the sending is not written", "worker", "database", _saving(State.SUBMITTED)),
    Stop(
        (State.SUBMITTED, Mined), "the outcome is asked", "worker", "node",
        (b"getapplicationlog", b"eth_getTransactionReceipt"),
    ),
    Stop((State.SUBMITTED, Mined), "the outcome is not written", "worker", "database", _saving(State.CONFIRMED)),
)  # fmt: skip


def cases() -> list[tuple[Stop, str, ChainName]]:
    """Where, who is killed, on which chain: each stop kills whose step it is on both chains, and every third another.

    In the longer form, every one is killed at every stop on both chains.
    """
    chosen: list[tuple[Stop, str, ChainName]] = []
    for number, stop in enumerate(STOPS):
        others = [each for each in VICTIMS if each != stop.owner]
        turn = (others[number % 2], CHAINS[number // 2 % 2])
        chosen += [
            (stop, victim, chain)
            for victim, chain in product(VICTIMS, CHAINS)
            if LONG or victim == stop.owner or (number % 3 == 0 and (victim, chain) == turn)
        ]
    return chosen


async def test_the_stops_cover_every_step_of_the_table() -> None:
    path, state = [], State.ACCEPTED
    for event in FORWARD:
        path.append((state, event))
        state = TRANSITIONS[state, event]
    assert state is State.CONFIRMED
    assert {event for _, event in TRANSITIONS} == {*FORWARD, Rejected, Unmined, Overdue}
    assert {stop.step for stop in STOPS} == {ACCEPT, *path}
    assert {(victim, chain) for _, victim, chain in cases()} == set(product(VICTIMS, CHAINS))


@dataclass
class Layer:
    """The running layer with proxies between its parts, and a client whose two keys have funds."""

    stack: Stack
    proxies: dict[tuple[str, str], Proxy]
    client: AsyncClient
    payers: dict[ChainName, Key]

    async def received(self, chain: ChainName, address: str) -> int:
        """A balance in the smallest unit, by the node's own word."""
        if chain == "neo-n3":
            assert self.stack.n3 is not None
            account = [{"type": "Hash160", "value": str(ScriptHash.from_address(address))}]
            async with Rpc(self.stack.n3.url) as rpc:
                return int(
                    (await rpc.call("invokefunction", GAS_N3.contract, "balanceOf", account))["stack"][0]["value"]
                )
        assert self.stack.neox is not None
        async with Rpc(self.stack.neox.url) as rpc:
            return int(await rpc.call("eth_getBalance", address, "latest"), 16)

    async def pay(self, chain: ChainName, to: str, name: str) -> Transaction:
        """As a careful client does: the same Idempotency-Key until there is an answer, then wait for the end."""
        async with asyncio.timeout(DONE_SECONDS):
            while True:
                try:
                    made = await self.client.transactions.transfer(
                        chain=chain, from_key=self.payers[chain].id, asset="GAS", to=to, amount=AMOUNT,
                        idempotency_key=name,
                    )  # fmt: skip
                    break
                except ConnectionFailed:
                    continue
            return await self.client.wait_for_transaction(made.id, timeout_seconds=DONE_SECONDS)


def _port(address: str) -> int:
    return int(re.findall(r":(\d+)", address)[-1])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def layer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Layer]:
    folder: Path = tmp_path_factory.mktemp("crash")
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
            state=folder / "state", port=0, n3_block_time_ms=150, neox_block_time_ms=150, rewire=rewire
        )
        stack = await exits.enter_async_context(Stack(options, print))
        require(stack.neox, "there is no anvil: `make install` with Node.js puts it there")
        async with AsyncClient.from_credentials(stack.credentials) as platform:
            tenant = await platform.tenants.create("crash")
            await platform.tenants.set_plan(tenant.id, requests_per_minute=100_000, key_requests_per_minute=100_000)
            made = await platform.clients.create("crash", SCOPES, tenant_id=tenant.id)
        client = await exits.enter_async_context(AsyncClient(stack.base_url, made.client_id, made.client_secret))
        payers: dict[ChainName, Key] = {
            "neo-n3": await client.keys.create("payer", "secp256r1"),
            "neo-x": await client.keys.create("payer", "secp256k1"),
        }
        assert stack.n3 is not None
        assert stack.neox is not None
        await pay_n3(stack.n3, [Payment(payers["neo-n3"].addresses["neo-n3"], 1000 * 10**8, str(GAS_N3.contract))])
        await pay_neox(stack.neox, [Payment(payers["neo-x"].addresses["neo-x"], 100 * 10**18)])
        yield Layer(stack, proxies, client, payers)


async def _fresh(layer: Layer, chain: ChainName) -> str:
    curve = "secp256r1" if chain == "neo-n3" else "secp256k1"
    return (await layer.client.keys.create("recipient", curve)).addresses[chain]


@pytest.mark.parametrize(("stop", "victim", "chain"), cases(), ids=lambda each: getattr(each, "name", each))
async def test_killed_at_a_step_each_transfer_is_made_once(
    layer: Layer, stop: Stop, victim: str, chain: ChainName
) -> None:
    to = await _fresh(layer, chain)
    server = chain if stop.server == "node" else stop.server
    proxy = layer.proxies[stop.owner, server]
    trap = proxy.arm(lambda data: stop.match(chain, data), reply=stop.reply)
    paying = asyncio.create_task(layer.pay(chain, to, uuid4().hex))
    async with asyncio.timeout(HELD_SECONDS):
        await trap.held.wait()
    await layer.stack.kill(victim)
    if victim == stop.owner:
        proxy.cut()
    trap.released.set()
    await layer.stack.start(victim)
    done = await paying
    assert done.state == "confirmed"
    assert await layer.received(chain, to) == UNITS[chain]
    assert [step.state for step in done.history or []].count("confirmed") == 1
