"""The steps of the transition table beside the straight path, each brought about for real and stopped before it is
written; then API, enclave and worker die, and the layer must come to the right end by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import psycopg

from nsl.cli.up.postgres import OWNER
from nsl.transactions.model import Mined, Overdue, Rejected, Sent, State, Unmined
from nsl_client.calls import ChainName
from nsl_client.model import Key, Transaction
from tests.support.layer import Layer
from tests.support.proxy import Match, Trap

HELD_SECONDS = 40
# The shortest that the API takes.
VALID_SECONDS = 15
TAKE_TO_SEND = b"next_send_at <="
REVERTED_SECONDS = 4
TRIES = 5

type Scenario = Callable[[Layer], Awaitable[None]]


def _writes(state: State) -> Match:
    """The worker writes this state, of one transaction or of several: an array in PostgreSQL's text format."""
    words = b"{" + state.encode()
    return lambda data: words in data


async def _all_die(layer: Layer, *traps: Trap) -> None:
    """Once the traps hold something: API, enclave and worker, in this order; then they are started again."""
    async with asyncio.timeout(HELD_SECONDS):
        await asyncio.gather(*(trap.held.wait() for trap in traps))
    for victim in ("api", "kme", "worker"):
        await layer.die(victim)
    for trap in traps:
        trap.released.set()
    await asyncio.gather(*(layer.stack.start(victim) for victim in ("api", "kme", "worker")))


async def _ends(layer: Layer, made: Transaction, state: str, code: str | None) -> None:
    done = await layer.until(made, "confirmed", "failed", "expired")
    assert (done.state, done.failure.code if done.failure else None) == (state, code)


def _states(made: Transaction) -> list[str]:
    return [step.state for step in made.history or []]


# Refused before anything can be paid -------------------------------------------------------------------------------


async def refused_when_priced(layer: Layer) -> None:
    """With the node down the intent is accepted; when it is back, the funds turn out to be short."""
    poor = await layer.client.keys.create("poor", "secp256r1")
    to = await layer.recipient("neo-n3")
    await layer.stack.stop("n3")
    made = await layer.accept("neo-n3", to, "1", uuid4().hex, key=poor)
    trap = layer.proxy("worker", "database").arm(_writes(State.FAILED))
    await layer.stack.start("n3")
    await _all_die(layer, trap)
    await _ends(layer, made, "failed", "INSUFFICIENT_FUNDS")


async def refused_by_the_enclave(layer: Layer) -> None:
    """The wrapped key in the database is damaged."""
    key, to = await layer.funded_key("neo-n3"), await layer.recipient("neo-n3")
    async with await psycopg.AsyncConnection.connect(layer.stack.postgres.url(OWNER)) as owner:
        await owner.execute("SELECT set_config('app.current_tenant', %s, true)", [layer.tenant])
        damaged = await owner.execute(
            "UPDATE key_versions SET wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)) WHERE key_id = %s",
            [UUID(key.id)],
        )
        assert damaged.rowcount == 1
    trap = layer.proxy("worker", "database").arm(_writes(State.FAILED))
    made = await layer.accept("neo-n3", to, "1", uuid4().hex, key=key)
    await _all_die(layer, trap)
    done = await layer.until(made, "failed")
    assert _states(done) == ["accepted", "failed"]


async def refused_by_the_node(layer: Layer) -> None:
    """The account is emptied between signing and sending."""
    key, to = await layer.funded_key("neo-x"), await layer.recipient("neo-x")
    sending = layer.proxy("worker", "neo-x").arm(lambda data: b"eth_sendRawTransaction" in data)
    made = await layer.accept("neo-x", to, "1", uuid4().hex, key=key)
    await sending.held.wait()
    await layer.ask("neo-x", "anvil_setBalance", key.addresses["neo-x"], "0x0")
    trap = layer.proxy("worker", "database").arm(_writes(State.FAILED))
    sending.released.set()
    await _all_die(layer, trap)
    await _ends(layer, made, "failed", "INSUFFICIENT_FUNDS")


# Sent without knowing it --------------------------------------------------------------------------------------------


async def found_before_it_was_known_to_be_sent(layer: Layer) -> None:
    """The worker dies after the node took the bytes; the next one finds them on a block before it sends them again."""
    for chain, method in (("neo-n3", b"sendrawtransaction"), ("neo-x", b"eth_sendRawTransaction")):
        to, database = await layer.recipient(chain), layer.proxy("worker", "database")
        sent = layer.proxy("worker", chain).arm(lambda data, method=method: method in data, reply=True)
        made = await layer.accept(chain, to, "0.25", uuid4().hex)
        await sent.held.wait()
        await layer.die("worker")
        sent.released.set()
        again = database.arm(lambda data, chain=chain: TAKE_TO_SEND in data and chain.encode() in data)
        found = database.arm(_writes(State.CONFIRMED))
        await layer.stack.start("worker")
        await _all_die(layer, again, found)
        done = await layer.confirmed(made)
        assert _states(done)[:2] == ["accepted", "signed"]


# Taken back by the chain --------------------------------------------------------------------------------------------


async def _take_back(layer: Layer, *made: Transaction) -> None:
    """Let the chain forget its last blocks, down to those that hold these transactions."""
    if made[0].chain == "neo-x":
        done = [await layer.until(each, "confirmed", "failed") for each in made]
        for each in done:
            # A block may come between the question and the rollback.
            while await layer.ask("neo-x", "eth_getTransactionReceipt", each.hash) is not None:
                tip = int(await layer.ask("neo-x", "eth_blockNumber"), 16)
                await layer.ask("neo-x", "anvil_rollback", tip - (each.block_height or 0) + 1)
    else:
        # It writes once a second, so what it mined last is not on its disk.
        await layer.stack.kill("n3")
        await layer.stack.start("n3")


async def _reverted(layer: Layer, chain: ChainName) -> tuple[Transaction, Trap]:
    """A confirmed transfer whose block is gone, which the worker is about to write."""
    for _ in range(TRIES):
        made = await layer.accept(chain, await layer.recipient(chain), "0.5", uuid4().hex)
        made = await layer.confirmed(made)
        trap = layer.proxy("worker", "database").arm(_writes(State.SUBMITTED))
        await _take_back(layer, made)
        try:
            async with asyncio.timeout(REVERTED_SECONDS):
                await trap.held.wait()
        except TimeoutError:  # the block had been written to the disk
            trap.released.set()
        else:
            return made, trap
    raise AssertionError(f"{chain} never lost a block")


async def _goes_back(layer: Layer, made: Transaction) -> None:
    async with asyncio.timeout(HELD_SECONDS):
        while "reverted_by_reorg" not in _states(await layer.client.transactions.get(made.id)):
            await asyncio.sleep(0.05)


async def _stands_again(layer: Layer, made: Transaction) -> None:
    await _goes_back(layer, made)
    done = await layer.confirmed(made)
    assert (done.hash, _states(done).count("confirmed")) == (made.hash, 2)


async def taken_back(layer: Layer) -> None:
    """Killed before it is written that the block is gone."""
    for chain in ("neo-n3", "neo-x"):
        made, trap = await _reverted(layer, chain)
        await _all_die(layer, trap)
        await _stands_again(layer, made)


async def sent_again(layer: Layer) -> None:
    """Killed before it is written that the same bytes were sent again."""
    for chain in ("neo-n3", "neo-x"):
        made, gone = await _reverted(layer, chain)
        trap = layer.proxy("worker", "database").arm(_writes(State.SUBMITTED))
        gone.released.set()
        await _all_die(layer, trap)
        await _stands_again(layer, made)


async def taken_back_after_it_failed(layer: Layer) -> None:
    """Two transfers of more than half of the funds: one fails on its block. The block goes; one of the two is paid."""
    for _ in range(TRIES):
        key = await layer.funded_key("neo-n3", gas=10)
        recipients = [await layer.recipient("neo-n3") for _ in range(2)]
        await layer.stack.stop("worker")
        await layer.stack.stop("n3")
        made = [await layer.accept("neo-n3", to, "6", uuid4().hex, key=key) for to in recipients]
        await layer.stack.start("n3")
        await layer.stack.start("worker")
        done = [await layer.until(each, "confirmed", "failed") for each in made]
        trap = layer.proxy("worker", "database").arm(_writes(State.SUBMITTED))
        await _take_back(layer, *made)
        failed = next(each for each in done if each.state == "failed")
        try:
            async with asyncio.timeout(REVERTED_SECONDS):
                await trap.held.wait()
        except TimeoutError:
            trap.released.set()
        else:
            await _all_die(layer, trap)
            await _goes_back(layer, failed)
        done = [await layer.until(each, "confirmed", "failed") for each in made]
        assert sorted(each.state for each in done) == ["confirmed", "failed"]
        await layer.confirmed(next(each for each in done if each.state == "confirmed"))
        if trap.held.is_set():
            return
    raise AssertionError("neo-n3 never lost a block")


# Never to be mined --------------------------------------------------------------------------------------------------


async def replaced_from_elsewhere(layer: Layer) -> None:
    """The block of a transfer goes, and another transaction of the account takes its nonce."""
    key, to = await layer.funded_key("neo-x"), await layer.recipient("neo-x")
    made = await layer.until(await layer.accept("neo-x", to, "1", uuid4().hex, key=key), "confirmed")
    sending = layer.proxy("worker", "neo-x").arm(lambda data: b"eth_sendRawTransaction" in data, always=True)
    await _take_back(layer, made)
    await layer.until(made, "submitted")
    await sending.held.wait()
    await _spend_nonce(layer, key, made.nonce or 0)
    trap = layer.proxy("worker", "database").arm(_writes(State.FAILED))
    sending.released.set()
    await _all_die(layer, trap)
    await _ends(layer, made, "failed", "NONCE_USED")


async def _spend_nonce(layer: Layer, key: Key, nonce: int) -> None:
    sender = key.addresses["neo-x"]
    await layer.ask("neo-x", "anvil_impersonateAccount", sender)
    transaction = {
        "from": sender, "to": sender, "nonce": hex(nonce), "value": "0x0", "gas": hex(21_000),
        "maxFeePerGas": hex(40 * 10**9), "maxPriorityFeePerGas": hex(20 * 10**9),
    }  # fmt: skip
    await layer.ask("neo-x", "eth_sendTransaction", transaction)
    async with asyncio.timeout(HELD_SECONDS):
        while int(await layer.ask("neo-x", "eth_getTransactionCount", sender, "latest"), 16) <= nonce:
            await asyncio.sleep(0.05)


async def out_of_time(layer: Layer) -> None:
    """One that was taken back and one that was never sent, until no block can hold them any more."""
    sending = None
    for _ in range(TRIES):
        first = await layer.accept("neo-n3", await layer.recipient("neo-n3"), "0.5", uuid4().hex, seconds=VALID_SECONDS)
        first = await layer.until(first, "confirmed")
        sending = layer.proxy("worker", "neo-n3").arm(lambda data: b"sendrawtransaction" in data, always=True)
        await _take_back(layer, first)
        try:
            async with asyncio.timeout(REVERTED_SECONDS):
                await sending.held.wait()
            break
        except TimeoutError:
            sending.released.set()
            await layer.confirmed(first)
    assert sending is not None
    assert sending.held.is_set(), "neo-n3 never lost a block"
    to = await layer.recipient("neo-n3")
    second = await layer.accept("neo-n3", to, "0.5", uuid4().hex, seconds=VALID_SECONDS)
    second = await layer.until(second, "signed")
    trap = layer.proxy("worker", "database").arm(_writes(State.EXPIRED))
    async with asyncio.timeout(3 * VALID_SECONDS):
        while await layer.ask("neo-n3", "getblockcount") <= (second.valid_until_block or 0) + 2:
            await asyncio.sleep(0.1)
    sending.released.set()
    layer.proxy("worker", "neo-n3").cut()
    await _all_die(layer, trap)
    assert b"{expired,expired}" in trap.data
    for made, before in ((first, "submitted"), (second, "signed")):
        await _ends(layer, made, "expired", None)
        assert _states(await layer.client.transactions.get(made.id))[-2:] == [before, "expired"]


#: Which steps of the table each scenario is stopped at.
STEPS: dict[Scenario, set[tuple[State, type]]] = {
    refused_when_priced: {(State.ACCEPTED, Rejected)},
    refused_by_the_enclave: {(State.PREPARED, Rejected)},
    refused_by_the_node: {(State.SIGNED, Rejected)},
    found_before_it_was_known_to_be_sent: {(State.SIGNED, Mined)},
    taken_back: {(State.CONFIRMED, Unmined)},
    sent_again: {(State.SUBMITTED, Sent)},
    taken_back_after_it_failed: {(State.FAILED, Unmined)},
    replaced_from_elsewhere: {(State.SUBMITTED, Rejected)},
    out_of_time: {(State.SIGNED, Overdue), (State.SUBMITTED, Overdue)},
}
