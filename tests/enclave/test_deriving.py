"""Keys below a key: by the published vectors, and under the policy, windows and life of the key above."""

from uuid import uuid4

import pytest

from nsl_enclave.kme.deriving import Node
from nsl_protocol.enclave.below import DeriveKeys, KeysDerived
from nsl_protocol.enclave.lifecycle import ChangeKey, KeyChange, KeyChanged
from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated, Refused, Sign, Signature, Signed, SignOrder
from nsl_protocol.enclave.signable import Signable, SignBelow, SignEvmTransaction, SignMessage, SignN3Transaction
from nsl_protocol.enclave.signed import signed_data, verify_signature
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.hd import ExtendedPublicKey
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import transfer_script
from nsl_protocol.n3.transaction import Transaction
from nsl_protocol.n3.verification import account
from nsl_protocol.n3.witness import Signer
from nsl_protocol.policy.document import Policy, read_policy
from tests.enclave.host import NAME, Host
from tests.enclave.replica import client

# BIP-32 vector 1 (m/0h to m/0h/1); SLIP-0010 for nist256p1: vector 1, and the one whose first try makes no key.
VECTORS = [
    (
        Curve.SECP256K1,
        "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea",
        "47fdacbd0f1097043b78c63c20c34ef4ed9a111d980047ad16282c7ae6236141",
        1,
        "3c6cb8d0f6a264c91ea8b5030fadaa8e538b020f0a387421a12de9319dc93368",
        "2a7857631386ba23dacac34180dd1983734e444fdbf774041578e9b6adb37c19",
    ),
    (
        Curve.SECP256R1,
        "6939694369114c67917a182c59ddb8cafc3004e63ca5d3b84403ba8613debc0c",
        "3460cea53e6a6bb5fb391eeef3237ffd8724bf0a40e94943c98b83825342ee11",
        1,
        "284e9d38d07d21e4e281b645089a94f4cf5a5a81369acf151a1c3a57f18b2129",
        "4187afff1aafa8445010097fb99d23aee9f599450c7bd140b6826ac22ba21d0c",
    ),
    (
        Curve.SECP256R1,
        "06f0db126f023755d0b8d86d4591718a5210dd8d024e3e14b6159d63f53aa669",
        "e94c8ebe30c2250a14713212f6449b20f3329105ea15b652ca5bdfc68f6c65c2",
        33941,
        "092154eed4af83e078ff9b84322015aefe5769e31270f62c3f66c33888335f3a",
        "9e87fe95031f14736774cd82f25fd885065cb7c358c1edf813c72af535e83071",
    ),
]
PAYEE = "0x" + "08" * 20
SWEEP = read_policy(
    b'{"assets":{"GAS":{"chain":"neo-x","contract":"native","decimals":18}},"fee_max":{"neo-x":"1"},'
    b'"rules":[{"allow":"transfer","name":"sweep","assets":["GAS"],"to":["%s"]}]}' % PAYEE.encode()
)


@pytest.mark.parametrize(("curve", "secret", "chain", "index", "child", "child_chain"), VECTORS)
def test_published_vectors(curve: Curve, secret: str, chain: str, index: int, child: str, child_chain: str) -> None:
    found = Node(curve, bytes.fromhex(secret), bytes.fromhex(chain)).child(index)
    assert (found.secret.hex(), found.chain_code.hex()) == (child, child_chain)


class Key:
    """A key that the register has and the first replica was shown."""

    def __init__(self, host: Host, curve: Curve = Curve.SECP256K1, policy: Policy | None = None) -> None:
        self.host, self.replica, self.curve = host, host.replicas[0], curve
        order = CreateKey(NAME, curve, (policy or Policy()).canonical)
        made = self.replica.ask(KeyCreated, order, client())
        self.wrapped, self.public_key = made.wrapped, made.public_key
        host.enter(WrappedKey(NAME, self.wrapped))
        host.show(self.replica, WrappedKey(NAME, self.wrapped))

    def derived(self, first: int = 0, count: int = 3) -> KeysDerived:
        return self.replica.ask(KeysDerived, DeriveKeys(NAME, self.wrapped, first, count), client())

    def sign(self, what: Signable, id_: bytes | None = None) -> Signature | Refused:
        order = SignOrder(NAME, self.wrapped, what, id_ or uuid4().bytes)
        (result,) = self.replica.ask(Signed, Sign((order,)), client()).results
        return result


@pytest.mark.parametrize("curve", [Curve.SECP256K1, Curve.SECP256R1])
def test_what_is_derived_signs_for_itself_alone(host: Host, curve: Curve) -> None:
    key = Key(host, curve)
    derived = key.derived(5, 2)
    assert derived == replace_keys(key.derived(0, 7), slice(5, 7))
    assert len({key.public_key, *derived.public_keys}) == 3
    what = SignBelow(6, SignMessage(b"mine"))
    made = key.sign(what)
    assert isinstance(made, Signature)
    assert made.public_key == derived.public_keys[1]
    verify_signature(curve, made.public_key, signed_data(what, curve, made.salt or ""), made.signature)


def replace_keys(derived: KeysDerived, which: slice) -> KeysDerived:
    return KeysDerived(derived.chain_code, derived.public_keys[which])


def test_whoever_has_the_chain_code_finds_the_same_keys(host: Host) -> None:
    key = Key(host)
    derived = key.derived()
    account_ = ExtendedPublicKey(key.public_key, derived.chain_code)
    assert [account_.address_key(index) for index in range(3)] == list(derived.public_keys)


def test_the_indices_end_where_hardened_ones_begin(host: Host) -> None:
    assert len(Key(host).derived(2**31 - 1, 10).public_keys) == 1


def test_an_n3_transaction_is_signed_for_the_account_below_and_not_for_another(host: Host) -> None:
    key = Key(host, Curve.SECP256R1)
    own = account(PublicKey.from_bytes(key.derived().public_keys[2]))
    script = transfer_script(ScriptHash(b"\5" * 20), own, ScriptHash(b"\6" * 20), 1)
    unsigned = Transaction(1, 10, 20, 30, (Signer(own),), script=script).unsigned_bytes()
    order = SignN3Transaction(860833102, unsigned)
    assert isinstance(key.sign(SignBelow(2, order)), Signature)
    for other in (order, SignBelow(1, order)):
        refused = key.sign(other)
        assert isinstance(refused, Refused)
        assert refused.code == "NOT_A_SIGNER"


def test_the_policy_is_that_of_the_key_above(host: Host) -> None:
    key = Key(host, policy=SWEEP)
    sweep = FeeMarketTransaction(47763, 1, 21_000, EvmAddress.parse(PAYEE), 1, b"", 1, 2)
    away = FeeMarketTransaction(47763, 1, 21_000, EvmAddress(b"\7" * 20), 1, b"", 1, 2)
    assert isinstance(key.sign(SignBelow(1, SignEvmTransaction(47763, sweep.unsigned_bytes()))), Signature)
    refused = key.sign(SignBelow(1, SignEvmTransaction(47763, away.unsigned_bytes())))
    assert isinstance(refused, Refused)
    assert refused.code == "NOT_ALLOWED_BY_ANY_RULE"


def test_a_request_asked_once_more_for_another_address_is_not_the_same(host: Host) -> None:
    key, id_ = Key(host), uuid4().bytes
    first = key.sign(SignBelow(1, SignMessage(b"x")), id_)
    assert key.sign(SignBelow(1, SignMessage(b"x")), id_) == first
    for other in (SignBelow(2, SignMessage(b"x")), SignMessage(b"x")):
        refused = key.sign(other, id_)
        assert isinstance(refused, Refused)
        assert refused.code == "REQUEST_ID_REUSED"


def test_a_disabled_key_derives_nothing_and_a_curve_without_keys_below_says_so(host: Host) -> None:
    key = Key(host)
    changed = key.replica.ask(KeyChanged, ChangeKey(NAME, key.wrapped, KeyChange.DISABLE, 0), client())
    refused = key.replica.ask(Refused, DeriveKeys(NAME, changed.wrapped, 0, 1), client())
    assert refused.code == "KEY_NOT_ACTIVE"
    ed25519 = key.replica.ask(KeyCreated, CreateKey(NAME, Curve.ED25519, Policy().canonical), client())
    refused = key.replica.ask(Refused, DeriveKeys(NAME, ed25519.wrapped, 0, 1), client())
    assert refused.code == "WRONG_CURVE"
