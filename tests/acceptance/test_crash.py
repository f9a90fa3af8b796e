"""Worker, API and enclave are killed at every step of the pipeline; each transfer is made exactly once.

The stops come from proxies in front of nodes, enclave and PostgreSQL that hold one message; the product has no switch
for them. The steps are those of the transition table: those of the straight path are stopped before and after each
message that matters and each victim dies alone, those beside it (``beside.py``) are stopped before they are written
and all die. "Once" is judged on the nodes: recipients are fresh, so a balance that equals the amount was paid once.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from nsl.transactions.model import TRANSITIONS, Mined, Prepared, Sent, Signed, State
from nsl_client.calls import ChainName
from tests.acceptance import beside
from tests.support.layer import Layer, layer_behind_proxies
from tests.support.proxy import Trap

CHAINS: tuple[ChainName, ...] = ("neo-n3", "neo-x")
VICTIMS = ("worker", "api", "kme")
HELD_SECONDS = 20
ACCEPT = "accept"
SEND = (b"sendrawtransaction", b"eth_sendRawTransaction")
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Stop:
    """Where to stop: which step, whose connection to what, and which words are in the message (of N3, of Neo X).

    ``then``: a later message of that connection is meant. ``reply``: not the message is held but the answer to it, so
    what it asked for has happened.
    """

    step: object
    name: str
    owner: str
    server: str
    words: tuple[bytes, bytes]
    then: bytes = b""
    reply: bool = False

    def arm(self, layer: Layer, chain: ChainName) -> Trap:
        server = chain if self.server == "node" else self.server
        words = self.words[CHAINS.index(chain)]
        return layer.proxy(self.owner, server).arm(lambda data: words in data, then=self.then, reply=self.reply)


def _writing(step: tuple[State, type], what: str) -> tuple[Stop, Stop]:
    """The worker writes the state that the step leads to: before it is written; after it is committed, unheard."""
    # What the bound parameter looks like: an array in PostgreSQL's text format.
    words = b"{" + TRANSITIONS[step].encode() + b"}"
    return (
        Stop(step, f"{what} is not written", "worker", "database", (words, words)),
        Stop(step, f"{what} is committed and not heard of", "worker", "database", (words, words), b"COMMIT", True),
    )


PREPARE, SIGN = (State.ACCEPTED, Prepared), (State.PREPARED, Signed)
SENDING, FOLLOW = (State.SIGNED, Sent), (State.SUBMITTED, Mined)
STOPS = (
    Stop(ACCEPT, "the intent is not written", "api", "database", (b"accepted", b"accepted")),
    Stop(ACCEPT, "the intent is committed and not answered", "api", "database", (b"COMMIT", b"COMMIT"), reply=True),
    Stop(PREPARE, "the price is asked", "worker", "node", (b"calculatenetworkfee", b"eth_estimateGas")),
    *_writing(PREPARE, "what will be signed"),
    Stop(SIGN, "the enclave is asked", "worker", "kme", (b"", b"")),
    Stop(SIGN, "the enclave has signed", "worker", "kme", (b"", b""), reply=True),
    *_writing(SIGN, "the signature"),
    Stop(SENDING, "nothing is sent", "worker", "node", SEND),
    Stop(SENDING, "it is sent and not answered", "worker", "node", SEND, reply=True),
    *_writing(SENDING, "the sending"),
    Stop(FOLLOW, "the outcome is asked", "worker", "node", (b"getapplicationlog", b"eth_getTransactionReceipt")),
    *_writing(FOLLOW, "the outcome"),
)
# Both chains are stopped at once, except on the one connection to the enclave, which they share.
STRAIGHT = [
    (stop, chains) for stop in STOPS for chains in ([(each,) for each in CHAINS] if stop.step == SIGN else [CHAINS])
]


async def test_the_stops_cover_every_step_of_the_table() -> None:
    assert {stop.step for stop in STOPS} - {ACCEPT} | {step for steps in beside.STEPS.values() for step in steps} == {
        *TRANSITIONS
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def layer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Layer]:
    folder: Path = tmp_path_factory.mktemp("crash")
    async with layer_behind_proxies(folder) as running:
        yield running


def _name(value: object) -> str:
    return value.name if isinstance(value, Stop) else " and ".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize(("stop", "chains"), STRAIGHT, ids=_name)
async def test_killed_at_a_step_each_transfer_is_made_once(
    layer: Layer, victim: str, stop: Stop, chains: tuple[ChainName, ...]
) -> None:
    recipients = {chain: await layer.recipient(chain) for chain in chains}
    traps = [stop.arm(layer, chain) for chain in chains]
    paying = [asyncio.create_task(layer.accept(chain, to, "0.125", uuid4().hex)) for chain, to in recipients.items()]
    async with asyncio.timeout(HELD_SECONDS):
        await asyncio.gather(*(trap.held.wait() for trap in traps))
    await layer.die(victim)
    for trap in traps:
        trap.released.set()
    await layer.stack.start(victim)
    for task in paying:
        done = await layer.confirmed(await task)
        assert [step.state for step in done.history or []].count("confirmed") == 1


@pytest.mark.parametrize("scenario", beside.STEPS, ids=lambda each: each.__name__)
async def test_killed_beside_the_straight_path_nothing_is_paid_twice(layer: Layer, scenario: beside.Scenario) -> None:
    await scenario(layer)


async def test_in_the_end_each_recipient_holds_what_was_confirmed_and_no_more(layer: Layer) -> None:
    for (chain, address), amount in layer.paid.items():
        assert await layer.holds(chain, address) == amount, (chain, address)
