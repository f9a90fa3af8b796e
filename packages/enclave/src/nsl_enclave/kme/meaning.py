"""What a request to sign means: the data that is signed, and its decoded form. What is not understood is refused."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import Refusal
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import SignDigest, SignEvmTransaction, SignMessage, SignN3Transaction, SignTypedData
from nsl_protocol.enclave.signed import message_data
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.abi import parse_transfer as parse_erc20
from nsl_protocol.evm.transaction import EvmTransaction, parse_unsigned
from nsl_protocol.evm.typed_data import parse_typed_data
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import parse_transfer as parse_nep17
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.verification import account

_SALT_BYTES = 16
_ENVELOPES = {
    Curve.SECP256K1: "eip-191",
    Curve.SECP256R1: "n3-wallet",
    Curve.ED25519: "nsl-ed25519",
    Curve.RSA_3072: "nsl-rsa",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """``data`` goes to the private key: a digest for the secp curves, a message for ed25519."""

    data: bytes
    decoded: dict[str, Any]
    salt: str | None = None

    def decoded_json(self) -> bytes:
        """The decoded form as compact JSON."""
        return msgspec.json.encode(self.decoded)


def of_message(order: SignMessage, curve: Curve) -> Meaning:
    """In its envelope, whatever it is."""
    decoded: dict[str, Any] = {"kind": "message", "bytes": len(order.data), "envelope": _ENVELOPES[curve]}
    if curve is not Curve.SECP256R1:
        return Meaning(message_data(curve, order.data), decoded)
    salt = random_bytes(_SALT_BYTES).hex()
    return Meaning(message_data(curve, order.data, salt), decoded | {"salt": salt}, salt)


def of_digest(order: SignDigest) -> Meaning:
    """Whatever it stands for."""
    return Meaning(order.digest, {"kind": "digest", "digest": order.digest.hex()})


def of_n3_transaction(order: SignN3Transaction, curve: Curve, public_key: bytes) -> Meaning:
    """A whole Neo N3 transaction that this key's account takes part in."""
    if curve is not Curve.SECP256R1:
        raise Refusal("WRONG_CURVE", f"Neo N3 transactions are signed by secp256r1 keys; this one is {curve}.")
    transaction = _parsed("a Neo N3 transaction", Transaction.from_unsigned_bytes, order.unsigned)
    own = account(PublicKey.from_bytes(public_key))
    if all(signer.account != own for signer in transaction.signers):
        raise Refusal(
            "NOT_A_SIGNER",
            f"The transaction's signers do not include this key's account {own.address}; they are "
            f"{', '.join(each.account.address for each in transaction.signers)}. Sign with the key of one of these, or "
            "add this one.",
        )
    data = sign_data(order.network, transaction)
    return Meaning(hashlib.sha256(data).digest(), _n3_decoded(order.network, transaction))


def of_evm_transaction(order: SignEvmTransaction, curve: Curve) -> Meaning:
    """A whole EVM transaction for exactly the chain that the order names."""
    if curve is not Curve.SECP256K1:
        raise Refusal("WRONG_CURVE", f"Neo X transactions are signed by secp256k1 keys; this one is {curve}.")
    transaction = _parsed("an EVM transaction", parse_unsigned, order.unsigned)
    if transaction.chain_id != order.chain_id:
        raise Refusal(
            "WRONG_CHAIN",
            f"The transaction is for chain {transaction.chain_id}, the order for {order.chain_id}: name the network "
            "that it is for, or build it for the other one.",
        )
    return Meaning(transaction.signing_hash(), _evm_decoded(transaction))


def of_typed_data(order: SignTypedData, curve: Curve) -> Meaning:
    """An EIP-712 document."""
    if curve is not Curve.SECP256K1:
        raise Refusal("WRONG_CURVE", f"Typed data is signed by secp256k1 keys; this one is {curve}.")
    data = _parsed("EIP-712 typed data", parse_typed_data, order.document)
    decoded = {"kind": "typed-data", "primary_type": data.primary_type, "domain": data.domain, "message": data.message}
    return Meaning(data.signing_hash(), decoded)


def _parsed[T](what: str, parse: Callable[[bytes], T], data: bytes) -> T:
    try:
        return parse(data)
    except CodecError as error:
        raise Refusal(
            "NOT_UNDERSTOOD", f"The payload is not {what}: {error}. Send the whole of it, unsigned, and nothing else."
        ) from error


def _n3_decoded(network: int, transaction: Transaction) -> dict[str, Any]:
    transfer = parse_nep17(transaction.script)
    summary = f"run a script of {len(transaction.script)} bytes"
    decoded: dict[str, Any] = {
        "kind": "n3-transaction",
        "network": network,
        "hash": transaction.hash,
        "signers": [
            {"account": signer.account.address, "scopes": str(signer.scopes.name)} for signer in transaction.signers
        ],
        "attributes": [type(attribute).__name__ for attribute in transaction.attributes],
        "system_fee": str(transaction.system_fee),
        "network_fee": str(transaction.network_fee),
        "valid_until_block": transaction.valid_until_block,
    }
    if transfer is not None:
        summary = f"transfer {transfer.amount} units of {transfer.contract} to {transfer.recipient.address}"
        decoded["transfer"] = {
            "contract": str(transfer.contract),
            "from": transfer.source.address,
            "to": transfer.recipient.address,
            "amount": str(transfer.amount),
        }
    return decoded | {"summary": summary}


def _evm_decoded(transaction: EvmTransaction) -> dict[str, Any]:
    to = None if transaction.to is None else str(transaction.to)
    erc20 = parse_erc20(transaction.data)
    decoded: dict[str, Any] = {
        "kind": "evm-transaction",
        "type": transaction.type_name,
        "chain_id": transaction.chain_id,
        "nonce": transaction.nonce,
        "to": to,
        "value": str(transaction.value),
        "gas_limit": transaction.gas_limit,
        "fee_max": str(transaction.gas_limit * transaction.fee_per_gas_max),
    }
    if to is None:
        summary = "create a contract"
    elif not transaction.data:
        summary = f"transfer {transaction.value} wei to {to}"
    elif erc20 is not None and transaction.value == 0:
        summary = f"transfer {erc20.amount} units of {to} to {erc20.to}"
        decoded["transfer"] = {"contract": to, "to": str(erc20.to), "amount": str(erc20.amount)}
    else:
        summary = f"call {to} with {len(transaction.data)} bytes and {transaction.value} wei"
    return decoded | {"summary": summary}
