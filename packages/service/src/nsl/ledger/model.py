"""Values of the ledger. Amounts are integers in an asset's smallest unit; text appears only at the edge."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nsl.ledger.errors import BadAddress, BadAmount, BadAsset, BadHash, UnknownChain
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.n3.address import ScriptHash


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


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """One RPC endpoint, for readiness and metrics. ``url`` carries no credentials or query."""

    url: str
    healthy: bool
    height: int
    latency_seconds: float
    last_failure: str


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """``number`` is the magic number (N3) or chain id (Neo X); ``height`` is None while no node answers."""

    chain: ChainName
    number: int
    height: int | None
    endpoints: tuple[EndpointHealth, ...]


# Text at the edge -------------------------------------------------------------------------------------------------

# Both VMs hold larger numbers, but an N3 integer is signed.
AMOUNT_MAX = 2**255 - 1
AMOUNT_CHARACTERS_MAX = 160
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?")


def parse_amount(text: str, decimals: int, *, field: str = "amount") -> int:
    """A positive decimal number as an integer of an asset's smallest unit, exactly.

    Raises:
        BadAmount: no such number, zero, finer than the asset's smallest unit, or above 2^255 - 1 of them.
    """
    found = _AMOUNT.fullmatch(text) if len(text) <= AMOUNT_CHARACTERS_MAX else None
    if found is None:
        raise BadAmount('An amount is a positive decimal number as text, such as "1.25".', field=field)
    whole, fraction = found[1], (found[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise BadAmount(f"The asset has {decimals} decimals, the amount has {len(fraction)}.", field=field)
    amount = int(whole + fraction.ljust(decimals, "0"))
    if amount == 0:
        raise BadAmount("The amount must be above zero.", field=field)
    if amount > AMOUNT_MAX:
        raise BadAmount("The amount is larger than any token can hold.", field=field)
    return amount


def format_amount(amount: int, decimals: int) -> str:
    """An integer of the smallest unit as decimal text without needless zeros."""
    sign, digits = ("-" if amount < 0 else ""), str(abs(amount)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def parse_chain(text: str) -> ChainName:
    """Raises UnknownChain."""
    try:
        return ChainName(text)
    except ValueError:
        names = " and ".join(ChainName)
        raise UnknownChain(f"There is no chain {text[:40]!r}: the chains are {names}.") from None


def parse_hash(text: str, *, field: str = "transaction") -> str:
    """A transaction's hash, lower case. Raises BadHash."""
    if not _HASH.fullmatch(text):
        raise BadHash("A transaction's hash is 0x and 64 hexadecimal digits.", field=field)
    return text.lower()


def parse_address(chain: ChainName, text: str, *, field: str = "address") -> str:
    """An address of that chain in its canonical text: Base58 on N3, EIP-55 mixed case on Neo X.

    Raises:
        BadAddress: a wrong checksum, another chain's address, or no address at all; the reason says which.
    """
    other = ChainName.NEO_X if chain is ChainName.NEO_N3 else ChainName.NEO_N3
    try:
        return _canonical_address(chain, text)
    except CodecError as error:
        reason = error.reason
    try:
        _canonical_address(other, text)
    except CodecError:
        raise BadAddress(f"This is no address of {chain}: {reason}.", field=field) from None
    raise BadAddress(f"This is an address of {other}, and the chain is {chain}.", field=field)


def _canonical_address(chain: ChainName, text: str) -> str:
    if chain is ChainName.NEO_N3:
        return ScriptHash.from_address(text).address
    return str(EvmAddress.parse(text))


def parse_asset(chain: ChainName, text: str, *, field: str = "asset") -> Asset | str:
    """A native asset by its symbol or contract, else the canonical contract to be looked up on the chain.

    Raises:
        BadAsset: no symbol of a native asset of this chain, and no contract hash (N3) or address (Neo X).
    """
    if native := NATIVE_ASSETS[chain].get(text):
        return native
    try:
        contract = str(ScriptHash.parse(text)) if chain is ChainName.NEO_N3 else str(EvmAddress.parse(text))
    except CodecError as error:
        symbols = ", ".join(NATIVE_ASSETS[chain])
        raise BadAsset(
            f"An asset of {chain} is {symbols} or a token's contract: {error.reason}.", field=field
        ) from None
    return next((each for each in NATIVE_ASSETS[chain].values() if each.contract == contract), contract)
