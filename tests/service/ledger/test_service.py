"""The ledger keeps what it read for a second, and forgets nothing that never changes.

The chain here is a real ``ChainReader`` in behaviour, told what to answer and counting what it was asked; the adapters
are tested on real nodes in ``tests/service/adapters``.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from nsl.ledger import service
from nsl.ledger.errors import BadAddress, BadAsset, NodeDown, UnknownBlock, UnknownChain, UnknownTransaction
from nsl.ledger.model import GAS_N3, NEO_N3, Asset, Balance, Block, ChainName, EndpointHealth, Fees, Mined
from nsl.ledger.service import Ledger

ADDRESS = "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"
TOKEN = Asset(ChainName.NEO_N3, "0x" + "ab" * 20, "TOK", 2)


@dataclass
class Told:
    name: ChainName = ChainName.NEO_N3
    network: int = 7
    tip: int | None = 5
    asked: list[str] = field(default_factory=list)

    def health(self) -> Sequence[EndpointHealth]:
        return []

    async def height(self) -> int:
        self.asked.append("height")
        if self.tip is None:
            raise NodeDown("down")
        return self.tip

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        self.asked.append(f"blocks {first} {last}")
        if first > await self.height():
            return []
        return [Block(self.name, first, "0x1", "0x0", datetime(2026, 1, 1, tzinfo=UTC), ())]

    async def mined(self, transaction: str) -> Mined | None:
        self.asked.append(f"mined {transaction}")
        return None

    async def asset(self, contract: str) -> Asset | None:
        self.asked.append("asset")
        return TOKEN if contract == TOKEN.contract else None

    async def balances(self, address: str, assets: Sequence[Asset]) -> Sequence[Balance]:
        self.asked.append(f"balances {address}")
        return [Balance(each, 1) for each in assets]

    async def fees(self) -> Fees:
        self.asked.append("fees")
        return Fees(self.name, GAS_N3, 1, {})


async def test_many_readers_cost_the_node_one_question() -> None:
    chain = Told()
    ledger = Ledger({chain.name: chain})
    for _ in range(10):
        await ledger.block("neo-n3", 3)
        await ledger.balances("neo-n3", ADDRESS)
        await ledger.fees("neo-n3")
    assert chain.asked == ["blocks 3 3", "height", f"balances {ADDRESS}", "fees"]


async def test_many_readers_at_once_cost_the_node_one_question() -> None:
    chain = Told()
    ledger = Ledger({chain.name: chain})
    await asyncio.gather(*(ledger.fees("neo-n3") for _ in range(50)))
    assert chain.asked == ["fees"]


async def test_what_was_read_is_read_again_when_it_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FRESH_SECONDS", 0.0)
    chain = Told()
    ledger = Ledger({chain.name: chain})
    assert (await ledger.block("neo-n3", None)).height == 5
    chain.tip = 6
    assert (await ledger.block("neo-n3", None)).height == 6


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FRESH_ENTRIES_MAX", 3)
    chain = Told(tip=1000)
    ledger = Ledger({chain.name: chain})
    for height in range(100):
        await ledger.block("neo-n3", height)
    assert len(ledger._fresh) == 3


async def test_a_failure_is_not_kept() -> None:
    chain = Told(tip=None)
    ledger = Ledger({chain.name: chain})
    with pytest.raises(NodeDown):
        await ledger.block("neo-n3", None)
    chain.tip = 5
    assert (await ledger.block("neo-n3", None)).height == 5


async def test_a_chain_whose_nodes_are_down_is_listed_without_height() -> None:
    [status] = await Ledger({ChainName.NEO_N3: Told(tip=None)}).chains()
    assert (status.chain, status.number, status.height) == (ChainName.NEO_N3, 7, None)


async def test_native_assets_and_tokens_seen_before_need_no_node() -> None:
    chain = Told()
    ledger = Ledger({chain.name: chain})
    assert await ledger.asset(ChainName.NEO_N3, "NEO") == NEO_N3
    assert await ledger.asset(ChainName.NEO_N3, "0x" + "AB" * 20) == TOKEN
    assert await ledger.asset(ChainName.NEO_N3, str(TOKEN.contract)) == TOKEN
    assert chain.asked == ["asset"]


async def test_balances_name_what_was_asked_for_once() -> None:
    ledger = Ledger({ChainName.NEO_N3: Told()})
    found = await ledger.balances("neo-n3", ADDRESS, [str(TOKEN.contract), "GAS", "GAS"])
    assert [each.asset for each in found] == [GAS_N3, NEO_N3, TOKEN]


async def test_what_is_not_there_is_said_to_be_missing() -> None:
    ledger = Ledger({ChainName.NEO_N3: Told()})
    with pytest.raises(UnknownBlock, match="no block 6"):
        await ledger.block("neo-n3", 6)
    with pytest.raises(UnknownBlock):
        await ledger.block("neo-n3", 2**40)
    with pytest.raises(UnknownChain, match="not configured"):
        await ledger.block("neo-x", 1)
    with pytest.raises(UnknownChain, match="the chains are"):
        await ledger.fees("bitcoin")
    with pytest.raises(UnknownTransaction):
        await ledger.mined("neo-n3", "0x" + "00" * 32)
    with pytest.raises(BadAsset, match="is no token"):
        await ledger.asset(ChainName.NEO_N3, "0x" + "00" * 20)
    with pytest.raises(BadAddress):
        await ledger.balances("neo-n3", "0x" + "00" * 20)
