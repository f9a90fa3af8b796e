"""The calls of a Neo X node that are used, and the parts of their answers that are read.

Names are those of the Ethereum JSON-RPC API (ethereum/execution-apis). Amounts are in wei. Only the block tag
``latest`` is used: Neo X never sets ``safe`` and ``finalized``, and a block is final at once (dBFT).
"""

from typing import Any

import msgspec

from nsl.adapters.json_rpc import Network, Request
from nsl.ledger.errors import NodeError
from nsl.ledger.model import ChainName

LATEST = "latest"
#: method unknown (JSON-RPC 2.0), rate limit exceeded (EIP-1474)
NOT_TRIED = frozenset({-32601, -32005})
WORD_BYTES = 32


class Quantity(int):
    """A hexadecimal number with 0x in front."""


class Data(bytes):
    """Bytes as hexadecimal text with 0x in front."""


def _decode(kind: type, value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("hexadecimal text with 0x was expected")
    return Quantity(value, 16) if kind is Quantity else Data(bytes.fromhex(value[2:]))


def _decoder[T](kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind, dec_hook=_decode)


class BlockAnswer(msgspec.Struct, frozen=True, rename="camel"):
    hash: str
    parent_hash: str
    number: Quantity
    timestamp: Quantity
    transactions: list[str]
    base_fee_per_gas: Quantity


class Header(msgspec.Struct, frozen=True, rename="camel"):
    """A block without reading its transactions."""

    hash: str
    timestamp: Quantity
    base_fee_per_gas: Quantity


class Log(msgspec.Struct, frozen=True):
    address: str
    topics: list[Data]
    data: Data


class Receipt(msgspec.Struct, frozen=True, rename="camel"):
    """``to`` is null where a contract was created."""

    block_hash: str
    block_number: Quantity
    gas_used: Quantity
    effective_gas_price: Quantity
    status: Quantity
    logs: list[Log]
    from_: str = msgspec.field(name="from")
    to: str | None = None

    @property
    def fee(self) -> int:
        return self.gas_used * self.effective_gas_price


class Known(msgspec.Struct, frozen=True):
    """A transaction that the node has, in the pool or on chain."""

    hash: str


_QUANTITY = _decoder(Quantity)
_DATA = _decoder(Data)
_BLOCK: msgspec.json.Decoder[BlockAnswer | None] = msgspec.json.Decoder(BlockAnswer | None, dec_hook=_decode)
_HEADER: msgspec.json.Decoder[Header | None] = msgspec.json.Decoder(Header | None, dec_hook=_decode)
_RECEIPT: msgspec.json.Decoder[Receipt | None] = msgspec.json.Decoder(Receipt | None, dec_hook=_decode)
_KNOWN: msgspec.json.Decoder[Known | None] = msgspec.json.Decoder(Known | None)
_TEXT = msgspec.json.Decoder(str)

CHAIN_ID = Request("eth_chainId", (), _QUANTITY)
HEIGHT = Request("eth_blockNumber", (), _QUANTITY)
TIP = Request("eth_getBlockByNumber", (LATEST, False), _HEADER)
PRIORITY_FEE = Request("eth_maxPriorityFeePerGas", (), _QUANTITY)
GAS_PRICE = Request("eth_gasPrice", (), _QUANTITY)


def network(chain_id: int) -> Network:
    """How a node of the network with this chain id is recognised."""
    return Network(
        name=ChainName.NEO_X.value,
        number=chain_id,
        identity=CHAIN_ID,
        number_of=int,
        height=HEIGHT,
        height_of=int,
    )


def balance(address: str) -> Request[Quantity]:
    return Request("eth_getBalance", (address, LATEST), _QUANTITY)


def mined_count(address: str) -> Request[Quantity]:
    return Request("eth_getTransactionCount", (address, LATEST), _QUANTITY)


def estimate_gas(call: dict[str, str]) -> Request[Quantity]:
    return Request("eth_estimateGas", (call, LATEST), _QUANTITY)


def call(transaction: dict[str, str]) -> Request[Data]:
    return Request("eth_call", (transaction, LATEST), _DATA)


def code(address: str) -> Request[Data]:
    return Request("eth_getCode", (address, LATEST), _DATA)


def send(transaction: bytes) -> Request[str]:
    return Request("eth_sendRawTransaction", ("0x" + transaction.hex(),), _TEXT)


def block(height: int) -> Request[BlockAnswer | None]:
    return Request("eth_getBlockByNumber", (hex(height), False), _BLOCK)


def header(height: int) -> Request[Header | None]:
    return Request("eth_getBlockByNumber", (hex(height), False), _HEADER)


def receipt(transaction: str) -> Request[Receipt | None]:
    return Request("eth_getTransactionReceipt", (transaction,), _RECEIPT)


def known(transaction: str) -> Request[Known | None]:
    return Request("eth_getTransactionByHash", (transaction,), _KNOWN)


def word(answer: bytes, what: str) -> int:
    """The number that a call returned. Raises NodeError."""
    if len(answer) != WORD_BYTES:
        raise NodeError(f"{what} does not answer with a number.")
    return int.from_bytes(answer)
