"""Requests that whoever asks has signed: a host that was taken over has nothing signed that was not asked for."""

from functools import cache
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nsl_client.requests import Requester
from nsl_protocol.audit.leaves import EnclaveLeaf, read_leaf
from nsl_protocol.enclave.messages import Refused, Signature
from nsl_protocol.enclave.policies import Approval
from nsl_protocol.enclave.signable import Signable, SignBelow, SignMessage
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.approvers import ApprovalRule, Approver, ApproverAlgorithm
from nsl_protocol.policy.document import Policy, checked
from tests.enclave.host import NAME, Host
from tests.enclave.test_approvals import WHAT, Key, code
from tests.enclave.test_governing import APPROVERS, SIGN

ASKS = {"payouts": APPROVERS["ann"], "backup": APPROVERS["bob"]}
POLICY = Policy(requesters=ASKS)


def asked(of: Key, /, *by: str, what: Signable = WHAT, rejected: bool = False, **changes: object) -> Approval:
    """The request's signatures by these, of whom ann and bob have the requesters' keys."""
    made = of.statement(what, **changes)
    names = {"ann": "payouts", "bob": "backup"}
    signatures = {names.get(each, each): SIGN[each](made.signed(rejected=rejected)) for each in by}
    return Approval(made.id.bytes, made.expires_at, signatures)


def test_one_of_the_requesters_has_to_have_asked_for_exactly_this(host: Host) -> None:
    key = Key(host, POLICY)
    refused = key.sign(WHAT, None)
    assert isinstance(refused, Refused)
    assert refused.code == "REQUEST_SIGNATURE_NEEDED"
    assert "with the key of backup, payouts" in refused.reason
    assert "nsl keys sign --requester" in refused.reason
    for by in ("ann", "bob"):
        made = key.sign(WHAT, asked(key, by))
        assert isinstance(made, Signature)
        leaf = read_leaf(made.leaf.content)
        assert isinstance(leaf, EnclaveLeaf)
        assert leaf.approvers == ({"ann": "payouts", "bob": "backup"}[by],)


def test_it_is_good_for_one_thing_of_one_key_for_a_while(host: Host) -> None:
    key = Key(host, POLICY)
    now = int(key.replica.cluster.now())
    bad = {
        "other bytes": asked(key, "ann", what=SignMessage(b"another")),
        "by an address below": asked(key, "ann", what=SignBelow(0, WHAT)),
        "another key": asked(key, "ann", key=uuid4()),
        "another tenant": asked(key, "ann", tenant=uuid4()),
        "another cluster": asked(key, "ann", cluster="00" * 32),
        "another policy": asked(key, "ann", policy="00" * 32),
        "expired": asked(key, "ann", expires_at=now),
        "for too long": asked(key, "ann", expires_at=now + 31 * 86_400),
        "what was rejected": asked(key, "ann", rejected=True),
        "somebody else": asked(key, "cat"),
    }
    for what, request in bad.items():
        assert code(key.sign(WHAT, request)) == "REQUEST_SIGNATURE_NEEDED", what
    assert code(key.sign(SignBelow(0, WHAT), asked(key, "ann"))) == "REQUEST_SIGNATURE_NEEDED"
    assert code(key.sign(WHAT, asked(key, "ann"))) == ""


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 63), bit=st.integers(0, 7), part=st.sampled_from(["signature", "id", "expires_at"]))
def test_whatever_of_it_is_changed_it_is_none(host: Host, place: int, bit: int, part: str) -> None:
    key = shown_once(host)
    good = asked(key, "ann")
    if part == "signature":
        changed = bytearray(good.signatures["payouts"])
        changed[place] ^= 1 << bit
        bad = replace(good, signatures={"payouts": bytes(changed)})
    elif part == "id":
        other = bytearray(good.id)
        other[place % 16] ^= 1 << bit
        bad = replace(good, id=bytes(other))
    else:
        bad = replace(good, expires_at=good.expires_at + 1 + place)
    assert code(key.sign(WHAT, bad)) == "REQUEST_SIGNATURE_NEEDED"


@cache
def shown_once(host: Host) -> Key:
    """For all examples of a test."""
    return Key(host, POLICY)


def test_with_approvals_it_takes_both_over_the_same(host: Host) -> None:
    policy = Policy(requesters={"payouts": APPROVERS["ann"]}, approvers=_but_ann(), approvals=(ApprovalRule(2),))
    key = Key(host, policy)
    made = key.statement()
    signatures = {"bob": SIGN["bob"](made.signed()), "cat": SIGN["cat"](made.signed())}
    assert code(key.sign(WHAT, Approval(made.id.bytes, made.expires_at, signatures))) == "REQUEST_SIGNATURE_NEEDED"
    assert code(key.sign(WHAT, asked(key, "ann"))) == "APPROVAL_NEEDED", "who asks approves nothing"
    both = signatures | {"payouts": SIGN["ann"](made.signed())}
    assert code(key.sign(WHAT, Approval(made.id.bytes, made.expires_at, both))) == ""


def _but_ann() -> dict[str, Approver]:
    return {name: each for name, each in APPROVERS.items() if name != "ann"}


def test_what_the_client_library_signs_is_what_the_enclave_wants(host: Host) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw().hex()
    key = Key(host, Policy(requesters={"api": Approver(ApproverAlgorithm.ED25519, public)}))
    cluster, tenant, own = key.replica.cluster.identifier.hex(), UUID(bytes=NAME.tenant), UUID(bytes=NAME.key)
    asks = Requester("api", private.private_bytes_raw(), cluster, str(tenant), str(own), key.policy.hash)
    assert private.private_bytes_raw().hex() not in repr(asks)
    payload = {"text": WHAT.data.decode()}
    for index in (None, 7):
        made = asks.sign("message", payload, address_index=index)
        given = Approval(UUID(made.nonce).bytes, made.expires_at, {"api": bytes.fromhex(made.signature)})
        assert code(key.sign(WHAT if index is None else SignBelow(index, WHAT), given)) == ""
    statement = key.statement()
    made = asks.sign("message", payload, statement=statement)
    assert (made.nonce, made.expires_at) == (str(statement.id), statement.expires_at)
    with pytest.raises(ValueError, match="something else"):
        asks.sign("message", {"text": "another"}, statement=statement)
    with pytest.raises(ValueError, match="network"):
        asks.sign("n3-transaction", {"hex": "00"})


@pytest.mark.parametrize(
    "policy",
    [
        Policy(requesters={"ann": APPROVERS["cat"]}, approvers={"ann": APPROVERS["ann"]}),
        Policy(requesters={"api": APPROVERS["ann"]}, approvers={"ann": APPROVERS["ann"]}),
        Policy(requesters={"api": Approver(ApproverAlgorithm.SECP256R1, "00" * 32)}),
        Policy(requesters={"api": Approver(ApproverAlgorithm.SECP256R1, "02" + "ff" * 32)}),
        Policy(requesters={"api": APPROVERS["ann"], "other": APPROVERS["ann"]}),
    ],
    ids=["one name", "one key", "no key", "no point", "twice"],
)
def test_nobody_asks_and_approves(policy: Policy) -> None:
    with pytest.raises(CodecError):
        checked(policy)
