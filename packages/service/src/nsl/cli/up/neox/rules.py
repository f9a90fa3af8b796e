"""What Neo X answers where anvil would answer otherwise. Pure: a call in, a verdict out.

Sources: bane-labs/go-ethereum `core/txpool/validation.go` (tips), `eth/gasprice` (suggestions), `eth/api_backend.go`
(tags), `contracts/solidity/Policy.sol` (the fees are policy, not a market).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nsl_protocol.errors import CodecError
from nsl_protocol.evm import rlp

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

# What only a node with keys, or one under development, would do.
_OWN_ACCOUNTS = frozenset((
    "eth_coinbase", "eth_mining", "eth_requestAccounts", "eth_sendTransaction", "eth_sendUnsignedTransaction",
    "eth_sign", "eth_signTransaction", "eth_signTypedData", "eth_signTypedData_v3", "eth_signTypedData_v4",
))  # fmt: skip
_RLP_LIST = 0xC0  # the first byte of a legacy transaction is not below it
_ACCESS_LIST_TYPE = 1  # EIP-2930: chain, nonce, gas price; later types: chain, nonce, tip, cap
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


_ANSWERS = {
    "eth_gasPrice": Answer(hex(BASE_FEE_WEI + TIP_MIN_WEI)),
    "eth_maxPriorityFeePerGas": Answer(hex(TIP_MIN_WEI)),
    "eth_accounts": Answer([]),  # a public node holds no keys
}
UNDERPRICED = Refusal(SERVER_ERROR, "transaction underpriced")


def judge(method: str, params: Any) -> Answer | Refusal | None:
    """The verdict on a call; None lets it pass to the node."""
    if method == "eth_sendRawTransaction":
        return _judge_transaction(params)
    if method in _ANSWERS:
        return _ANSWERS[method]
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

    Raises:
        CodecError, IndexError: not a transaction.
    """
    legacy = raw[0] >= _RLP_LIST
    tip_field, cap_field = (1, 1) if legacy else (2, 2) if raw[0] == _ACCESS_LIST_TYPE else (2, 3)
    fields = rlp.decode(raw if legacy else raw[1:])
    if isinstance(fields, bytes):
        raise CodecError("must be a list", field="transaction")
    tip, cap = (rlp.decode_uint(fields[place], 256, "fee") for place in (tip_field, cap_field))
    return tip, cap


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
