"""From what is to be signed to what it does. What is not read to the last byte is not understood."""

from collections.abc import Iterator
from typing import Any, Final

from coincurve import PublicKey as Secp256k1PublicKey

from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import (
    Signable,
    SignDigest,
    SignEvmTransaction,
    SignMessage,
    SignN3Transaction,
    SignTypedData,
    plain,
)
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.abi import TRANSFER, UINT256_MAX, WORD_BYTES, selector
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import EvmTransaction, parse_unsigned
from nsl_protocol.evm.typed_data import TypedData, parse_typed_data
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import ContractCall, parse_calls
from nsl_protocol.n3.transaction import Transaction
from nsl_protocol.n3.verification import account
from nsl_protocol.n3.witness import Scope as N3Scope
from nsl_protocol.n3.witness import Signer
from nsl_protocol.policy.document import NATIVE, Chain, Kind, Scope
from nsl_protocol.policy.effects import (
    Approves,
    Calls,
    Deploys,
    Effect,
    Meaning,
    Moves,
    SignsMessage,
    SignsTypedData,
    Token,
)

UNLIMITED_FROM: Final = 1 << 255
_TRANSFER_FROM = selector("transferFrom(address,address,uint256)")
_APPROVES = (selector("approve(address,uint256)"), selector("increaseAllowance(address,uint256)"))
_APPROVE_ALL = selector("setApprovalForAll(address,bool)")
_MULTICALL = selector("multicall(bytes[])")
_SELECTOR_BYTES: Final = 4
_ADDRESS_BYTES: Final = 20
_NESTED_MAX: Final = 3
_TRANSFER_ARGUMENTS: Final = 4
_INNER_MAX: Final = 64
_SCOPES: Final = (
    (N3Scope.CALLED_BY_ENTRY, Scope.CALLED_BY_ENTRY),
    (N3Scope.CUSTOM_CONTRACTS, Scope.CUSTOM_CONTRACTS),
    (N3Scope.CUSTOM_GROUPS, Scope.CUSTOM_GROUPS),
    (N3Scope.WITNESS_RULES, Scope.WITNESS_RULES),
    (N3Scope.GLOBAL, Scope.GLOBAL),
)


def meaning_of(what: Signable, curve: Curve, public_key: bytes) -> Meaning:
    """
    Args:
        public_key: of the key that signs; of one below, its own.

    Raises:
        CodecError: it does not parse.
    """
    own = own_account(curve, public_key)
    match plain(what):
        case SignMessage():
            return Meaning(Kind.MESSAGE, None, None, own, (SignsMessage(),))
        case SignDigest():
            return Meaning(Kind.DIGEST, None, None, own, (), not_understood="A digest hides what it stands for.")
        case SignN3Transaction(network, unsigned):
            return _of_n3(network, Transaction.from_unsigned_bytes(unsigned), own)
        case SignEvmTransaction(_, unsigned):
            return _of_evm(parse_unsigned(unsigned), own)
        case SignTypedData(document):
            return _of_typed_data(parse_typed_data(document), own)


def own_account(curve: Curve, public_key: bytes) -> str:
    """The key's account on the chain of its curve, in the spelling of policies; "" where there is none."""
    match curve:
        case Curve.SECP256R1:
            return account(PublicKey.from_bytes(public_key)).address
        case Curve.SECP256K1:
            whole = Secp256k1PublicKey(public_key).format(compressed=False)
            return str(EvmAddress.from_public_key(whole)).lower()
        case Curve.ED25519 | Curve.RSA_3072 | Curve.AES_256_GCM | Curve.HMAC_SHA256:
            return ""


# Neo N3 -----------------------------------------------------------------------------------------------------------


def _of_n3(network: int, transaction: Transaction, own: str) -> Meaning:
    calls = parse_calls(transaction.script)
    scopes = [_scopes(each) for each in transaction.signers if each.account.address == own]
    effects = tuple(_n3_effect(network, each) for each in calls or ())
    why = "" if calls else "The script does more, or something else, than to call contracts."
    if any(
        isinstance(effect, Calls) and _like_a_transfer(each) for effect, each in zip(effects, calls or (), strict=True)
    ):
        why = "A transfer's arguments are not two accounts and an amount, and the contract may take them for that."
    return Meaning(
        Kind.N3_TRANSACTION,
        Chain.NEO_N3,
        network,
        own,
        effects,
        not_understood=why,
        fee=transaction.system_fee + transaction.network_fee,
        scopes=tuple(scope for each in scopes for scope in each),
    )


def _like_a_transfer(made: ContractCall) -> bool:
    """NEP-17's, by name and number of arguments: contracts convert those, so that ``true`` is an amount of 1."""
    return made.method == "transfer" and len(made.arguments) == _TRANSFER_ARGUMENTS


def _n3_effect(network: int, made: ContractCall) -> Effect:
    contract = str(made.contract).lower()
    match made.method, made.arguments:
        case "transfer", (bytes() as source, bytes() as recipient, int() as amount, _) if (
            len(source) == len(recipient) == _ADDRESS_BYTES and not isinstance(amount, bool) and amount >= 0
        ):
            token = Token(Chain.NEO_N3, network, contract)
            return Moves(token, ScriptHash(source).address, ScriptHash(recipient).address, amount)
    return Calls(Chain.NEO_N3, contract, made.method)


def _scopes(signer: Signer) -> tuple[Scope, ...]:
    found = tuple(scope for bit, scope in _SCOPES if bit in signer.scopes)
    return found or (Scope.NONE,)


# Neo X ------------------------------------------------------------------------------------------------------------


def _of_evm(transaction: EvmTransaction, own: str) -> Meaning:
    effects, why = _evm_effects(transaction, own)
    return Meaning(
        Kind.EVM_TRANSACTION,
        Chain.NEO_X,
        transaction.chain_id,
        own,
        effects,
        not_understood=why,
        fee=transaction.gas_limit * transaction.fee_per_gas_max,
    )


def _evm_effects(transaction: EvmTransaction, own: str) -> tuple[tuple[Effect, ...], str]:
    network, value = transaction.chain_id, transaction.value
    if transaction.to is None:
        return (Deploys(value),), ""
    to = str(transaction.to).lower()
    if not transaction.data:
        return (Moves(Token(Chain.NEO_X, network, NATIVE), own, to, value),), ""
    if len(transaction.data) < _SELECTOR_BYTES:
        return (), "The call data is no call of a method."
    try:
        effects = tuple(_called(Token(Chain.NEO_X, network, to), own, transaction.data, _NESTED_MAX))
    except CodecError as error:
        return (), f"The call data {error.reason}."
    if value == 0:
        return effects, ""
    # A token does not ask for GAS: whatever this is, it is more than its arguments say.
    why = "" if all(isinstance(each, Calls) for each in effects) else "GAS goes with a method that moves or approves."
    return (Calls(Chain.NEO_X, to, _method(transaction.data), value),), why


def _called(token: Token, own: str, data: bytes, depth: int) -> Iterator[Effect]:
    """Of call data for a contract. Raises CodecError: it names a method that is known, and is not a call of it."""
    method, body = data[:_SELECTOR_BYTES], data[_SELECTOR_BYTES:]
    if method == TRANSFER:
        recipient, amount = _words(body, 2)
        yield Moves(token, own, _address(recipient), _number(amount))
    elif method == _TRANSFER_FROM:
        source, recipient, amount = _words(body, 3)
        yield Moves(token, _address(source), _address(recipient), _number(amount))
    elif method in _APPROVES:
        spender, amount = _words(body, 2)
        number = _number(amount)
        yield Approves(token, own, _address(spender), None if number >= UNLIMITED_FROM else number)
    elif method == _APPROVE_ALL:
        operator, allowed = _words(body, 2)
        if _number(allowed) > 1:
            raise CodecError("has a word that is no bool")
        yield Approves(token, own, _address(operator), None if _number(allowed) else 0)
    elif method == _MULTICALL:
        if depth == 0:
            raise CodecError("is nested too deep")
        for inner in _byte_strings(body):
            if len(inner) < _SELECTOR_BYTES:
                raise CodecError("has a part that is no call")
            yield from _called(token, own, inner, depth - 1)
    else:
        yield Calls(Chain.NEO_X, token.contract, _method(data))


def _method(data: bytes) -> str:
    return "0x" + data[:_SELECTOR_BYTES].hex()


def _words(body: bytes, count: int) -> list[bytes]:
    if len(body) != count * WORD_BYTES:
        raise CodecError(f"has {len(body)} bytes of arguments, {count * WORD_BYTES} belong there")
    return [body[each * WORD_BYTES : (each + 1) * WORD_BYTES] for each in range(count)]


def _address(word: bytes) -> str:
    if any(word[: WORD_BYTES - _ADDRESS_BYTES]):
        raise CodecError("has a word that is no address")
    return str(EvmAddress(word[WORD_BYTES - _ADDRESS_BYTES :])).lower()


def _number(word: bytes) -> int:
    return int.from_bytes(word)


def _byte_strings(body: bytes) -> list[bytes]:
    """The one ABI encoding of a ``bytes[]`` argument, in which everything stands once and in order."""
    reader = _Abi(body)
    if reader.number() != WORD_BYTES:
        raise CodecError("is no list of calls")
    count = reader.number()
    if not 0 < count <= _INNER_MAX:
        raise CodecError(f"has {count} parts; 1 to {_INNER_MAX} are taken")
    offsets = [reader.number() for _ in range(count)]
    found = []
    for offset in offsets:
        if offset != reader.at - 2 * WORD_BYTES:
            raise CodecError("has parts that are not where they belong")
        length = reader.number()
        found.append(reader.take(length))
        if any(reader.take(-length % WORD_BYTES)):
            raise CodecError("has padding that is not zero")
    if reader.at != len(body):
        raise CodecError("goes on after its end")
    return found


class _Abi:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self.at = 0

    def number(self) -> int:
        return int.from_bytes(self.take(WORD_BYTES))

    def take(self, count: int) -> bytes:
        if count > len(self._body) - self.at:
            raise CodecError("ends early")
        self.at += count
        return self._body[self.at - count : self.at]


# EIP-712 ----------------------------------------------------------------------------------------------------------


def _of_typed_data(data: TypedData, own: str) -> Meaning:
    contract = data.domain.get("verifyingContract")
    chain_id = data.chain_id
    effects: tuple[Effect, ...] = ()
    why = ""
    address = None if contract is None else str(EvmAddress.parse(contract)).lower()
    if data.primary_type.lower().startswith("permit"):
        permit = None if address is None or chain_id is None else _permit(data.message, address, chain_id)
        effects = () if permit is None else (permit,)
        why = "" if effects else "It lets somebody take tokens, in a form that is not known here."
    else:
        effects = (SignsTypedData(chain_id, address, data.primary_type),)
    return Meaning(Kind.TYPED_DATA, Chain.NEO_X, chain_id, own, effects, not_understood=why)


def _permit(message: Any, contract: str, chain_id: int) -> Approves | None:
    """EIP-2612, or the form of DAI before it. ``parse_typed_data`` has checked that values fit their types."""
    token = Token(Chain.NEO_X, chain_id, contract)
    try:
        spender = str(EvmAddress.parse(message["spender"])).lower()
        if set(message) == {"owner", "spender", "value", "nonce", "deadline"}:
            amount = int(str(message["value"]), 0)
            owner = str(EvmAddress.parse(message["owner"])).lower()
            if 0 <= amount <= UINT256_MAX:
                return Approves(token, owner, spender, None if amount >= UNLIMITED_FROM else amount)
        if set(message) == {"holder", "spender", "nonce", "expiry", "allowed"}:
            owner = str(EvmAddress.parse(message["holder"])).lower()
            return Approves(token, owner, spender, None if message["allowed"] is True else 0)
    except (CodecError, KeyError, TypeError, ValueError):
        return None
    return None
