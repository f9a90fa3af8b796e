"""Reads of the chains over HTTP.

Amounts are decimal text in the asset's unit; prices are text too, in its smallest unit.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, SkipValidation

from nsl.identity.model import Caller, Requires, Scope
from nsl.kit.errors import Malformed
from nsl.ledger.model import NATIVE_ASSETS, Asset, Balance, Block, ChainStatus, Fees, Mined, format_amount
from nsl.ledger.service import Ledger

HEIGHT_DIGITS_MAX = 18
ASSETS_ASKED_MAX = 20


class AssetView(msgspec.Struct, frozen=True):
    """``contract`` is null for native GAS on Neo X."""

    asset: str
    contract: str | None
    decimals: int


class ChainView(msgspec.Struct, frozen=True):
    """``network_id`` is the magic number (N3) or chain id (Neo X); ``height`` is null while no node answers."""

    chain: str
    network_id: int
    height: int | None
    healthy: bool
    endpoints: int
    endpoints_healthy: int
    assets: list[AssetView]


class ChainPage(msgspec.Struct, frozen=True):
    items: list[ChainView]
    next_cursor: str | None = None


class BlockView(msgspec.Struct, frozen=True):
    chain: str
    height: int
    hash: str
    previous_hash: str
    time: datetime
    transactions: list[str]


class MinedView(msgspec.Struct, frozen=True):
    """``succeeded`` is what the VM said of the execution."""

    chain: str
    hash: str
    sender: str
    fee: str
    block_height: int
    block_hash: str
    time: datetime
    succeeded: bool


class BalanceView(msgspec.Struct, frozen=True):
    asset: str
    contract: str | None
    decimals: int
    amount: str


class BalancePage(msgspec.Struct, frozen=True):
    items: list[BalanceView]
    next_cursor: str | None = None


class FeesView(msgspec.Struct, frozen=True):
    """``transfer`` is what a plain transfer of ``asset`` costs now."""

    chain: str
    asset: str
    transfer: str
    prices: dict[str, str]


@get("/v1/chains", operation_id="listChains", summary="The chains that are served", tags=["ledger"])
async def list_chains(
    caller: Annotated[Caller, Requires(Scope.LEDGER_READ)], ledger: NamedDependency[SkipValidation[Ledger]]
) -> ChainPage:
    return ChainPage([_chain(each) for each in await ledger.chains()])


@get(
    "/v1/chains/{chain:str}/blocks/{height:str}",
    operation_id="getBlock",
    summary="A block by its height, or the latest",
    tags=["ledger"],
)
async def get_block(
    caller: Annotated[Caller, Requires(Scope.LEDGER_READ)],
    ledger: NamedDependency[SkipValidation[Ledger]],
    chain: FromPath[str],
    height: FromPath[str],
) -> BlockView:
    return _block(await ledger.block(chain, _height(height)))


@get(
    "/v1/chains/{chain:str}/transactions/{transaction:str}",
    operation_id="getMinedTransaction",
    summary="A transaction on a block, whoever made it",
    tags=["ledger"],
)
async def get_mined(
    caller: Annotated[Caller, Requires(Scope.LEDGER_READ)],
    ledger: NamedDependency[SkipValidation[Ledger]],
    chain: FromPath[str],
    transaction: FromPath[str],
) -> MinedView:
    return _mined(await ledger.mined(chain, transaction))


@get(
    "/v1/chains/{chain:str}/addresses/{address:str}/balances",
    operation_id="listBalances",
    summary="What an account holds: native assets, the tokens named by `asset`, and on N3 every other",
    tags=["ledger"],
)
async def list_balances(
    caller: Annotated[Caller, Requires(Scope.LEDGER_READ)],
    ledger: NamedDependency[SkipValidation[Ledger]],
    chain: FromPath[str],
    address: FromPath[str],
    asset: Annotated[list[str] | None, QueryParameter(max_items=ASSETS_ASKED_MAX)] = None,
) -> BalancePage:
    return BalancePage([_balance(each) for each in await ledger.balances(chain, address, asset or ())])


@get(
    "/v1/chains/{chain:str}/fees",
    operation_id="getFees",
    summary="What a plain transfer of GAS costs now, and the chain's prices",
    tags=["ledger"],
)
async def get_fees(
    caller: Annotated[Caller, Requires(Scope.LEDGER_READ)],
    ledger: NamedDependency[SkipValidation[Ledger]],
    chain: FromPath[str],
) -> FeesView:
    return _fees(await ledger.fees(chain))


#: what ``nsl.http`` mounts
HANDLERS = (list_chains, get_block, get_mined, list_balances, get_fees)


def _height(text: str) -> int | None:
    if text == "latest":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= HEIGHT_DIGITS_MAX):
        raise Malformed('A height is a whole number, or "latest".', field="height")
    return int(text)


def _asset(asset: Asset) -> AssetView:
    return AssetView(asset.symbol, asset.contract, asset.decimals)


def _chain(status: ChainStatus) -> ChainView:
    return ChainView(
        chain=status.chain,
        network_id=status.number,
        height=status.height,
        healthy=status.height is not None,
        endpoints=len(status.endpoints),
        endpoints_healthy=sum(each.healthy for each in status.endpoints),
        assets=[_asset(each) for each in NATIVE_ASSETS[status.chain].values()],
    )


def _block(block: Block) -> BlockView:
    return BlockView(block.chain, block.height, block.hash, block.previous_hash, block.time, list(block.transactions))


def _mined(mined: Mined) -> MinedView:
    decimals = NATIVE_ASSETS[mined.chain]["GAS"].decimals
    return MinedView(
        chain=mined.chain,
        hash=mined.hash,
        sender=mined.sender,
        fee=format_amount(mined.fee, decimals),
        block_height=mined.block_height,
        block_hash=mined.block_hash,
        time=mined.time,
        succeeded=mined.succeeded,
    )


def _balance(balance: Balance) -> BalanceView:
    asset = balance.asset
    return BalanceView(asset.symbol, asset.contract, asset.decimals, format_amount(balance.amount, asset.decimals))


def _fees(fees: Fees) -> FeesView:
    prices = {name: str(price) for name, price in fees.prices.items()}
    return FeesView(fees.chain, fees.asset.symbol, format_amount(fees.transfer, fees.asset.decimals), prices)
