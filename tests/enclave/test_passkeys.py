"""Passkeys as approvers: asserted over exactly the statement, by a verified user, on the page that the policy names."""

import base64
import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsl_client.passkeys import approver, challenge, proof
from nsl_protocol.enclave.fields import PROOF_BYTES_MAX
from nsl_protocol.enclave.lifecycle import ChangeApproval, ChangeKey, KeyChange, KeyChanged, KeyState
from nsl_protocol.enclave.policies import Approval, ChangePolicy, PolicyChanged
from nsl_protocol.enclave.signable import SignMessage
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.approvers import holds
from nsl_protocol.policy.approving import SigningApproval
from nsl_protocol.policy.changing import Approvable, Unfreezing
from nsl_protocol.policy.document import Policy, read_policy
from nsl_protocol.policy.passkeys import Assertion
from tests.enclave.host import NAME, Host
from tests.enclave.replica import client
from tests.enclave.test_approvals import WHAT, Key, code
from tests.enclave.test_destroying import WAIT, Doomed
from tests.enclave.test_governing import APPROVERS, SIGN
from tests.enclave.test_governing import Key as Governed
from tests.support.passkey import ATTESTED, EXTENDED, PRESENT, VERIFIED, SoftPasskey

PASSKEY = SoftPasskey()


def policy_of(passkey: SoftPasskey, **more: Any) -> Policy:
    """Dora approves by passkey, Ann by a bare key; it takes both."""
    named = approver(passkey.registered(), rp_id=passkey.rp_id, origin=passkey.origin)
    ann = {"algorithm": "ed25519", "public_key": APPROVERS["ann"].public_key}
    document = {"approvers": {"ann": ann, "dora": named}, "approvals": [{"threshold": 2}], **more}
    return read_policy(json.dumps(document).encode())


def carried(statement: SigningApproval, dora: str) -> Approval:
    """Ann's signature, and what is said to be Dora's."""
    signatures = {"ann": SIGN["ann"](statement.signed()), "dora": bytes.fromhex(dora)}
    return Approval(statement.id.bytes, statement.expires_at, signatures)


@pytest.fixture
def key(host: Host) -> Key:
    return Key(host, policy_of(PASSKEY))


def both(statement: Approvable) -> dict[str, bytes]:
    """Ann's signature and Dora's assertion over a change of the key."""
    asserted = proof(PASSKEY.asserts(challenge(statement)))
    return {"ann": SIGN["ann"](statement.signed), "dora": bytes.fromhex(asserted)}


def signs(key: Key, credential: dict[str, Any], statement: SigningApproval, what: SignMessage = WHAT) -> str:
    return code(key.sign(what, carried(statement, proof(credential))))


def test_a_passkey_and_a_bare_key_approve_together(key: Key) -> None:
    statement = key.statement()
    assert signs(key, PASSKEY.asserts(challenge(statement)), statement) == ""
    assert signs(key, PASSKEY.asserts(challenge(statement), topOrigin=None, other="x"), statement) == ""


def test_what_is_no_approval_of_exactly_this_counts_for_nothing(key: Key) -> None:
    statement = key.statement()
    asks = challenge(statement)
    elsewhere = SoftPasskey(rp_id="evil.example", key=PASSKEY.key)
    bad = {
        "another statement": PASSKEY.asserts(challenge(key.statement())),
        "a rejection": PASSKEY.asserts(challenge(statement, reject=True)),
        "made, not used": PASSKEY.asserts(asks, type="webauthn.create"),
        "another page": PASSKEY.asserts(asks, origin="https://app.example.org.evil.example"),
        "in somebody's frame": PASSKEY.asserts(asks, crossOrigin=True),
        "under somebody's page": PASSKEY.asserts(asks, topOrigin="https://evil.example"),
        "another domain": elsewhere.asserts(asks, origin=PASSKEY.origin),
        "nobody was verified": PASSKEY.asserts(asks, flags=PRESENT),
        "nobody was there": PASSKEY.asserts(asks, flags=VERIFIED),
        "another passkey": SoftPasskey().asserts(asks),
        "bytes that no flag speaks of": PASSKEY.asserts(asks, extensions=b"junk"),
        "extensions that are not there": PASSKEY.asserts(asks, flags=PRESENT | VERIFIED | EXTENDED),
        "a new credential": PASSKEY.asserts(asks, flags=PRESENT | VERIFIED | ATTESTED),
        "padded": PASSKEY.asserts(asks + "="),
        "the statement itself": PASSKEY.asserts(base64.urlsafe_b64encode(statement.signed()).decode().rstrip("=")),
    }
    for what, credential in bad.items():
        assert signs(key, credential, statement) == "APPROVAL_NEEDED", what
    assert signs(key, PASSKEY.asserts(asks), statement, SignMessage(b"another")) == "APPROVAL_NEEDED"


def test_client_data_that_readers_differ_about_counts_for_nothing(key: Key) -> None:
    statement = key.statement()
    said = f'"type":"webauthn.get","challenge":"{challenge(statement)}","origin":"{PASSKEY.origin}"'
    assert signs(key, PASSKEY.signs(f"{{{said}}}".encode()), statement) == "", "older browsers say no more"
    bad = [
        f'{{"type":"webauthn.create",{said}}}',
        f'{{"origin":"https://evil.example",{said}}}',
        f'{{"\\u006frigin":"https://evil.example",{said}}}',
        f'{{{said},"crossOrigin":true,"crossOrigin":false}}',
        f'{{{said},"topOrigin":"https://evil.example","topOrigin":null}}',
        f"{{{said}}}}}",
        f"\ufeff{{{said}}}",
        f'{{{said},"crossOrigin":null}}',
        f'{{{said},"more":{"[" * 300}}}',
    ]
    for text in bad:
        assert signs(key, PASSKEY.signs(text.encode()), statement) == "APPROVAL_NEEDED", text


def test_extensions_of_an_authenticator_say_nothing(key: Key) -> None:
    statement = key.statement()
    extended = PASSKEY.asserts(challenge(statement), flags=PRESENT | VERIFIED | EXTENDED, extensions=b"\xa0")
    assert signs(key, extended, statement) == ""


@given(ours=st.binary(max_size=80), theirs=st.binary(max_size=80))
def test_what_is_asserted_for_one_statement_holds_for_no_other(ours: bytes, theirs: bytes) -> None:
    dora = policy_of(PASSKEY).approvers["dora"]
    asks = base64.urlsafe_b64encode(hashlib.sha256(ours).digest()).rstrip(b"=").decode()
    made = bytes.fromhex(proof(PASSKEY.asserts(asks)))
    assert holds(dora, ours, made)
    assert holds(dora, theirs, made) == (ours == theirs)


def test_an_assertion_is_carried_in_one_way(key: Key) -> None:
    statement = key.statement()
    made = bytes.fromhex(proof(PASSKEY.asserts(challenge(statement))))
    assert made[:2] == b"\x93\xc4", "an array of three, and bytes of one length byte"
    for other in (b"\xdc\x00\x03" + made[1:], b"\x93\xc5\x00" + made[2:]):
        assert code(key.sign(WHAT, carried(statement, other.hex()))) == "APPROVAL_NEEDED"


def test_the_longest_assertion_can_be_brought() -> None:
    longest = Assertion(b"a" * 896, b"c" * 1024, b"s" * 72)
    assert len(longest.proof) <= PROOF_BYTES_MAX
    parts = {"authenticatorData": b"a" * 897, "clientDataJSON": b"c" * 1024, "signature": b"s" * 72}
    response = {name: base64.urlsafe_b64encode(each).decode() for name, each in parts.items()}
    with pytest.raises(ValueError, match="no answer of navigator"):
        proof({"response": response})


def test_each_proves_in_their_own_way(key: Key) -> None:
    statement = key.statement()
    by_passkey = bytes.fromhex(proof(PASSKEY.asserts(challenge(statement))))
    swapped = {"ann": by_passkey, "dora": SIGN["ann"](statement.signed())}
    bare = {"ann": SIGN["ann"](statement.signed()), "dora": SIGN["cat"](statement.signed())}
    for signatures in (swapped, bare):
        approval = Approval(statement.id.bytes, statement.expires_at, signatures)
        assert code(key.sign(WHAT, approval)) == "APPROVAL_NEEDED"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0), bit=st.integers(0, 7), more=st.binary(max_size=3))
def test_whatever_of_it_is_changed_it_is_none(key: Key, place: int, bit: int, more: bytes) -> None:
    statement = key.statement()
    good = bytes.fromhex(proof(PASSKEY.asserts(challenge(statement))))
    changed = bytearray(good)
    changed[place % len(good)] ^= 1 << bit
    assert code(key.sign(WHAT, carried(statement, bytes(changed).hex()))) == "APPROVAL_NEEDED"
    if more:
        assert code(key.sign(WHAT, carried(statement, (good + more).hex()))) == "APPROVAL_NEEDED"


def test_a_frozen_key_is_unfrozen_by_passkey(host: Host) -> None:
    key = Key(host, policy_of(PASSKEY, change={"threshold": 2}))
    frozen = host.change_key(key.wrapped, KeyChange.FREEZE)
    statement = Unfreezing(
        cluster=key.replica.cluster.identifier.hex(),
        tenant=UUID(bytes=NAME.tenant),
        key=UUID(bytes=NAME.key),
        policy=key.policy.hash,
        frozen_at=frozen.frozen_at,
        expires_at=int(key.replica.cluster.now()) + 600,
    )
    made = both(statement)

    def order(signatures: dict[str, bytes]) -> ChangeKey:
        approval = ChangeApproval(statement.expires_at, signatures)
        return ChangeKey(NAME, frozen.wrapped, KeyChange.UNFREEZE, 0, approval)

    one_twice = made | {"dora": made["ann"]}
    assert host.replicas[0].refusal(order(one_twice), client()).startswith("TOO_FEW_APPROVALS")
    assert host.replicas[0].ask(KeyChanged, order(made), client()).state is KeyState.ACTIVE


def test_a_policy_is_changed_by_passkey(host: Host) -> None:
    present = policy_of(PASSKEY, change={"threshold": 2})
    key, to = Governed(host, present), policy_of(PASSKEY, change={"threshold": 1})
    statement = key.statement(to)

    def order(signatures: dict[str, bytes]) -> ChangePolicy:
        return ChangePolicy(NAME, key.wrapped, to.canonical, statement.expires_at, signatures)

    stale = both(key.statement(present))
    assert key.change(order(stale)) == "TOO_FEW_APPROVALS", "of another change"
    assert isinstance(key.change(order(both(statement))), PolicyChanged)


def test_a_key_is_destroyed_by_passkey(host: Host) -> None:
    doomed = Doomed(host, policy_of(PASSKEY, change={"threshold": 2}))
    statement = doomed.statement()

    def order(signatures: dict[str, bytes]) -> ChangeKey:
        approval = ChangeApproval(statement.expires_at, signatures)
        return ChangeKey(NAME, doomed.wrapped, KeyChange.DESTROY_LATER, WAIT, approval)

    sooner = both(doomed.statement(wait_seconds=WAIT - 1))
    assert host.replicas[0].refusal(order(sooner), client()).startswith("TOO_FEW_APPROVALS")
    destroyed = host.replicas[0].ask(KeyChanged, order(both(statement)), client())
    assert destroyed.state is KeyState.DESTROYING


def test_what_a_page_did_not_give_is_said_to_be_none() -> None:
    for bad in ({}, {"response": {}}, {"response": {"publicKey": "AAAA"}}, {"response": None}):
        with pytest.raises(ValueError, match="no answer of navigator"):
            approver(bad, rp_id="a", origin="https://a")
        with pytest.raises(ValueError, match="no answer of navigator"):
            proof(bad)


@pytest.mark.parametrize(
    "passkey",
    [
        {"rp_id": "example.org", "origin": "http://example.org"},
        {"rp_id": "example.org", "origin": "https://example.org/path"},
        {"rp_id": "https://example.org", "origin": "https://example.org"},
        {"rp_id": "example.org"},
        {"rp_id": "example.org", "origin": "https://example.net"},
        {"rp_id": "example.org", "origin": "https://anexample.org"},
        {"rp_id": "app.example.org", "origin": "https://example.org"},
        {"rp_id": "example.org", "origin": "https://example.org:443"},
        {"rp_id": "example.org", "origin": "https://example.org:65536"},
        {"rp_id": "example.org", "origin": "https://example.org:08443"},
        {"rp_id": "example..org", "origin": "https://example..org"},
        {"rp_id": "192.0.2.1", "origin": "https://192.0.2.1"},
        {"rp_id": "localhost", "origin": "http://localhost:80"},
    ],
)
def test_a_policy_names_a_page_of_a_domain(passkey: dict[str, str]) -> None:
    named = approver(PASSKEY.registered(), rp_id="x", origin="https://x") | {"passkey": passkey}
    with pytest.raises(CodecError):
        read_policy(json.dumps({"approvers": {"dora": named}}).encode())


@pytest.mark.parametrize(
    ("rp_id", "origin"),
    [
        ("example.org", "https://example.org"),
        ("example.org", "https://a.b.example.org:8443"),
        ("localhost", "http://localhost:8080"),
    ],
)
def test_what_a_browser_can_assert_is_a_policy(rp_id: str, origin: str) -> None:
    named = approver(PASSKEY.registered(), rp_id=rp_id, origin=origin)
    assert read_policy(json.dumps({"approvers": {"dora": named}}).encode()).approvers["dora"].passkey is not None


def test_a_passkey_is_of_one_algorithm() -> None:
    ann = {"algorithm": "ed25519", "public_key": APPROVERS["ann"].public_key}
    named = ann | {"passkey": {"rp_id": "example.org", "origin": "https://example.org"}}
    with pytest.raises(CodecError, match="ES256"):
        read_policy(json.dumps({"approvers": {"dora": named}}).encode())


def test_no_program_has_a_passkey() -> None:
    named = approver(PASSKEY.registered(), rp_id="example.org", origin="https://example.org")
    for part in ({"requesters": {"api": named}}, {"risk": {"score_max": 1, "scorers": {"model": named}}}):
        with pytest.raises(CodecError, match="takes a person"):
            read_policy(json.dumps(part).encode())
