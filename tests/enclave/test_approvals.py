"""Signatures that take the approval of others: by their keys, over exactly these bytes, by as many as it takes."""

from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from nsl_protocol.audit.leaves import EnclaveLeaf, read_leaf
from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated, Refused, Sign, Signature, Signed, SignOrder
from nsl_protocol.enclave.policies import Approval
from nsl_protocol.enclave.signable import Signable, SignEvmTransaction, SignMessage
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.abi import encode_transfer
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.policy.approvers import ApprovalRule
from nsl_protocol.policy.approving import SigningApproval, request_digest
from nsl_protocol.policy.decision import decide
from nsl_protocol.policy.document import Policy, checked, read_policy
from nsl_protocol.policy.reading import meaning_of
from tests.enclave.host import NAME, Host
from tests.enclave.replica import client
from tests.enclave.test_governing import APPROVERS, SIGN

DAY = 86_400
POLICY = Policy(approvers=APPROVERS, approvals=(ApprovalRule(2),))
WHAT = SignMessage(b"move the treasury")


class Key:
    """A secp256k1 key under a policy, shown to the first replica."""

    def __init__(self, host: Host, policy: Policy = POLICY) -> None:
        self.host, self.policy, self.replica = host, policy, host.replicas[0]
        order = CreateKey(NAME, Curve.SECP256K1, policy.canonical)
        self.wrapped = self.replica.ask(KeyCreated, order, client()).wrapped
        host.enter(WrappedKey(NAME, self.wrapped))
        host.show(self.replica, WrappedKey(NAME, self.wrapped))

    def statement(self, what: Signable = WHAT, **changes: object) -> SigningApproval:
        made = SigningApproval(
            cluster=self.replica.cluster.identifier.hex(),
            tenant=UUID(bytes=NAME.tenant),
            key=UUID(bytes=NAME.key),
            policy=self.policy.hash,
            request=request_digest(what),
            id=uuid4(),
            expires_at=int(self.replica.cluster.now()) + DAY,
        )
        return replace(made, **changes)

    def sign(self, what: Signable, approval: Approval | None) -> Signature | Refused:
        order = SignOrder(NAME, self.wrapped, what, uuid4().bytes, approval)
        (result,) = self.replica.ask(Signed, Sign((order,)), client()).results
        return result


def given(statement: SigningApproval, *by: str, rejected: bool = False) -> Approval:
    """Their signatures, as a host carries them."""
    signatures = {name: SIGN[name](statement.signed(rejected=rejected)) for name in by}
    return Approval(statement.id.bytes, statement.expires_at, signatures)


def code(result: Signature | Refused) -> str:
    return "" if isinstance(result, Signature) else result.code


def test_two_of_three_approve_and_the_leaf_names_them(host: Host) -> None:
    key = Key(host)
    refused = key.sign(WHAT, None)
    assert isinstance(refused, Refused)
    assert refused.code == "APPROVAL_NEEDED"
    assert "2 of ann, bob, cat; 0 have given it" in refused.reason
    approval = given(key.statement(), "ann", "cat")
    for _ in range(2):  # the same bytes once more make nothing new
        made = key.sign(WHAT, approval)
        assert isinstance(made, Signature)
        leaf = read_leaf(made.leaf.content)
        assert isinstance(leaf, EnclaveLeaf)
        assert leaf.approvers == ("ann", "cat")


TOKEN, FRIEND = EvmAddress(b"\7" * 20), EvmAddress(b"\x08" * 20)
BY_AMOUNT = read_policy(
    b"""{"assets": {"USD": {"chain": "neo-x", "contract": "0x0707070707070707070707070707070707070707", "decimals": 6}},
    "rules": [{"allow": "transfer", "name": "pay", "assets": ["USD"], "to": "any"},
              {"allow": "approve", "name": "lend", "assets": ["USD"], "spenders": "any", "unlimited": true},
              {"allow": "message", "name": "talk"}]}"""
)


def pays(amount: int) -> SignEvmTransaction:
    data = encode_transfer(FRIEND, amount)
    made = FeeMarketTransaction(1, 1, 60_000, TOKEN, 0, data, 10**9, 10**9)
    return SignEvmTransaction(1, made.unsigned_bytes())


def lends(amount: int) -> SignEvmTransaction:
    data = bytes.fromhex("095ea7b3") + bytes(12) + bytes(FRIEND.raw) + amount.to_bytes(32)
    made = FeeMarketTransaction(1, 1, 60_000, TOKEN, 0, data, 10**9, 10**9)
    return SignEvmTransaction(1, made.unsigned_bytes())


@pytest.mark.parametrize(
    ("rule", "what", "asks"),
    [
        (ApprovalRule(1, above={"USD": "100"}), pays(100_000_000), False),
        (ApprovalRule(1, above={"USD": "100"}), pays(100_000_001), True),
        (ApprovalRule(1, above={"USD": "100"}), lends(2**256 - 1), True),  # without an end is above everything
        (ApprovalRule(1, above={"USD": "100"}), SignMessage(b"m"), False),
        (ApprovalRule(1, rules=("talk",)), SignMessage(b"m"), True),
        (ApprovalRule(1, rules=("talk",)), pays(10**12), False),
        (
            ApprovalRule(1, rules=("pay",), above={}),
            pays(1),
            True,
        ),  # what it does not name has no free amount
        (ApprovalRule(1), pays(1), True),
    ],
)
def test_which_signatures_take_approval(host: Host, rule: ApprovalRule, what: Signable, asks: bool) -> None:
    policy = checked(replace(BY_AMOUNT, approvers=APPROVERS, approvals=(rule,)))
    key = Key(host, policy)
    made = key.sign(what, None)
    assert (code(made) == "APPROVAL_NEEDED") is asks, made
    approved = key.sign(what, given(key.statement(what), "bob"))
    assert isinstance(approved, Signature)
    assert bool(decide(policy, meaning_of(what, Curve.SECP256K1, approved.public_key), 0).approvals) is asks


def test_only_those_count_who_are_named_for_it(host: Host) -> None:
    key = Key(host, replace(POLICY, approvals=(ApprovalRule(1, of=("cat",)), ApprovalRule(2))))
    assert code(key.sign(WHAT, given(key.statement(), "ann", "bob"))) == "APPROVAL_NEEDED"
    assert code(key.sign(WHAT, given(key.statement(), "cat"))) == "APPROVAL_NEEDED", "both rules hold"
    assert code(key.sign(WHAT, given(key.statement(), "ann", "cat"))) == ""


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (ApprovalRule(4), "can never approve"),
        (ApprovalRule(1, of=("dan",)), "dan is not among"),
        (ApprovalRule(1, rules=("pay",)), "no rule pay"),
        (ApprovalRule(1, above={}), "there are none"),
    ],
)
def test_what_can_never_be_approved_is_no_policy(rule: ApprovalRule, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        checked(replace(POLICY, approvals=(rule,)))
