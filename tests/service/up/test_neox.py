import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from eth_account import Account

from nsl.cli.up.errors import DevnetOnly, NotReady, ProgramMissing
from nsl.cli.up.faucet import Payment, Rpc, pay_neox
from nsl.cli.up.neox import NeoxNode
from nsl.cli.up.neox.driver import find_anvil
from nsl.cli.up.neox.rules import CHAIN_ID, GWEI, POLICY_ADDRESS
from tests.service.up.programs import alive, children, until
from tests.support import drivers

RECIPIENT = "0x" + "35" * 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NeoxNode]:
    async with drivers.neox_node(tmp_path_factory.mktemp("neox")) as running:
        yield running


async def post(node: NeoxNode, body: Any) -> Any:
    async with httpx.AsyncClient(timeout=10) as client:
        return (await client.post(node.url, json=body)).json()


def call(method: str, *params: Any, number: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def signed(nonce: int, tip: int = 20 * GWEI, key: bytes = b"\x47" * 32) -> str:
    fields = {
        "chainId": CHAIN_ID, "nonce": nonce, "gas": 21000, "to": RECIPIENT, "value": 1,
        "maxFeePerGas": 40 * GWEI, "maxPriorityFeePerGas": tip,
    }  # fmt: skip
    return "0x" + Account.sign_transaction(fields, key).raw_transaction.hex()


@pytest.mark.asyncio(loop_scope="module")
async def test_every_block_has_a_base_fee_of_20_gwei(node: NeoxNode) -> None:
    """Twenty blocks in a row, with and without transactions in them."""
    await pay_neox(node, [Payment(RECIPIENT, 10**18)] * 30)
    async with Rpc(node.url) as rpc:

        async def high_enough() -> bool:
            return int(await rpc.call("eth_blockNumber"), 16) >= 20

        await until(high_enough)
        blocks = [await rpc.call("eth_getBlockByNumber", hex(height), False) for height in range(21)]
        assert {int(block["baseFeePerGas"], 16) for block in blocks} == {20 * GWEI}
        assert int(await rpc.call("eth_getBalance", RECIPIENT, "latest"), 16) >= 30 * 10**18


@pytest.mark.asyncio(loop_scope="module")
async def test_the_policy_contract_answers(node: NeoxNode) -> None:
    """The getters of Policy.sol; anything else reverts."""
    async with Rpc(node.url) as rpc:
        selectors = {"0xc8ad845f": 20 * GWEI, "0x6ef25c3a": 20 * GWEI, "0xe47d6060" + "00" * 32: 0}
        for data, value in selectors.items():
            assert int(await rpc.call("eth_call", {"to": POLICY_ADDRESS, "data": data}, "latest"), 16) == value
        with pytest.raises(NotReady, match="revert"):
            await rpc.call("eth_call", {"to": POLICY_ADDRESS, "data": "0x12345678"}, "latest")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_batch_is_put_together_in_its_order(node: NeoxNode) -> None:
    """Answers of guard and node stand where their calls stood, with their ids untouched."""
    batch = [
        call("eth_chainId", number="a"), call("eth_gasPrice", number=2), call("anvil_mine", number=None),
        call("eth_sendRawTransaction", signed(0, tip=1), number=[4]), call("net_version", number=5),
    ]  # fmt: skip
    answers = await post(node, batch)
    assert [answer["id"] for answer in answers] == ["a", 2, None, [4], 5]
    assert [answer.get("result", answer.get("error", {}).get("code")) for answer in answers] == [
        hex(CHAIN_ID), hex(40 * GWEI), -32601, -32000, str(CHAIN_ID),
    ]  # fmt: skip
    assert answers[3]["error"]["message"] == "transaction underpriced"


@pytest.mark.asyncio(loop_scope="module")
async def test_refusals_of_the_node_are_worded_as_neo_x_words_them(node: NeoxNode) -> None:
    """Known, too poor, nonce used: code -32000 and geth's words."""
    rich = Account.from_key(b"\x47" * 32)
    poor = await post(node, call("eth_sendRawTransaction", signed(0, key=b"\x48" * 32)))
    assert poor["error"]["code"] == -32000
    assert poor["error"]["message"].startswith("insufficient funds")
    await pay_neox(node, [Payment(rich.address, 10**18)])
    later = signed(7)
    first, second = await post(node, [call("eth_sendRawTransaction", later), call("eth_sendRawTransaction", later)])
    assert first["result"].startswith("0x")
    assert second["error"] == {"code": -32000, "message": "already known"}
    sent = await post(node, call("eth_sendRawTransaction", signed(0)))
    async with Rpc(node.url) as rpc:

        async def mined() -> bool:
            return await rpc.call("eth_getTransactionReceipt", sent["result"]) is not None

        await until(mined)
    used = await post(node, call("eth_sendRawTransaction", signed(0)))
    assert used["error"]["code"] == -32000
    assert used["error"]["message"].startswith("nonce too low")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n{", b"200"),
        (b"nonsense\r\n\r\n", b"405"),
    ],
)
async def test_bad_http_ends_only_its_connection(node: NeoxNode, request_bytes: bytes, status: bytes) -> None:
    """The guard answers the next client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(request_bytes)
    line = await reader.readline()
    writer.close()
    assert status in line
    assert (await post(node, call("eth_chainId")))["result"] == hex(CHAIN_ID)


async def height_and_hash(node: NeoxNode, height: str) -> tuple[int, str]:
    async with Rpc(node.url) as rpc:
        block = await rpc.call("eth_getBlockByNumber", height, False)
        return int(block["number"], 16), block["hash"]


async def test_the_chain_survives_a_stop(tmp_path: Path) -> None:
    """After SIGTERM and a second start, hashes, balances and receipts are the same, and blocks go on."""
    async with drivers.neox_node(tmp_path) as node:
        (paid,) = await pay_neox(node, [Payment(RECIPIENT, 123)])
        height, block = await height_and_hash(node, "latest")
        genesis = await height_and_hash(node, "0x0")
    async with drivers.neox_node(tmp_path) as node:
        assert await height_and_hash(node, hex(height)) == (height, block)
        assert await height_and_hash(node, "0x0") == genesis
        async with Rpc(node.url) as rpc:
            assert int(await rpc.call("eth_getBalance", RECIPIENT, "latest"), 16) == 123
            assert (await rpc.call("eth_getTransactionReceipt", paid))["status"] == "0x1"
            following = ("eth_getBlockByNumber", hex(height + 1), False)

            async def mined() -> bool:
                return await rpc.call(*following) is not None

            await until(mined)
            assert int((await rpc.call(*following))["baseFeePerGas"], 16) == 20 * GWEI
        await pay_neox(node, [Payment(RECIPIENT, 1)])


async def test_a_torn_state_file_falls_back_to_the_last_good_copy(tmp_path: Path) -> None:
    """A kill in the middle of writing costs the newest blocks, never the chain."""
    for _ in range(2):
        async with drivers.neox_node(tmp_path) as node:
            await pay_neox(node, [Payment(RECIPIENT, 5)])
    newest = tmp_path / "neox" / "chain.gz"
    newest.write_bytes(newest.read_bytes()[:100])
    async with drivers.neox_node(tmp_path) as node, Rpc(node.url) as rpc:
        assert int(await rpc.call("eth_getBalance", RECIPIENT, "latest"), 16) == 5


async def test_a_chain_of_which_no_copy_is_readable_is_not_replaced(tmp_path: Path) -> None:
    """A new chain in the place of a lost one would be silent damage: the start fails with advice."""
    async with drivers.neox_node(tmp_path):
        pass
    for path in (tmp_path / "neox").glob("chain*.gz"):
        path.write_bytes(b"")
    with pytest.raises(NotReady, match="--fresh"):
        async with drivers.neox_node(tmp_path):
            pytest.fail("it started")


async def test_anvil_dies_with_its_guard_and_both_come_back(tmp_path: Path) -> None:
    """SIGKILL of the guard ends anvil too; the supervisor starts both on what was saved."""
    async with drivers.running(tmp_path) as (state, supervisor):
        try:
            node = NeoxNode.at(state, block_time_ms=100)
        except ProgramMissing as error:
            drivers.require(False, error.detail)
            raise
        guard = await supervisor.start(node.spec())
        killed = guard.pid
        (anvil,) = children(killed)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: not alive(killed) and not alive(anvil) and guard.pid != killed)
        await until(lambda: _answers(node))
        (anvil,) = children(guard.pid)
        os.kill(anvil, signal.SIGKILL)
        await until(lambda: not alive(anvil))
        await until(lambda: _answers(node))


async def _answers(node: NeoxNode) -> bool:
    try:
        return (await height_and_hash(node, "latest"))[0] > 0
    except NotReady:
        return False


async def test_development_money_is_refused_on_another_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The public testnet has the same chain id: the node must be an anvil as well."""
    async with drivers.neox_node(tmp_path) as node:
        monkeypatch.setattr("nsl.cli.up.faucet.CHAIN_ID", 47763)
        with pytest.raises(DevnetOnly, match="not the private devnet"):
            await pay_neox(node, [Payment(RECIPIENT, 1)])


def test_a_missing_anvil_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """`nsl up` goes on without Neo X then."""
    monkeypatch.setenv("NSL_ANVIL", "/nowhere/anvil")
    with pytest.raises(ProgramMissing, match="NSL_ANVIL names /nowhere/anvil"):
        find_anvil()


async def test_a_reorganisation_keeps_the_base_fee(tmp_path: Path) -> None:
    """Tests break the chain by anvil's own port; the loop goes on at 20 gwei, and the payment is gone."""
    async with drivers.neox_node(tmp_path) as node:
        await until(lambda: _is_at(node, 10))
        (paid,) = await pay_neox(node, [Payment(RECIPIENT, 5)])
        height, _ = await height_and_hash(node, "latest")
        async with Rpc(node.node_url) as anvil:
            await anvil.call("anvil_rollback", 5)  # a block or two may come between
            assert await anvil.call("eth_getTransactionReceipt", paid) is None
        await until(lambda: _is_at(node, height + 3))
        async with Rpc(node.url) as rpc:
            blocks = [await rpc.call("eth_getBlockByNumber", hex(each), False) for each in range(height + 3)]
            assert {int(block["baseFeePerGas"], 16) for block in blocks} == {20 * GWEI}
            assert int(await rpc.call("eth_getBalance", RECIPIENT, "latest"), 16) == 0


async def _is_at(node: NeoxNode, height: int) -> bool:
    return (await height_and_hash(node, "latest"))[0] >= height
