"""Values of the ledger. Amounts are integers in an asset's smallest unit; text appears only at the edge."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ChainName(StrEnum):
    NEO_N3 = "neo-n3"
    NEO_X = "neo-x"


@dataclass(frozen=True, slots=True)
class Asset:
    """A token. ``contract`` is the N3 contract hash (0x, big-endian), the ERC-20 address, or None for native GAS on
    Neo X."""

    chain: ChainName
    contract: str | None
    symbol: str
    decimals: int


GAS_N3 = Asset(ChainName.NEO_N3, "0xd2a4cff31913016155e38e474a2c06d08be276cf", "GAS", 8)
NEO_N3 = Asset(ChainName.NEO_N3, "0xef4073a0f2b305a38ec4050e4d3d28bc40ea63f5", "NEO", 0)
GAS_NEO_X = Asset(ChainName.NEO_X, None, "GAS", 18)
NATIVE_ASSETS = {
    ChainName.NEO_N3: {"GAS": GAS_N3, "NEO": NEO_N3},
    ChainName.NEO_X: {"GAS": GAS_NEO_X},
}


@dataclass(frozen=True, slots=True)
class Balance:
    asset: Asset
    amount: int


@dataclass(frozen=True, slots=True)
class Block:
    """``transactions`` are hashes, 0x and lower case, in block order."""

    chain: ChainName
    height: int
    hash: str
    previous_hash: str
    time: datetime
    transactions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fees:
    """What a plain native transfer costs now, in GAS's smallest unit (8 decimals on N3, 18 on Neo X), and the chain's
    own prices: N3 ``fee_per_byte, exec_fee_factor``; Neo X ``base_fee, priority_fee, gas_price`` in wei."""

    chain: ChainName
    asset: Asset
    transfer: int
    prices: dict[str, int]


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction on a block. ``fee`` is what was charged, in GAS's smallest unit; ``succeeded`` is the VM's word,
    which says nothing of what a token did."""

    chain: ChainName
    hash: str
    sender: str
    fee: int
    block_height: int
    block_hash: str
    time: datetime
    succeeded: bool
