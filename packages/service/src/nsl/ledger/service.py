"""Reads of the chains, each kept for a second: many readers cost the node one question."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from nsl.kit.clock import monotonic
from nsl.kit.errors import Failure
from nsl.ledger.errors import BadAsset, NodeDown, UnknownBlock, UnknownChain, UnknownTransaction
from nsl.ledger.model import (
    NATIVE_ASSETS,
    Asset,
    Balance,
    Block,
    ChainName,
    ChainStatus,
    Fees,
    Mined,
    format_amount,
    parse_address,
    parse_asset,
    parse_chain,
    parse_hash,
)
from nsl.ledger.ports import ChainReader

FRESH_SECONDS = 1.0
FRESH_ENTRIES_MAX = 4096
# What a token says of itself never changes; the bound is for the memory.
TOKENS_MAX = 4096
# N3 counts blocks in 32 bits, and Neo X will not come further.
HEIGHT_MAX = 2**32 - 1


class Ledger:
    """What stands on the chains that are configured."""

    def __init__(self, readers: Mapping[ChainName, ChainReader]) -> None:
        self._readers = readers
        self._fresh: OrderedDict[tuple[Any, ...], tuple[float, asyncio.Future[Any]]] = OrderedDict()
        self._tokens: dict[tuple[ChainName, str], Asset] = {}

    async def chains(self) -> list[ChainStatus]:
        """Every configured chain. One whose nodes are down has no height."""
        return [await self._status(reader) for reader in self._readers.values()]

    async def _status(self, reader: ChainReader) -> ChainStatus:
        try:
            height = await self._kept(("height", reader.name), reader.height)
        except NodeDown:
            height = None
        return ChainStatus(reader.name, reader.network, height, tuple(reader.health()))

    async def block(self, chain: str, height: int | None) -> Block:
        """A block by its height, or the latest.

        Raises:
            UnknownChain, UnknownBlock, NodeDown.
        """
        reader = self.reader(chain)
        if height is not None and height > HEIGHT_MAX:
            raise UnknownBlock(f"{reader.name} has no block {height} yet.")
        wanted = await self._kept(("height", reader.name), reader.height) if height is None else height
        found = await self._kept(("block", reader.name, wanted), lambda: reader.blocks(wanted, wanted))
        if not found:
            raise UnknownBlock(f"{reader.name} has no block {wanted} yet.")
        block: Block = found[0]
        return block

    async def mined(self, chain: str, transaction: str) -> Mined:
        """A transaction on a block.

        Raises:
            UnknownChain, BadHash, UnknownTransaction, NodeDown.
        """
        reader = self.reader(chain)
        transaction = parse_hash(transaction)
        found: Mined | None = await self._kept(("mined", reader.name, transaction), lambda: reader.mined(transaction))
        if found is None:
            raise UnknownTransaction(f"No block of {reader.name} holds this transaction.")
        return found

    async def balances(self, chain: str, address: str, assets: Sequence[str] = ()) -> list[Balance]:
        """An account's native assets, the named ones, and on N3 every other it holds.

        Raises:
            UnknownChain, BadAddress, BadAsset, NodeDown.
        """
        reader = self.reader(chain)
        account = parse_address(reader.name, address)
        named = [await self.asset(reader.name, each) for each in assets]
        wanted = tuple(dict.fromkeys([*NATIVE_ASSETS[reader.name].values(), *named]))
        found = await self._kept(("balances", account, wanted), lambda: reader.balances(account, wanted))
        return list(found)

    async def holdings(self, chain: str, address: str, contracts: Sequence[str]) -> list[str] | None:
        """What an account holds, as text such as ``1.5 GAS``; of contracts that are no tokens, nothing.

        None: the chain is not configured, or no node answers.
        """
        try:
            tokens = [each for each in contracts if await self._is_token(chain, each)]
            found = await self.balances(chain, address, tokens)
        except (NodeDown, UnknownChain):
            return None
        return [
            f"{format_amount(each.amount, each.asset.decimals)} {each.asset.symbol}" for each in found if each.amount
        ]

    async def _is_token(self, chain: str, contract: str) -> bool:
        try:
            await self.asset(parse_chain(chain), contract)
        except BadAsset:
            return False
        return True

    async def fees(self, chain: str) -> Fees:
        """What a plain transfer of GAS costs now. Raises UnknownChain, NodeDown."""
        reader = self.reader(chain)
        found: Fees = await self._kept(("fees", reader.name), reader.fees)
        return found

    async def asset(self, chain: ChainName, text: str, *, field: str = "asset") -> Asset:
        """An asset by symbol or contract. Native assets and tokens seen before need no node.

        Raises:
            UnknownChain: the chain is not configured.
            BadAsset: there is no such token.
            NodeDown: it is not known yet, and no node answers.
        """
        reader = self.reader(chain)
        found = parse_asset(chain, text, field=field)
        if isinstance(found, Asset):
            return found
        if token := self._tokens.get((chain, found)):
            return token
        seen = await reader.asset(found)
        if seen is None:
            raise BadAsset(f"The contract {found} is no token on {chain}.", field=field)
        if len(self._tokens) < TOKENS_MAX:
            self._tokens[chain, found] = seen
        return seen

    def reader(self, chain: str) -> ChainReader:
        """Raises UnknownChain, also for one that is not configured."""
        name = parse_chain(chain)
        if name not in self._readers:
            raise UnknownChain(f"{name} is not configured here.")
        return self._readers[name]

    async def _kept[T](self, key: tuple[Any, ...], read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """A value read less than a second ago, or being read now, else a new one. Failures are not kept."""
        entry = self._fresh.get(key)
        if entry is None or monotonic() - entry[0] >= FRESH_SECONDS:
            entry = (monotonic(), asyncio.ensure_future(read()))
            self._fresh[key] = entry
            self._fresh.move_to_end(key)
            while len(self._fresh) > FRESH_ENTRIES_MAX:
                self._fresh.popitem(last=False)
        try:
            # Shielded: one reader who hangs up must not take the answer from the others.
            value: T = await asyncio.shield(entry[1])
        except Failure:
            if self._fresh.get(key) is entry:
                del self._fresh[key]
            raise
        return value
