"""Secret keys in the enclave: what they make opens, and is right, nowhere else and in no other way."""

import hashlib
import hmac
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsl_enclave.kme import xaes
from nsl_protocol.audit.leaves import EnclaveLeaf, read_leaf
from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated, Refused, Sign, Signed, SignOrder, Used
from nsl_protocol.enclave.signable import SignDigest, SignMessage
from nsl_protocol.enclave.symmetric import (
    OVERHEAD_BYTES,
    Authenticate,
    CheckMac,
    Decrypt,
    Encrypt,
    GenerateDataKey,
    Product,
    Task,
    Use,
    UseOrder,
)
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.document import Kind, Policy, Rate
from nsl_protocol.policy.scoring import RiskRule
from tests.enclave.host import Host, key_name
from tests.enclave.replica import client
from tests.enclave.test_governing import APPROVERS

# From c2sp.org/XAES-256-GCM.
VECTORS = (
    (b"\1" * 32, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
    (b"\3" * 32, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
)


@pytest.mark.parametrize(("key", "context", "expected"), VECTORS)
def test_the_published_vectors(key: bytes, context: bytes, expected: str) -> None:
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    made = xaes.encrypt(key, nonce, b"XAES-256-GCM", context)
    assert made.hex() == expected
    assert xaes.decrypt(key, nonce, made, context) == b"XAES-256-GCM"
    with pytest.raises(InvalidTag):
        xaes.decrypt(key, nonce, made, context + b"x")


class Secret:
    """A secret key, shown to the first replica."""

    def __init__(self, host: Host, curve: Curve, policy: Policy | None = None, number: int = 1) -> None:
        self.replica, self.name = host.replicas[0], key_name(number)
        order = CreateKey(self.name, curve, (policy or Policy()).canonical)
        self.made = self.replica.ask(KeyCreated, order, client())
        host.enter(WrappedKey(self.name, self.made.wrapped))
        host.show(self.replica, WrappedKey(self.name, self.made.wrapped))

    def use(self, *tasks: Task) -> list[Product | Refused]:
        orders = tuple(UseOrder(self.name, self.made.wrapped, task, uuid4().bytes) for task in tasks)
        return list(self.replica.ask(Used, Use(orders), client()).results)

    def does(self, task: Task) -> Product:
        (result,) = self.use(task)
        assert isinstance(result, Product), result
        return result

    def refuses(self, task: Task) -> str:
        (result,) = self.use(task)
        assert isinstance(result, Refused), result
        assert result.leaf is not None
        leaf = read_leaf(result.leaf.content)
        assert isinstance(leaf, EnclaveLeaf)
        assert (leaf.act, leaf.code) == ("refusal", result.code)
        return result.code


def test_what_was_encrypted_comes_back_with_its_context_alone(host: Host) -> None:
    key = Secret(host, Curve.AES_256_GCM)
    made = key.does(Encrypt(b"attack at dawn", b"orders"))
    assert len(made.value) == len(b"attack at dawn") + OVERHEAD_BYTES
    assert key.does(Encrypt(b"attack at dawn", b"orders")).value != made.value
    assert key.does(Decrypt(made.value, b"orders")).value == b"attack at dawn"
    assert key.refuses(Decrypt(made.value, b"")) == "CIPHERTEXT_NOT_AUTHENTIC"
    assert key.refuses(Decrypt(b"", b"orders")) == "CIPHERTEXT_NOT_AUTHENTIC"
    leaf = read_leaf(made.leaf.content)
    assert isinstance(leaf, EnclaveLeaf)
    assert (leaf.act, leaf.request, leaf.outcome) == ("key.encrypt", None, None), "nothing that a guess is held against"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 200), bits=st.integers(1, 255), cut=st.integers(0, 60))
def test_a_changed_ciphertext_opens_nowhere(host: Host, place: int, bits: int, cut: int) -> None:
    key = Secret(host, Curve.AES_256_GCM, number=uuid4().int >> 96)
    whole = key.does(Encrypt(b"0123456789abcdef")).value
    changed = bytearray(whole)
    changed[place % len(whole)] ^= bits
    for bad in (bytes(changed), whole[: len(whole) - 1 - cut], whole + b"\0"):
        assert key.refuses(Decrypt(bad)) == "CIPHERTEXT_NOT_AUTHENTIC"


@pytest.mark.parametrize("part", ["risk", "requesters"])
def test_what_asks_for_a_signature_that_cannot_come_is_refused(host: Host, part: str) -> None:
    risk = RiskRule(100, {"ann": APPROVERS["ann"]})
    policy = Policy(risk=risk) if part == "risk" else Policy(requesters={"ann": APPROVERS["ann"]})
    key = Secret(host, Curve.AES_256_GCM, policy)
    assert key.refuses(Encrypt(b"x")) == {"risk": "RISK_SCORE_NEEDED", "requesters": "REQUEST_SIGNATURE_NEEDED"}[part]


def test_a_ciphertext_is_of_one_key_of_one_tenant(host: Host) -> None:
    one, other = Secret(host, Curve.AES_256_GCM), Secret(host, Curve.AES_256_GCM, number=2)
    made = one.does(Encrypt(b"x"))
    assert other.refuses(Decrypt(made.value)) == "CIPHERTEXT_NOT_AUTHENTIC"
    orders = (UseOrder(KeyName(b"u" * 16, one.name.key, 1), one.made.wrapped, Decrypt(made.value), uuid4().bytes),)
    (refused,) = one.replica.ask(Used, Use(orders), client()).results
    assert isinstance(refused, Refused)
    assert refused.code == "KEY_NOT_AUTHENTIC"


def test_a_data_key_is_shown_once_or_never(host: Host) -> None:
    key = Secret(host, Curve.AES_256_GCM)
    shown, hidden = key.does(GenerateDataKey(True, b"c")), key.does(GenerateDataKey(False, b"c"))
    assert shown.data_key == key.does(Decrypt(shown.value, b"c")).value
    assert hidden.data_key is None
    assert len(key.does(Decrypt(hidden.value, b"c")).value) == 32


def test_macs_are_hmacs_of_one_key(host: Host) -> None:
    key, other = Secret(host, Curve.HMAC_SHA256), Secret(host, Curve.HMAC_SHA256, number=2)
    made = key.does(Authenticate(b"data")).value
    assert len(made) == 32
    assert made != other.does(Authenticate(b"data")).value
    assert key.does(Authenticate(b"data")).value == made
    assert [key.does(CheckMac(data, made)).value for data in (b"data", b"date")] == [b"\1", b"\0"]
    assert other.does(CheckMac(b"data", made)).value == b"\0"


def test_it_is_the_hmac_that_everybody_knows(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsl_enclave.kme.signing.random_bytes", lambda count: b"k" * count)
    key = Secret(host, Curve.HMAC_SHA256)
    assert key.does(Authenticate(b"data")).value == hmac.new(b"k" * 32, b"data", hashlib.sha256).digest()
    assert b"k" * 8 not in key.made.public_key


@pytest.mark.parametrize("curve", [Curve.AES_256_GCM, Curve.HMAC_SHA256])
def test_secret_keys_sign_nothing_and_signing_keys_encrypt_nothing(host: Host, curve: Curve) -> None:
    key = Secret(host, curve, Policy(blind_signing=True))
    whats = (SignMessage(b"m"), SignDigest(bytes(32)))
    orders = tuple(SignOrder(key.name, key.made.wrapped, what, uuid4().bytes) for what in whats)
    signed = key.replica.ask(Signed, Sign(orders), client())
    assert {each.code for each in signed.results if isinstance(each, Refused)} == {"WRONG_CURVE"}
    signing = Secret(host, Curve.ED25519, number=2)
    for task in (Encrypt(b"x"), Authenticate(b"x"), GenerateDataKey(True)):
        assert signing.refuses(task) == "WRONG_CURVE"
    crossed = Authenticate(b"x") if curve is Curve.AES_256_GCM else Encrypt(b"x")
    assert key.refuses(crossed) == "WRONG_CURVE"


def test_the_policy_says_what_a_secret_key_may(host: Host) -> None:
    sealed = Secret(host, Curve.AES_256_GCM, Policy(kinds=(Kind.ENCRYPT,), rate=(Rate(60, 1000),)))
    assert sealed.refuses(Decrypt(b"x")) == "KIND_NOT_ALLOWED"
    assert sealed.refuses(GenerateDataKey(True)) == "KIND_NOT_ALLOWED"
    (wants,) = sealed.use(Encrypt(b"x"))
    assert isinstance(wants, Refused)
    assert wants.code == "WINDOW_LEASE_NEEDED", "it is counted like a signature"
