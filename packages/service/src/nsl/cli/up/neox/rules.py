"""What Neo X answers where anvil would answer otherwise. Pure: a call in, a verdict out.

Sources: bane-labs/go-ethereum `core/txpool/validation.go` (tips), `eth/gasprice` (suggestions), `eth/api_backend.go`
(tags), `contracts/solidity/Policy.sol` (the fees are policy, not a market).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GWEI = 10**9
BASE_FEE_WEI = 20 * GWEI
TIP_MIN_WEI = 20 * GWEI
CHAIN_ID = 12227332  # the testnet T4's, so that signatures are made and checked as there
BLOCK_GAS_MAX = 30_000_000

SERVER_ERROR = -32000
NO_SUCH_METHOD = -32601
_TRANSACTION_REJECTED = -32003  # anvil's code (EIP-1474); geth says everything with -32000

POLICY_ADDRESS = "0x1212000000000000000000000000000000000002"
# The getters of Policy.sol that a wallet reads. Hand-assembled: the selector is compared with each known one, and
# the constant that belongs to it is returned as one word; any other call reverts.
_GETTERS = {
    "c8ad845f": TIP_MIN_WEI,  # minGasTipCap()
    "6ef25c3a": BASE_FEE_WEI,  # baseFee()
    "e47d6060": 0,  # isBlackListed(address)
    "aeabd743": 0,  # envelopeFee()
}

_OWN_ACCOUNTS = frozenset(
    {
        "eth_accounts",
        "eth_sendTransaction",
        "eth_sign",
        "eth_signTransaction",
        "eth_signTypedData",
        "eth_requestAccounts",
    }
    | {"eth_signTypedData_v3", "eth_signTypedData_v4", "eth_sendUnsignedTransaction", "eth_coinbase", "eth_mining"},
)
_NAMESPACES = ("eth_", "net_", "web3_")
_UNKNOWN_TAGS = frozenset({"finalized", "safe"})


@dataclass(frozen=True, slots=True)
class Answer:
    """The guard answers itself."""

    result: Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """The guard refuses, with a JSON-RPC error."""

    code: int
    message: str


UNDERPRICED = Refusal(SERVER_ERROR, "transaction underpriced")


def judge(method: str, params: Any) -> Answer | Refusal | None:
    """The verdict on a call; None lets it pass to the node."""
    if method == "eth_sendRawTransaction":
        return _judge_transaction(params)
    if method == "eth_gasPrice":
        return Answer(hex(BASE_FEE_WEI + TIP_MIN_WEI))
    if method == "eth_maxPriorityFeePerGas":
        return Answer(hex(TIP_MIN_WEI))
    if method == "eth_accounts":
        return Answer([])
    if method in _OWN_ACCOUNTS or not method.startswith(_NAMESPACES):
        return Refusal(NO_SUCH_METHOD, f"the method {method} does not exist/is not available")
    if tag := _unknown_tag(params):
        return Refusal(SERVER_ERROR, f"{tag} block not found")
    return None


def as_geth(error: Mapping[str, Any]) -> dict[str, Any]:
    """anvil's refusal of a transaction in the words of Neo X's node, which is a geth."""
    if error.get("code") != _TRANSACTION_REJECTED:
        return dict(error)
    message = str(error.get("message", ""))
    if message == "transaction already imported":
        message = "already known"
    return {"code": SERVER_ERROR, "message": message[:1].lower() + message[1:]}


def policy_code() -> str:
    """The Policy stub's runtime bytecode, in hexadecimal with 0x."""
    head = bytes.fromhex("5f3560e01c")  # PUSH0 CALLDATALOAD PUSH1 e0 SHR: the selector
    test = 11  # bytes: DUP1 PUSH4 selector EQ PUSH2 place JUMPI
    bodies = b""
    tests = b""
    start = len(head) + test * len(_GETTERS) + 3  # 3: the revert
    for selector, value in _GETTERS.items():
        place = start + len(bodies)
        tests += b"\x80\x63" + bytes.fromhex(selector) + b"\x14\x61" + place.to_bytes(2, "big") + b"\x57"
        # JUMPDEST PUSH8 value PUSH0 MSTORE PUSH1 20 PUSH0 RETURN
        bodies += b"\x5b\x67" + value.to_bytes(8, "big") + bytes.fromhex("5f5260205ff3")
    return "0x" + (head + tests + bytes.fromhex("5f5ffd") + bodies).hex()


def _judge_transaction(params: Any) -> Refusal | None:
    """Refuse a tip below the policy's. What cannot be read passes: the node says what is wrong with it."""
    try:
        tip, cap = offered_fees(bytes.fromhex(params[0].removeprefix("0x")))
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        return None
    return UNDERPRICED if min(tip, cap - BASE_FEE_WEI) < TIP_MIN_WEI else None


def offered_fees(raw: bytes) -> tuple[int, int]:
    """Tip cap and fee cap of a signed transaction, wei per gas; a gas price is both (EIP-1559).

    Reads no more than it must: the node reads and checks the whole.

    Raises:
        ValueError, IndexError: not the beginning of a transaction.
    """
    if raw[0] >= 0xC0:  # legacy: [nonce, gasPrice, ...]
        price = _integers(raw, 2)[1]
        return price, price
    fields = {1: 3, 2: 4, 3: 4, 4: 4}[raw[0]]  # EIP-2930: [chain, nonce, gasPrice]; later: [chain, nonce, tip, cap]
    numbers = _integers(raw[1:], fields)
    return numbers[-1 if fields == 3 else -2], numbers[-1]


def _integers(rlp: bytes, count: int) -> Sequence[int]:
    """The first items of an RLP list, which must be integers."""
    position = 1 if rlp[0] < 0xF8 else 1 + rlp[0] - 0xF7
    found = []
    for _ in range(count):
        first = rlp[position]
        length = 0 if first < 0x80 else first - 0x80
        if length > 32:
            raise ValueError("not an integer")
        found.append(first if first < 0x80 else int.from_bytes(rlp[position + 1 : position + 1 + length], "big"))
        position += 1 + length
    return found


def _unknown_tag(params: Any) -> str | None:
    """A block tag that Neo X never sets: its consensus does not call SetFinalized or SetSafe."""
    if not isinstance(params, list):
        return None
    for value in params:
        values = [value.get("fromBlock"), value.get("toBlock")] if isinstance(value, dict) else [value]
        for tag in values:
            if isinstance(tag, str) and tag in _UNKNOWN_TAGS:
                return tag
    return None
