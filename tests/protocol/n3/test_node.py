"""Our limits are the node's: what it refuses we do not write, and it takes what we allow at the edge."""

import base64
import hashlib
from dataclasses import replace

import pytest

from nsl_protocol.errors import CodecError
from nsl_protocol.n3 import script, verification, witness
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.attributes import Attribute, Conflicts, NotValidBefore
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.witness import Action, And, Boolean, CalledByEntry, Not, Or, Rule, Scope, Signer, Witness
from tests.protocol.n3.generate import COMMITTEE, FAR, VALIDATOR, signature
from tests.support.n3_node import COMMITTEE_SCRIPT, MAGIC, VALIDATOR_KEY, N3Node, RpcError
from tests.support.n3_node import VALIDATOR as VALIDATOR_PUBLIC


def send(node: N3Node, signer: Signer, *attributes: Attribute, magic: int = MAGIC, nonce: int = 1) -> str:
    """A small transaction of the committee, which has all GAS; answers the hash the node gives."""
    unsigned = Transaction(nonce, 1000, 10**8, FAR, (signer,), script.push_int(1), attributes)
    proof = verification.invocation(signature(VALIDATOR, sign_data(magic, unsigned)))
    return put(node, unsigned.signed(Witness(proof, COMMITTEE_SCRIPT)).to_bytes())


def put(node: N3Node, data: bytes) -> str:
    sent: str = node.call("sendrawtransaction", base64.b64encode(data).decode())["hash"]
    return sent


def test_the_validator_of_the_tests_is_the_published_key() -> None:
    assert verification.account(VALIDATOR_PUBLIC).address == "NPTmAHDxo6Pkyic8Nvu3kwyXoYJCvcCB6i"
    assert len(VALIDATOR_KEY) == 32


def test_signatures_are_for_one_network(node: N3Node) -> None:
    with pytest.raises(RpcError) as caught:
        send(node, Signer(COMMITTEE), magic=MAGIC + 1, nonce=10)
    assert caught.value.code == -508
    assert send(node, Signer(COMMITTEE), nonce=10).startswith("0x")


def test_a_transaction_waits_for_its_height(node: N3Node) -> None:
    """-507 is an attribute the node read and did not like: it saw the same height, in all four bytes."""
    with pytest.raises(RpcError, match="attribute") as caught:
        send(node, Signer(COMMITTEE), NotValidBefore(0x01020304), nonce=20)
    assert caught.value.code == -507


def test_the_node_refuses_the_same_conflict_twice_as_we_do(node: N3Node) -> None:
    twice = (Conflicts(bytes(32)), Conflicts(bytes(32)))
    with pytest.raises(CodecError, match="twice"):
        send(node, Signer(COMMITTEE), *twice)
    unsigned = Transaction(30, 1000, 10**8, FAR, (Signer(COMMITTEE),), b"\x11", twice[:1])
    # Built by hand: the count and the second one behind the first.
    head, tail = unsigned.unsigned_bytes()[:-36], unsigned.unsigned_bytes()[-2:]
    by_hand = head + b"\x02" + twice[0].to_bytes() * 2 + tail
    assert len(by_hand) == len(unsigned.unsigned_bytes()) + 33
    with pytest.raises(CodecError, match="twice"):
        Transaction.from_unsigned_bytes(by_hand)
    proof = signature(VALIDATOR, MAGIC.to_bytes(4, "little") + hashlib.sha256(by_hand).digest())
    with pytest.raises(RpcError, match="duplicate Conflicts") as caught:
        put(node, by_hand + b"\x01" + Witness(verification.invocation(proof), COMMITTEE_SCRIPT).to_bytes())
    assert caught.value.code == -507


def test_the_node_nests_conditions_as_deep_as_we_do(node: N3Node, monkeypatch: pytest.MonkeyPatch) -> None:
    deepest = (Not(Not(Boolean(value=True))), And((Or((CalledByEntry(),) * 16),) * 16))
    for nonce, condition in enumerate(deepest, 40):
        rules = (Rule(Action.ALLOW, condition),)
        sent = send(node, Signer(COMMITTEE, Scope.WITNESS_RULES, rules=rules), nonce=nonce)
        read = Transaction.from_bytes(base64.b64decode(node.call("getrawtransaction", sent)))
        assert read.signers[0].rules == rules
    deeper = Signer(COMMITTEE, Scope.WITNESS_RULES, rules=(Rule(Action.ALLOW, Not(deepest[0])),))
    with pytest.raises(CodecError, match="nested deeper"):
        send(node, deeper)
    monkeypatch.setattr(witness, "NESTING_MAX", 3)
    with pytest.raises(RpcError, match="too many nesting levels"):
        send(node, deeper)


def test_the_node_takes_scopes_with_empty_lists_as_we_do(node: N3Node) -> None:
    everything = Scope.CUSTOM_CONTRACTS | Scope.CUSTOM_GROUPS | Scope.WITNESS_RULES
    sent = send(node, Signer(COMMITTEE, everything), nonce=50)
    assert node.call("getrawtransaction", sent, 1)["signers"][0]["rules"] == []


def test_the_node_refuses_what_our_parser_refuses(node: N3Node) -> None:
    good = Transaction(60, 1, 1, 9, (Signer(COMMITTEE),), b"\x11", witnesses=(Witness(b"", b"\x11"),))
    data = good.to_bytes()
    same = replace(good, signers=(Signer(COMMITTEE), Signer(ScriptHash(bytes(20)))), witnesses=good.witnesses * 2)
    refused = {
        "trailing": data + b"\x00",
        "short": data[:-1],
        "version": b"\x01" + data[1:],
        "scope": data.replace(COMMITTEE.raw + b"\x01", COMMITTEE.raw + b"\x02"),
        "global with another": data.replace(COMMITTEE.raw + b"\x01", COMMITTEE.raw + b"\x81"),
        "one account twice": same.to_bytes().replace(bytes(20), COMMITTEE.raw),
        "negative fee": data[:12] + b"\xff" + data[13:],
        "no script": data.replace(b"\x00\x01\x11\x01", b"\x00\x00\x01"),
        "unknown attribute": data.replace(b"\x00\x01\x11\x01", b"\x01\x02\x01\x11\x01"),
    }
    for name, wrong in refused.items():
        assert wrong != data, name
        with pytest.raises(CodecError):
            Transaction.from_bytes(wrong)
        with pytest.raises(RpcError, match="Invalid params") as caught:
            put(node, wrong)
        assert caught.value.code == -32602, name
