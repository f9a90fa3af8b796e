"""The calls of a Neo N3 node that are used, and the parts of their answers that are read.

Names are the node's own (docs.neo.org, RPC API). Amounts of GAS are in datoshi, 10^-8.
"""

import base64
from typing import Any

import msgspec

from nsl.adapters.json_rpc import Network, Request
from nsl.ledger.errors import NodeError
from nsl.ledger.model import Asset, Balance, ChainName
from nsl_protocol.n3.address import SCRIPT_HASH_BYTES, ScriptHash

UNKNOWN_BLOCK = -101
UNKNOWN_CONTRACT = -102
UNKNOWN_TRANSACTION = -103
UNKNOWN_CONTAINER = -105
UNKNOWN_HEIGHT = -109
# More would be no token that anyone can reckon with; the bounds keep a hostile contract's answer small.
DECIMALS_MAX = 77
SYMBOL_CHARACTERS_MAX = 32


class Protocol(msgspec.Struct, frozen=True):
    network: int
    msperblock: int
    maxvaliduntilblockincrement: int


class Version(msgspec.Struct, frozen=True):
    protocol: Protocol


class StackItem(msgspec.Struct, frozen=True):
    """An item of the VM's stack. ``value`` depends on the type; cyclic structures lack it."""

    type: str
    value: Any = None

    def integer(self) -> int | None:
        """The number, where the item is one or bytes that the VM would take for one."""
        if self.type == "Integer" and isinstance(self.value, str | int):
            try:
                return int(self.value)
            except ValueError:
                return None
        raw = self.raw()
        return None if raw is None or len(raw) > 32 else int.from_bytes(raw, "little", signed=True)  # noqa: PLR2004

    def raw(self) -> bytes | None:
        """The bytes, where the item holds bytes."""
        if self.type not in ("ByteString", "Buffer") or not isinstance(self.value, str):
            return None
        try:
            return base64.b64decode(self.value, validate=True)
        except ValueError:
            return None

    def account(self) -> ScriptHash | None:
        """The account, where the item is 20 bytes."""
        raw = self.raw()
        return ScriptHash(raw) if raw is not None and len(raw) == SCRIPT_HASH_BYTES else None

    def items(self) -> "list[StackItem] | None":
        """The members of an array."""
        if self.type not in ("Array", "Struct") or not isinstance(self.value, list):
            return None
        try:
            return msgspec.convert(self.value, list[StackItem])
        except msgspec.ValidationError:
            return None


#: what the node cannot write as JSON (a structure that holds itself) it replaces by text, whole or in part
type Stack = list[StackItem | str] | str


def leaves_false(stack: Stack) -> bool:
    """Whether a ``false`` is among what a script left behind."""
    return any(isinstance(item, StackItem) and item.type == "Boolean" and item.value is False for item in stack)


class Invocation(msgspec.Struct, frozen=True):
    """A test run: nothing of it is kept."""

    state: str
    gasconsumed: str
    exception: str | None = None
    stack: Stack = []

    @property
    def halted(self) -> bool:
        return self.state == "HALT"

    @property
    def leaves_false(self) -> bool:
        return leaves_false(self.stack)

    @property
    def result(self) -> StackItem | None:
        """What a read has left on top, if it ended well."""
        return self.stack[0] if self.halted and self.stack and isinstance(self.stack[0], StackItem) else None

    def integer(self) -> int | None:
        """The result, where it is a number."""
        return None if self.result is None else self.result.integer()


class NetworkFee(msgspec.Struct, frozen=True):
    networkfee: str


class BlockTransaction(msgspec.Struct, frozen=True):
    """``script`` in base64."""

    hash: str
    script: str


class BlockAnswer(msgspec.Struct, frozen=True):
    hash: str
    previousblockhash: str
    index: int
    time: int
    nextconsensus: str
    tx: list[BlockTransaction]


class Header(msgspec.Struct, frozen=True):
    hash: str
    index: int
    time: int


class RawTransaction(msgspec.Struct, frozen=True):
    """``blockhash`` is absent while the transaction is in the pool."""

    hash: str
    sender: str
    sysfee: str
    netfee: str
    validuntilblock: int
    blockhash: str | None = None
    blocktime: int | None = None
    confirmations: int = 0

    @property
    def fee(self) -> int:
        return int(self.sysfee) + int(self.netfee)


class Notification(msgspec.Struct, frozen=True):
    contract: str
    eventname: str
    state: StackItem | str


class Execution(msgspec.Struct, frozen=True):
    trigger: str
    vmstate: str
    exception: str | None = None
    stack: Stack = []
    notifications: list[Notification] = []


class ApplicationLog(msgspec.Struct, frozen=True):
    executions: list[Execution]


class TokenBalance(msgspec.Struct, frozen=True):
    """``symbol`` and ``decimals`` are neo-go's; the C# node has them too since 3.5."""

    assethash: str
    amount: str
    symbol: str = ""
    decimals: str | int = 0

    def balance(self) -> Balance:
        asset = Asset(ChainName.NEO_N3, self.assethash, self.symbol, int(self.decimals))
        return Balance(asset, int(self.amount))


class TokenBalances(msgspec.Struct, frozen=True):
    balance: list[TokenBalance]


_VERSION = msgspec.json.Decoder(Version)
_INTEGER = msgspec.json.Decoder(int)
_TEXT = msgspec.json.Decoder(str)
_INVOCATION = msgspec.json.Decoder(Invocation)
_NETWORK_FEE = msgspec.json.Decoder(NetworkFee)
_BLOCK = msgspec.json.Decoder(BlockAnswer)
_HEADER = msgspec.json.Decoder(Header)
_RAW_TRANSACTION = msgspec.json.Decoder(RawTransaction)
_APPLICATION_LOG = msgspec.json.Decoder(ApplicationLog)
_BALANCES = msgspec.json.Decoder(TokenBalances)
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)

VERSION = Request("getversion", (), _VERSION)
BLOCK_COUNT = Request("getblockcount", (), _INTEGER)


def network(magic: int) -> Network:
    """How a node of the network with this magic number is recognised."""
    return Network(
        name=ChainName.NEO_N3.value,
        number=magic,
        identity=VERSION,
        number_of=lambda version: int(version.protocol.network),
        height=BLOCK_COUNT,
        height_of=lambda count: int(count) - 1,
    )


def invoke_script(script: bytes, sender: ScriptHash) -> Request[Invocation]:
    """Run a script as if ``sender`` had signed it with scope CalledByEntry."""
    signers = [{"account": str(sender), "scopes": "CalledByEntry"}]
    return Request("invokescript", (base64.b64encode(script).decode(), signers), _INVOCATION)


def invoke_function(contract: str, method: str, *arguments: ScriptHash) -> Request[Invocation]:
    """Read from a contract. Arguments are accounts."""
    shaped = [{"type": "Hash160", "value": str(each)} for each in arguments]
    return Request("invokefunction", (contract, method, shaped), _INVOCATION)


def network_fee(transaction: bytes) -> Request[NetworkFee]:
    return Request("calculatenetworkfee", (base64.b64encode(transaction).decode(),), _NETWORK_FEE)


def send(transaction: bytes) -> Request[msgspec.Raw]:
    return Request("sendrawtransaction", (base64.b64encode(transaction).decode(),), _ANYTHING)


def block(height: int) -> Request[BlockAnswer]:
    return Request("getblock", (height, 1), _BLOCK)


def block_hash(height: int) -> Request[str]:
    return Request("getblockhash", (height,), _TEXT)


def header(block_hash: str) -> Request[Header]:
    return Request("getblockheader", (block_hash, 1), _HEADER)


def raw_transaction(transaction: str) -> Request[RawTransaction]:
    return Request("getrawtransaction", (transaction, 1), _RAW_TRANSACTION)


def application_log(transaction: str) -> Request[ApplicationLog]:
    return Request("getapplicationlog", (transaction,), _APPLICATION_LOG)


def balances(account: ScriptHash) -> Request[TokenBalances]:
    return Request("getnep17balances", (account.address,), _BALANCES)


def integer_result(run: Invocation, what: str) -> int:
    """The number that a read left on the stack. Raises NodeError."""
    found = run.integer()
    if found is None:
        raise NodeError(f"{what} does not answer with a number: {run.exception or run.state}")
    return found


def token(contract: str, symbol: Invocation, decimals: Invocation) -> Asset | None:
    """What a contract says of itself; None where it says nothing that a NEP-17 token would."""
    name, places = None if symbol.result is None else symbol.result.raw(), decimals.integer()
    if name is None or places is None or not 0 <= places <= DECIMALS_MAX:
        return None
    text = name.decode("ascii", "replace")[:SYMBOL_CHARACTERS_MAX]
    return Asset(ChainName.NEO_N3, contract, text, places) if text.isprintable() else None
