"""Build a transfer (EIP-1559), and put its signature in: pure."""

from dataclasses import dataclass

from nsl.adapters.json_rpc import RpcError
from nsl.adapters.neo_x import node
from nsl.ledger.errors import NodeError
from nsl.ledger.model import Asset, ChainName
from nsl.transactions.ports import Draft, Rejected, SignedBytes, Unsigned
from nsl_protocol.enclave.messages import Signature
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.abi import WORD_BYTES, decode_text, decode_uint, encode_balance_of, encode_transfer
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import EvmSignature, FeeMarketTransaction, parse_unsigned, transaction_hash

# The estimate sees the state of now; the transaction runs on a later one. What is not used is not charged.
GAS_MARGIN_PERCENT = 20
# The base fee is set by Policy and rarely moves; a cap of twice of it outlasts a change. Only the real one is charged.
BASE_FEE_FACTOR = 2
SIGNATURE_BYTES = 64
# EIP-20 allows 255 decimals, but no amount above 77 of them fits a number of the VM.
DECIMALS_MAX = 77
SYMBOL_CHARACTERS_MAX = 32
_NOBODY = "0x" + "00" * 20
#: A transfer of nothing from nobody to nobody, for its gas.
PRICE_PROBE = {"from": _NOBODY, "to": _NOBODY, "value": "0x0", "data": "0x"}


@dataclass(frozen=True, slots=True)
class GasFees:
    """Prices of one unit of gas, in wei."""

    max_fee: int
    priority_fee: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A draft, read. ``call`` is what the node is asked to try."""

    draft: Draft
    to: EvmAddress
    value: int
    data: bytes
    call: dict[str, str]

    def build(self, chain_id: int, estimate: int, fees: GasFees, balance: int) -> Unsigned | Rejected:
        """The unsigned transaction. ``balance`` is the sender's native GAS, which must cover value and highest fee."""
        gas_limit = estimate + estimate * GAS_MARGIN_PERCENT // 100
        fee_max = gas_limit * fees.max_fee
        if balance < self.value + fee_max:
            return short(f"the transfer and its highest fee need {self.value + fee_max} wei", balance)
        transaction = FeeMarketTransaction(
            chain_id=chain_id,
            nonce=self.draft.nonce,
            gas_limit=gas_limit,
            to=self.to,
            value=self.value,
            data=self.data,
            max_priority_fee_per_gas=fees.priority_fee,
            max_fee_per_gas=fees.max_fee,
        )
        return Unsigned(transaction.unsigned_bytes(), fee_max, None)


def plan(draft: Draft) -> Plan:
    """Read a draft.

    Raises:
        CodecError: an address is wrong, or the amount is too large.
    """
    sender, recipient = EvmAddress.parse(draft.sender), EvmAddress.parse(draft.to)
    if draft.asset.contract is None:
        to, value, data = recipient, draft.amount, b""
    else:
        to, value, data = EvmAddress.parse(draft.asset.contract), 0, encode_transfer(recipient, draft.amount)
    call = {"from": _hex(sender.raw), "to": _hex(to.raw), "value": hex(value), "data": _hex(data)}
    return Plan(draft, to, value, data, call)


def gas_fees(tip: node.Header | None, priority_fee: int) -> GasFees:
    """Prices from the tip of the chain and the node's hint, which obeys Neo X's Policy contract. Raises NodeError."""
    if tip is None:
        raise NodeError("The node has no latest block.")
    return GasFees(tip.base_fee_per_gas * BASE_FEE_FACTOR + priority_fee, priority_fee)


def balance_call(contract: str, owner: str) -> dict[str, str]:
    """The call that reads an ERC-20 balance."""
    return {"to": contract, "data": _hex(encode_balance_of(EvmAddress.parse(owner)))}


def token_call(contract: str, selector: bytes) -> dict[str, str]:
    """The call of a function without arguments."""
    return {"to": contract, "data": _hex(selector)}


def token(contract: str, symbol: bytes, decimals: bytes) -> Asset | None:
    """What a contract says of itself; None where it says nothing that an ERC-20 token would."""
    try:
        name, places = decode_text(symbol), decode_uint(decimals)
    except CodecError:
        return None
    if not name or not name.isprintable() or places > DECIMALS_MAX:
        return None
    return Asset(ChainName.NEO_X, contract, name[:SYMBOL_CHARACTERS_MAX], places)


def would_fail(refusal: RpcError) -> Rejected:
    """Why an estimate was refused; a contract can fail in many words. Raises NodeError when it was not even tried."""
    if refusal.code in node.NOT_TRIED:
        raise NodeError(f"The node refused eth_estimateGas: {refusal.text}")
    if "insufficient" in refusal.text.lower():
        return Rejected("INSUFFICIENT_FUNDS", refusal.text)
    return Rejected("EXECUTION_FAULT", f"The test run failed: {refusal.text}")


def answers_false(answer: bytes | RpcError) -> bool:
    """Whether a token's ``transfer`` says false instead of reverting; a token that says nothing is one of the old."""
    return isinstance(answer, bytes) and answer == bytes(WORD_BYTES)


def short(need: str, balance: int) -> Rejected:
    return Rejected("INSUFFICIENT_FUNDS", f"The account is short of funds: {need}, it holds {balance}.")


def attach(unsigned: bytes, signature: Signature) -> SignedBytes:
    """The whole transaction and its hash.

    Raises:
        CodecError: no unsigned transaction, or no secp256k1 signature with its recovery bit.
    """
    if signature.recovery is None or len(signature.signature) != SIGNATURE_BYTES:
        raise CodecError("not a secp256k1 signature with its recovery bit", field="signature")
    r, s = int.from_bytes(signature.signature[:32]), int.from_bytes(signature.signature[32:])
    raw = parse_unsigned(unsigned).signed_bytes(EvmSignature(signature.recovery, r, s))
    return SignedBytes(raw, transaction_hash(raw))


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
