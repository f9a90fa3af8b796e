"""What neo-mamba, neon-js and a neo-go node make of a transaction, in terms of ours; and how ours reads in theirs."""

import base64
import warnings
from collections.abc import Sequence
from typing import Any

from nsl_protocol.n3.attributes import (
    Attribute,
    Conflicts,
    HighPriority,
    NotaryAssisted,
    NotValidBefore,
    OracleResponse,
)
from nsl_protocol.n3.transaction import Transaction, hash_text, sign_data
from nsl_protocol.n3.witness import (
    Action,
    And,
    Boolean,
    CalledByContract,
    CalledByEntry,
    CalledByGroup,
    Condition,
    CurrentContract,
    CurrentGroup,
    Not,
    Or,
    Scope,
    Signer,
)
from tests.support.n3_node import N3Node
from tests.support.neon import Neon

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the oracle's dependencies, not ours
    from neo3.core import serialization
    from neo3.network.payloads.transaction import Transaction as MambaTransaction
    from neo3.wallet.account import Account as MambaAccount

_SCOPES = {
    Scope.CALLED_BY_ENTRY: "CalledByEntry",
    Scope.CUSTOM_CONTRACTS: "CustomContracts",
    Scope.CUSTOM_GROUPS: "CustomGroups",
    Scope.WITNESS_RULES: "WitnessRules",
    Scope.GLOBAL: "Global",
}


class _Message(Exception):
    pass


class _Signer(MambaAccount):
    """mamba's account up to the point where it would sign."""

    def __init__(self) -> None:
        pass

    def _validate_tx(self, tx: MambaTransaction) -> None:
        pass

    def sign(self, data: bytes) -> bytes:
        raise _Message(data)


def _mamba_message(transaction: MambaTransaction, magic: int) -> bytes:
    try:
        _Signer().sign_tx(transaction, magic)
    except _Message as reached:
        message: bytes = reached.args[0]
        return message
    raise AssertionError("mamba did not sign")


def mamba_agrees(transaction: Transaction, magic: int) -> None:
    """neo-mamba reads the bytes to the same values, writes them to the same bytes, and hashes them alike."""
    data = transaction.to_bytes()
    theirs = MambaTransaction(0, 0, 0, 0, 0, b"", [], [], [])
    with serialization.BinaryReader(data) as reader:
        theirs.deserialize(reader)
    assert f"0x{theirs.hash()}" == transaction.hash
    assert _mamba_message(theirs, magic) == sign_data(magic, transaction)
    assert theirs.to_array() == data
    said = theirs.to_json()
    assert said["nonce"] == transaction.nonce
    assert said["sysfee"] == str(transaction.system_fee)
    assert said["netfee"] == str(transaction.network_fee)
    assert said["validuntilblock"] == transaction.valid_until_block
    assert said["script"] == _base64(transaction.script)
    assert [signer.account.to_array() for signer in theirs.signers] == [
        each.account.raw for each in transaction.signers
    ]
    assert [int(signer.scope) for signer in theirs.signers] == [int(each.scopes) for each in transaction.signers]
    assert [type(each).__name__.removesuffix("Attribute") for each in theirs.attributes] == [
        type(each).__name__ for each in transaction.attributes
    ]


def neon_agrees(neon: Neon, transactions: Sequence[Transaction], magic: int) -> None:
    """neon-js reads, writes, hashes and makes the bytes to sign alike."""
    requests = [{"hex": each.to_bytes().hex(), "magic": magic} for each in transactions]
    for transaction, said in zip(transactions, neon.ask_all("transaction", requests), strict=True):
        assert "0x" + said["hash"] == transaction.hash
        assert said["message"] == sign_data(magic, transaction).hex()
        assert said["serialized"] == transaction.to_bytes().hex()
        read = said["json"]
        assert read["nonce"] == transaction.nonce
        assert read["systemFee"] == str(transaction.system_fee)
        assert read["networkFee"] == str(transaction.network_fee)
        assert read["validUntilBlock"] == transaction.valid_until_block
        assert read["script"] == transaction.script.hex()
        assert ["0x" + each["account"] for each in read["signers"]] == [
            str(each.account) for each in transaction.signers
        ]


def node_agrees(node: N3Node, transactions: Sequence[Transaction]) -> None:
    """The node takes them (so the signatures and what they sign are right), hashes and reads them alike."""
    for answer, transaction in zip(
        node.batch("sendrawtransaction", [[_base64(each.to_bytes())] for each in transactions]),
        transactions,
        strict=True,
    ):
        assert "error" not in answer, (answer, transaction)
        assert answer["result"]["hash"] == transaction.hash
    hashes = [each.hash for each in transactions]
    for answer, transaction in zip(
        node.batch("getrawtransaction", [[each, 1] for each in hashes]), transactions, strict=True
    ):
        read = answer["result"]
        expected = node_json(transaction)
        assert {field: read.get(field) for field in expected} == expected
    for answer, transaction in zip(
        node.batch("getrawtransaction", [[each] for each in hashes]), transactions, strict=True
    ):
        assert base64.b64decode(answer["result"]) == transaction.to_bytes()


def node_json(transaction: Transaction) -> dict[str, Any]:
    """A transaction as the nodes write it."""
    return {
        "hash": transaction.hash,
        "size": len(transaction.to_bytes()),
        "version": 0,
        "nonce": transaction.nonce,
        "sender": transaction.sender.address,
        "sysfee": str(transaction.system_fee),
        "netfee": str(transaction.network_fee),
        "validuntilblock": transaction.valid_until_block,
        "attributes": [_attribute_json(each) for each in transaction.attributes],
        "signers": [_signer_json(each) for each in transaction.signers],
        "script": _base64(transaction.script),
        "witnesses": [
            {"invocation": _base64(each.invocation), "verification": _base64(each.verification)}
            for each in transaction.witnesses
        ],
    }


def _attribute_json(attribute: Attribute) -> dict[str, Any]:
    said: dict[str, Any] = {"type": type(attribute).__name__}
    match attribute:
        case NotValidBefore(height):
            return said | {"height": height}
        case Conflicts(raw):
            return said | {"hash": hash_text(raw)}
        case NotaryAssisted(keys):
            return said | {"nkeys": keys}
        case OracleResponse() | HighPriority():
            return said


def _signer_json(signer: Signer) -> dict[str, Any]:
    named = [name for scope, name in _SCOPES.items() if scope in signer.scopes]
    said: dict[str, Any] = {"account": str(signer.account), "scopes": ", ".join(named) or "None"}
    if Scope.CUSTOM_CONTRACTS in signer.scopes:
        said["allowedcontracts"] = [str(each) for each in signer.contracts]
    if Scope.CUSTOM_GROUPS in signer.scopes:
        said["allowedgroups"] = [str(each) for each in signer.groups]
    if Scope.WITNESS_RULES in signer.scopes:
        said["rules"] = [
            {"action": "Allow" if each.action is Action.ALLOW else "Deny", "condition": _condition_json(each.condition)}
            for each in signer.rules
        ]
    return said


def _condition_json(condition: Condition) -> dict[str, Any]:
    match condition:
        case Boolean(value):
            return {"type": "Boolean", "expression": value}
        case Not(expression):
            return {"type": "Not", "expression": _condition_json(expression)}
        case And(expressions) | Or(expressions):
            return {"type": type(condition).__name__, "expressions": [_condition_json(each) for each in expressions]}
        case CurrentContract(contract):
            return {"type": "ScriptHash", "hash": str(contract)}
        case CalledByContract(contract):
            return {"type": "CalledByContract", "hash": str(contract)}
        case CurrentGroup(group):
            return {"type": "Group", "group": str(group)}
        case CalledByGroup(group):
            return {"type": "CalledByGroup", "group": str(group)}
        case CalledByEntry():
            return {"type": "CalledByEntry"}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
