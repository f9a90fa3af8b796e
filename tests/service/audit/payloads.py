"""Something to sign of every kind that a curve signs."""

import json

from nsl.keys.model import KINDS_OF_CURVE, Kind
from nsl.keys.service import ToSign
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import transfer_script
from nsl_protocol.n3.transaction import Transaction
from nsl_protocol.n3.verification import account
from nsl_protocol.n3.witness import Signer

N3, EVM = 860833102, 12227332
PAYLOADS = KINDS_OF_CURVE
_MAIL = {
    "types": {"EIP712Domain": [{"name": "name", "type": "string"}], "Mail": [{"name": "contents", "type": "string"}]},
    "primaryType": "Mail",
    "domain": {"name": "Ether Mail"},
    "message": {"contents": "Hello, Bob!"},
}
_GAS = ScriptHash.parse("0xd2a4cff31913016155e38e474a2c06d08be276cf")


def payload(kind: Kind, public_key: bytes) -> ToSign:
    """For the key of that public half."""
    match kind:
        case Kind.MESSAGE:
            return ToSign(kind, b"hello")
        case Kind.DIGEST:
            return ToSign(kind, b"d" * 32)
        case Kind.TYPED_DATA:
            return ToSign(kind, json.dumps(_MAIL).encode())
        case Kind.N3_TRANSACTION:
            own = account(PublicKey.from_bytes(public_key))
            script = transfer_script(_GAS, own, ScriptHash(b"\1" * 20), 500_000_000)
            return ToSign(kind, Transaction(1, 10, 20, 30, (Signer(own),), script=script).unsigned_bytes(), N3)
        case Kind.EVM_TRANSACTION:
            to = EvmAddress(b"\2" * 20)
            made = FeeMarketTransaction(EVM, 3, 21000, to, 10**18, b"", 20 * 10**9, 60 * 10**9)
            return ToSign(kind, made.unsigned_bytes(), EVM)
