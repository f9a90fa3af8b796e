"""Build a transfer, and put its signature in: pure.

A transfer is one script (NEP-17 ``transfer`` and ASSERT, so that a token's refusal faults) with one signer, the
sender, whose witness counts only where the entry script calls (CalledByEntry).
"""

from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from nsl.adapters.json_rpc import RpcError
from nsl.adapters.neo_n3.node import Invocation, Protocol
from nsl.ledger.model import GAS_N3
from nsl.transactions.ports import Draft, Rejected, SignedBytes, Unsigned
from nsl_protocol.enclave.messages import Signature
from nsl_protocol.errors import CodecError
from nsl_protocol.n3.address import ZERO, ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import transfer_script
from nsl_protocol.n3.transaction import Transaction, hash_text
from nsl_protocol.n3.verification import account, invocation, single
from nsl_protocol.n3.witness import Signer, Witness

GAS = GAS_N3.contract or ""
NONCE_MASK = 0xFFFFFFFF
# The test run sees the state of now; the transaction runs a block or more later, on a state that may cost more.
SYSTEM_FEE_MARGIN_PERCENT = 10
# An endpoint that is some blocks behind must not find validUntilBlock too far ahead.
HEIGHT_SLACK_BLOCKS = 16
# P-256's base point (FIPS 186-5): a key like any other in size, and nobody's account.
_BASE_POINT = bytes.fromhex("036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")


@lru_cache(maxsize=4096)
def verification(public_key: bytes) -> tuple[ScriptHash, bytes]:
    """A key's account and verification script; kept, because checking the point costs more than all else here."""
    key = PublicKey(public_key)
    return account(key), single(key)


@dataclass(frozen=True, slots=True)
class Plan:
    """A draft, read: what the node is asked to price."""

    draft: Draft
    account: ScriptHash
    verification: bytes
    script: bytes

    def transaction(self, *, system_fee: int, network_fee: int, valid_until: int) -> Transaction:
        return Transaction(
            nonce=self.draft.nonce & NONCE_MASK,
            system_fee=system_fee,
            network_fee=network_fee,
            valid_until_block=valid_until,
            signers=(Signer(self.account),),
            script=self.script,
        )

    def probe(self) -> bytes:
        """The transaction as ``calculatenetworkfee`` wants it: an empty invocation, fees of any value."""
        unsigned = self.transaction(system_fee=0, network_fee=0, valid_until=0)
        return unsigned.signed(Witness(b"", self.verification)).to_bytes()

    def build(
        self, run: Invocation | RpcError, *, network_fee: int, valid_until: int, balance: int
    ) -> Unsigned | Rejected:
        """The unsigned transaction. ``balance`` is the sender's GAS, which must cover fees and what is sent of it."""
        if isinstance(run, RpcError):
            return Rejected("EXECUTION_FAULT", f"The node cannot run the transfer: {run.text}")
        if not run.halted or run.leaves_false:
            return Rejected("EXECUTION_FAULT", f"The test run failed: {run.exception or 'it answers false'}"[:400])
        transaction = self.transaction(
            system_fee=system_fee(int(run.gasconsumed)), network_fee=network_fee, valid_until=valid_until
        )
        fee = transaction.system_fee + transaction.network_fee
        needed = fee + (self.draft.amount if self.draft.asset.contract == GAS else 0)
        if balance < needed:
            return short(f"transfer and fee need {needed} datoshi", balance)
        return Unsigned(transaction.unsigned_bytes(), fee, valid_until)


def short(need: str, balance: int) -> Rejected:
    """The account cannot pay."""
    return Rejected("INSUFFICIENT_FUNDS", f"The account is short of funds: {need}, it holds {balance}.")


def plan(draft: Draft) -> Plan:
    """Read a draft.

    Raises:
        CodecError: an address is wrong, the key is not the sender's, or the asset is not of Neo N3.
    """
    owner, script = verification(draft.public_key)
    if owner.address != draft.sender:
        raise CodecError("the public key is not the sender's", field="sender")
    if draft.asset.contract is None:
        raise CodecError("on Neo N3 every asset is a contract", field="asset")
    contract = ScriptHash.parse(draft.asset.contract)
    recipient = ScriptHash.from_address(draft.to)
    return Plan(draft, owner, script, transfer_script(contract, owner, recipient, draft.amount))


def system_fee(gas_consumed: int) -> int:
    """The test run's price and a margin, in datoshi. Too little would fault on chain and still be paid."""
    return gas_consumed + gas_consumed * SYSTEM_FEE_MARGIN_PERCENT // 100


def valid_until(height: int, valid_for_seconds: int, protocol: Protocol) -> int:
    """The last height that may hold the transaction, within what the network allows."""
    wanted = -(-valid_for_seconds * 1000 // protocol.msperblock)
    limit = protocol.maxvaliduntilblockincrement
    return height + max(1, min(wanted, limit - min(HEIGHT_SLACK_BLOCKS, limit // 2)))


def price_probe(sender: ScriptHash, amount: int) -> bytes:
    """The script of a GAS transfer to nobody, for its price."""
    return transfer_script(ScriptHash.parse(GAS), sender, ZERO, amount)


def _price_probe() -> bytes:
    owner, script = verification(_BASE_POINT)
    transaction = Transaction(
        nonce=0,
        system_fee=0,
        network_fee=0,
        valid_until_block=0,
        signers=(Signer(owner),),
        script=price_probe(owner, 1),
    )
    return transaction.signed(Witness(b"", script)).to_bytes()


def sign(private_key: bytes, message: bytes) -> bytes:
    """ECDSA on P-256 with SHA-256, as r and s: for keys that are no enclave's."""
    key = ec.derive_private_key(int.from_bytes(private_key), ec.SECP256R1())
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def attach(unsigned: bytes, signature: Signature) -> SignedBytes:
    """The whole transaction and its hash.

    Raises:
        CodecError: the bytes are no unsigned transaction of that key's account alone.
    """
    transaction = Transaction.from_unsigned_bytes(unsigned)
    owner, script = verification(signature.public_key)
    if [signer.account for signer in transaction.signers] != [owner]:
        raise CodecError("the signature is of another account than the transaction's signer", field="signature")
    signed = transaction.signed(Witness(invocation(signature.signature), script))
    return SignedBytes(signed.to_bytes(), hash_text(transaction.hash_bytes))


#: A GAS transfer by one key, as ``calculatenetworkfee`` wants it, for its price.
PRICE_PROBE = _price_probe()
