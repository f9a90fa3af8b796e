"""The pipeline on PostgreSQL, both devnets and the key enclave: paid once, refused clearly, taken back, paid again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from nsl.adapters.enclave import EnclaveDown
from nsl.cli.up.errors import ProgramMissing
from nsl.keys.service import Lifecycle
from nsl.ledger.errors import BadAddress, BadAmount, BadAsset
from nsl.ledger.model import GAS_N3, GAS_NEO_X, ChainName
from nsl.transactions.errors import IdempotencyKeyReused, ShortOfFunds, UnknownTransaction
from nsl.transactions.jobs import Pipeline
from nsl.transactions.model import State
from nsl.transactions.service import NewTransfer
from nsl_protocol.enclave.lifecycle import KeyChange
from nsl_protocol.enclave.messages import Refused, Signature, SignOrder
from tests.support.pipeline import Stand, pipeline_stand
from tests.support.require import require

N3, NEO_X = ChainName.NEO_N3, ChainName.NEO_X
# Addresses that nobody holds keys of; each test takes its own, so that balances say what it did.
ACCOUNTS = {N3: iter(range(1, 1000)), NEO_X: iter(range(1, 1000))}
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    folder: Path = tmp_path_factory.mktemp("stand")
    try:
        async with pipeline_stand(folder) as running:
            yield running
    except ProgramMissing as missing:
        require(False, missing.detail)


def fresh(chain: ChainName) -> str:
    from nsl_protocol.evm.address import EvmAddress
    from nsl_protocol.n3.address import ScriptHash

    raw = b"\x77" * 16 + next(ACCOUNTS[chain]).to_bytes(4)
    return ScriptHash(raw).address if chain is N3 else str(EvmAddress(raw))


async def balance(stand: Stand, chain: ChainName, address: str) -> int:
    return await stand.chains[chain].spendable(address, GAS_N3 if chain is N3 else GAS_NEO_X)


@pytest.mark.parametrize("chain", [N3, NEO_X])
async def test_a_transfer_arrives_once_and_its_history_is_kept(stand: Stand, chain: ChainName) -> None:
    to = fresh(chain)
    done = (await stand.until_final(await stand.pay(chain, to, "0.5")))[0]
    assert (done.state, done.failure) == (State.CONFIRMED, None)
    assert done.fee is not None
    assert done.fee_max is not None
    assert 0 < done.fee <= done.fee_max
    assert await balance(stand, chain, to) == done.amount
    _, history = await stand.transactions.get(stand.tenant, done.id)
    assert [state for state, _ in history] == [State.ACCEPTED, State.SIGNED, State.SUBMITTED, State.CONFIRMED]


async def test_neo_is_sent_whole(stand: Stand) -> None:
    done = (await stand.until_final(await stand.pay(N3, fresh(N3), "3", asset="NEO")))[0]
    assert done.state is State.CONFIRMED
    with pytest.raises(BadAmount, match="0 decimals"):
        await stand.pay(N3, fresh(N3), "0.5", asset="NEO")


@pytest.mark.parametrize("chain", [N3, NEO_X])
async def test_many_at_once_use_each_nonce_once(stand: Stand, chain: ChainName) -> None:
    recipients = [fresh(chain) for _ in range(40)]
    made = await asyncio.gather(*(stand.pay(chain, to, "0.01") for to in recipients))
    done = await stand.until_final(*made, seconds=60)
    assert {each.state for each in done} == {State.CONFIRMED}
    assert len({each.hash for each in done}) == len(done)
    if chain is NEO_X:
        assert len({each.nonce for each in done}) == len(done)
    for to, each in zip(recipients, done, strict=True):
        assert await balance(stand, chain, to) == each.amount


async def test_the_same_key_makes_the_same_intent_and_another_body_is_refused(stand: Stand) -> None:
    request = NewTransfer(
        chain=N3, from_key=stand.payers[N3].id, asset="GAS", to=fresh(N3), amount="0.1", valid_for_seconds=900
    )
    tries = [stand.transactions.create(stand.tenant, "same", b"a" * 32, request) for _ in range(8)]
    made = await asyncio.gather(*tries)
    assert len({each.id for each in made}) == 1
    with pytest.raises(IdempotencyKeyReused):
        await stand.transactions.create(stand.tenant, "same", b"b" * 32, request)
    await stand.until_final(made[0])


@pytest.mark.parametrize("chain", [N3, NEO_X])
async def test_known_lack_of_funds_is_refused_before_anything_is_written(stand: Stand, chain: ChainName) -> None:
    with pytest.raises(ShortOfFunds, match="The account holds"):
        await stand.pay(chain, fresh(chain), "999999")


async def test_what_is_promised_counts_as_spent(stand: Stand) -> None:
    held = await balance(stand, NEO_X, stand.payers[NEO_X].addresses[NEO_X])
    most = f"{(held * 6 // 10) / 10**18:.6f}"
    first = await stand.pay(NEO_X, fresh(NEO_X), most)
    with pytest.raises(ShortOfFunds):
        await stand.pay(NEO_X, fresh(NEO_X), most)
    await stand.until_final(first)


@pytest.mark.parametrize(
    ("chain", "to", "reason"),
    [
        (N3, "NhGomBpYnKXArr55nHRQ5rzy79TwKVXZbx", "checksum"),
        (N3, "0x" + "11" * 20, "an address of neo-x"),
        (NEO_X, "NhGomBpYnKXArr55nHRQ5rzy79TwKVXZbr", "an address of neo-n3"),
        (NEO_X, "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "mistyped"),
    ],
)
async def test_a_wrong_address_says_what_is_wrong(stand: Stand, chain: ChainName, to: str, reason: str) -> None:
    with pytest.raises(BadAddress, match=reason):
        await stand.pay(chain, to, "1")


async def test_an_unknown_token_is_refused(stand: Stand) -> None:
    with pytest.raises(BadAsset):
        await stand.pay(N3, fresh(N3), "1", asset="0x" + "12" * 20)


async def test_another_tenants_transaction_does_not_exist(stand: Stand) -> None:
    from nsl.kit.ids import new_id

    mine = await stand.pay(N3, fresh(N3), "0.1")
    with pytest.raises(UnknownTransaction):
        await stand.transactions.get(new_id(), mine.id)
    await stand.until_final(mine)


async def test_a_reorganisation_takes_back_and_the_same_bytes_are_mined_again(stand: Stand) -> None:
    to = fresh(NEO_X)
    done = (await stand.until_final(await stand.pay(NEO_X, to, "0.2")))[0]
    assert done.block_height is not None
    mined_in = await stand.chains[NEO_X].block_hash(done.block_height)
    async with httpx.AsyncClient(base_url=stand.neox.node_url, trust_env=False) as node:
        # A block that is mined between the two calls makes the depth one too small.
        while await stand.chains[NEO_X].block_hash(done.block_height) == mined_in:
            depth = await stand.chains[NEO_X].height() - done.block_height + 1
            order = {"jsonrpc": "2.0", "id": 1, "method": "anvil_rollback", "params": [depth]}
            assert "error" not in (await node.post("/", json=order)).json()
    async with asyncio.timeout(30):
        while True:
            await stand.turn()
            now, history = await stand.transactions.get(stand.tenant, done.id)
            states = [state for state, _ in history]
            if State.REVERTED in states and now.state is State.CONFIRMED:
                break
            await asyncio.sleep(0.02)
    assert now.hash == done.hash
    assert states.count(State.CONFIRMED) == 2
    assert await balance(stand, NEO_X, to) == done.amount


async def test_a_dead_enclave_stops_the_step_and_nothing_is_lost(stand: Stand) -> None:
    to = fresh(N3)
    await stand.supervisor.kill("kme")
    waiting = await stand.pay(N3, to, "0.3")
    await stand.pipelines[N3].prepare()
    with pytest.raises(EnclaveDown):
        await stand.pipelines[N3].sign()
    present, _ = await stand.transactions.get(stand.tenant, waiting.id)
    assert present.state is State.PREPARED
    await stand.supervisor.start(stand.supervisor.child("kme").spec)
    await asyncio.sleep(0.2)
    done = (await stand.until_final(waiting))[0]
    assert done.unsigned == present.unsigned
    assert await balance(stand, N3, to) == done.amount


async def _life(stand: Stand, change: KeyChange) -> None:
    await Lifecycle(stand.database, stand.enclave).change(stand.tenant, "test", stand.payers[N3].id, change)


async def test_what_was_accepted_before_its_key_was_disabled_fails_and_says_so(stand: Stand) -> None:
    made = await stand.pay(N3, fresh(N3), "0.5")
    await stand.pipelines[N3].prepare()
    await _life(stand, KeyChange.DISABLE)
    try:
        done = (await stand.until_final(made))[0]
    finally:
        await _life(stand, KeyChange.ENABLE)
    assert done.state is State.FAILED
    assert done.failure is not None
    assert (done.failure.code, "disabled" in done.failure.message) == ("KEY_NOT_ACTIVE", True)


async def test_what_waits_for_a_change_of_its_key_is_signed_once_that_is_through(stand: Stand) -> None:
    """Also where the change comes in between reading the key and asking the enclave."""
    made = await stand.pay(N3, fresh(N3), "0.5")
    pipeline = stand.pipelines[N3]
    await pipeline.prepare()

    class Overtaken:
        async def sign(self, orders: Sequence[SignOrder]) -> tuple[Signature | Refused, ...]:
            await _life(stand, KeyChange.DISABLE)
            await _life(stand, KeyChange.ENABLE)
            return await stand.enclave.sign(orders)

    worker = stand.worker
    assert await Pipeline(worker, stand.chains[N3], Overtaken()).sign() == 0
    assert (await stand.transactions.get(stand.tenant, made.id))[0].state is State.PREPARED
    row = (
        "key_id, version, gen_random_uuid(), tenant_id, wrapped, 'active', 'test', now(), 'key.enabled', '{}', '', 1 "
        "FROM key_versions"
    )
    columns = "key_id, version, id, tenant_id, wrapped, state, changed_by, changed_at, act, policy, policy_hash"
    columns += ", policy_number"
    async with stand.database.transaction(stand.tenant) as connection:
        where = "WHERE key_id = %s"
        await connection.execute(f"INSERT INTO key_changes ({columns}) SELECT {row} {where}", [stand.payers[N3].id])
    assert await pipeline.sign() == 0
    async with stand.database.transaction(stand.tenant) as connection:
        await connection.execute("DELETE FROM key_changes")
    assert (await stand.until_final(made))[0].state is State.CONFIRMED
