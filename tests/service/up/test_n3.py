from pathlib import Path

import pytest

from nsl.cli.up.errors import DevnetOnly
from nsl.cli.up.faucet import Payment, Rpc, pay_n3
from nsl.cli.up.n3 import N3Node
from nsl.ledger.model import NEO_N3
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.verification import account
from tests.support import drivers

RECIPIENT = account(PublicKey.of(bytes(31) + b"\x07")).address


async def balances(node: N3Node) -> dict[str, str]:
    async with Rpc(node.url) as rpc:
        return {row["symbol"]: row["amount"] for row in (await rpc.call("getnep17balances", RECIPIENT))["balance"]}


async def test_the_chain_and_its_money_survive_a_stop(tmp_path: Path) -> None:
    """Genesis funds pay; after SIGTERM and a second start, blocks, balances and the faucet's key are the same."""
    async with drivers.n3_node(tmp_path) as node:
        paid = await pay_n3(node, [Payment(RECIPIENT, 5 * 10**8), Payment(RECIPIENT, 3, NEO_N3.contract)])
        async with Rpc(node.url) as rpc:
            block = (await rpc.call("getrawtransaction", paid, 1))["blockhash"]
        assert await balances(node) == {"GAS": "500000000", "NEO": "3"}
    async with drivers.n3_node(tmp_path) as node:
        assert await balances(node) == {"GAS": "500000000", "NEO": "3"}
        async with Rpc(node.url) as rpc:
            assert (await rpc.call("getrawtransaction", paid, 1))["blockhash"] == block
        await pay_n3(node, [Payment(RECIPIENT, 1)])
        assert (await balances(node))["GAS"] == "500000001"
        secrets = [tmp_path / "n3" / name for name in ("validator.key", "wallet.json", "node.yml")]
        assert [path.stat().st_mode & 0o777 for path in secrets] == [0o600] * 3


async def test_development_money_is_refused_on_another_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node is asked for its network before anything is signed."""
    async with drivers.n3_node(tmp_path) as node:
        monkeypatch.setattr("nsl.cli.up.faucet.MAGIC", 860833102)
        with pytest.raises(DevnetOnly, match="development keys are for 860833102 alone"):
            await pay_n3(node, [Payment(RECIPIENT, 1)])


async def test_the_node_comes_back_after_sigkill(tmp_path: Path) -> None:
    """The last second of blocks may be lost, the chain is not."""
    async with drivers.running(tmp_path) as (state, supervisor):
        node = N3Node.at(state, block_time_ms=100)
        await node.prepare()
        child = await supervisor.start(node.spec())
        async with Rpc(node.url) as rpc:
            genesis = await rpc.call("getblockhash", 0)
        await supervisor.kill("n3")
        await supervisor.start(child.spec)
        await pay_n3(node, [Payment(RECIPIENT, 1)])
        async with Rpc(node.url) as rpc:
            assert await rpc.call("getblockhash", 0) == genesis
