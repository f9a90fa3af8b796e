"""Secret keys that get another secret: what they did before still opens and verifies, and nothing else does."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsl.adapters.enclave import EnclaveRefused
from nsl_enclave.kme.wrapping import EARLIER_MAX
from nsl_protocol.audit.leaves import EnclaveLeaf, read_leaf
from nsl_protocol.enclave.fields import WRAPPED_BYTES_MAX
from nsl_protocol.enclave.lifecycle import ChangeKey, KeyChange, KeyChanged, KeyState
from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated, Refused, Used
from nsl_protocol.enclave.symmetric import (
    Authenticate,
    CheckMac,
    Decrypt,
    Encrypt,
    GenerateDataKey,
    Product,
    Task,
    Use,
    UseOrder,
    version_of,
)
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.policy.document import DOCUMENT_BYTES_MAX, Policy
from tests.enclave.host import Host, key_name
from tests.enclave.replica import client


class Rotating:
    """A secret key, and every edition that it has had."""

    def __init__(self, host: Host, curve: Curve) -> None:
        self.host, self.name = host, key_name(uuid4().int >> 96)
        order = CreateKey(self.name, curve, Policy().canonical)
        made = host.replicas[0].ask(KeyCreated, order, client())
        host.enter(WrappedKey(self.name, made.wrapped))
        self.editions = [made.wrapped]

    def rotate(self) -> KeyChanged:
        made = self.host.change_key(self.editions[-1], KeyChange.ROTATE, name=self.name)
        self.editions.append(made.wrapped)
        return made

    def use(self, task: Task, *, replica: int = 0, edition: int = -1) -> Product | Refused:
        where, wrapped = self.host.replicas[replica], self.editions[edition]
        if edition == -1:
            self.host.show(where, WrappedKey(self.name, wrapped))
        (result,) = where.ask(Used, Use((UseOrder(self.name, wrapped, task, uuid4().bytes),)), client()).results
        return result

    def does(self, task: Task, *, replica: int = 0) -> bytes:
        result = self.use(task, replica=replica)
        assert isinstance(result, Product), result
        return result.value


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["rotate", "encrypt", "data key"]), max_size=12), context=st.binary(max_size=8))
def test_all_that_was_ever_encrypted_opens_at_every_replica(host: Host, steps: list[str], context: bytes) -> None:
    key, rotations = Rotating(host, Curve.AES_256_GCM), 0
    sealed: list[tuple[bytes, bytes]] = []
    for number, step in enumerate([*steps, "encrypt"]):
        if step == "rotate":
            rotations += 1
            assert key.rotate().version == rotations + 1
        elif step == "encrypt":
            plaintext = number.to_bytes(2)
            sealed.append((plaintext, key.does(Encrypt(plaintext, context))))
        else:
            made = key.use(GenerateDataKey(shown=True, context=context))
            assert isinstance(made, Product)
            assert made.data_key is not None
            sealed.append((made.data_key, made.value))
    assert version_of(sealed[-1][1]) == rotations + 1, "it encrypts by the latest"
    for plaintext, ciphertext in sealed:
        assert key.does(Decrypt(ciphertext, context), replica=2) == plaintext
        assert isinstance(key.use(Decrypt(ciphertext, context + b"x")), Refused)


def test_a_mac_is_checked_by_all_versions_and_made_by_the_latest(host: Host) -> None:
    key = Rotating(host, Curve.HMAC_SHA256)
    made = [key.does(Authenticate(b"d"))]
    for _ in range(3):
        key.rotate()
        made.append(key.does(Authenticate(b"d")))
    assert len(set(made)) == 4
    assert [key.does(CheckMac(b"d", each)) for each in made] == [b"\1"] * 4
    assert key.does(CheckMac(b"e", made[0])) == b"\0"
    assert key.does(CheckMac(b"d", bytes(32))) == b"\0"


def test_a_version_says_which_secret_and_no_other_opens_it(host: Host) -> None:
    key = Rotating(host, Curve.AES_256_GCM)
    first = key.does(Encrypt(b"x"))
    key.rotate()
    for version in (0, 2, 3, 2**32 - 1):
        moved = first[:1] + version.to_bytes(4) + first[5:]
        refused = key.use(Decrypt(moved))
        assert isinstance(refused, Refused)
        assert refused.code == "CIPHERTEXT_NOT_AUTHENTIC"


def test_the_edition_of_before_is_refused_once_another_holds(host: Host) -> None:
    key = Rotating(host, Curve.AES_256_GCM)
    key.does(Encrypt(b"x"))
    key.rotate()
    key.does(Encrypt(b"x"))
    refused = key.use(Encrypt(b"x"), edition=0)
    assert isinstance(refused, Refused)
    assert refused.code == "NOT_SHOWN"
    with pytest.raises(EnclaveRefused) as older:
        host.show(host.replicas[0], WrappedKey(key.name, key.editions[0]))
    assert older.value.code == "NOT_REGISTERED"


def test_it_has_so_many_secrets_and_no_more(host: Host) -> None:
    key = Rotating(host, Curve.AES_256_GCM)
    first = key.does(Encrypt(b"x"))
    for _ in range(EARLIER_MAX):
        key.rotate()
    assert len(key.editions[-1]) < WRAPPED_BYTES_MAX - DOCUMENT_BYTES_MAX, "there is room for any policy"
    order = ChangeKey(key.name, key.editions[-1], KeyChange.ROTATE, 0)
    assert host.replicas[0].refusal(order, client()).startswith("ROTATIONS_EXHAUSTED: The key has had 33 secrets")
    assert key.does(Decrypt(first)) == b"x"


def test_a_destroyed_key_has_none_of_its_secrets_left(host: Host) -> None:
    key = Rotating(host, Curve.AES_256_GCM)
    for _ in range(5):
        key.rotate()
    waiting = host.change_key(key.editions[-1], KeyChange.DESTROY_LATER, wait_seconds=7 * 86_400, name=key.name)
    for replica in host.replicas:
        replica.cluster.agree(replica.cluster.now() + 8 * 86_400)
    gone = host.change_key(waiting.wrapped, KeyChange.DESTROY, name=key.name)
    assert gone.state is KeyState.DESTROYED
    assert len(gone.wrapped) < 300 < len(waiting.wrapped), "the earlier ones are gone with the latest"


@pytest.mark.parametrize("curve", [Curve.SECP256R1, Curve.SECP256K1, Curve.ED25519])
def test_a_key_that_others_know_is_not_rotated(host: Host, curve: Curve) -> None:
    key = Rotating(host, curve)
    refused = host.replicas[0].refusal(ChangeKey(key.name, key.editions[0], KeyChange.ROTATE, 0), client())
    assert refused.startswith("ROTATION_UNSUITABLE")
    assert "make another key" in refused


def test_only_an_active_key_is_rotated_and_each_time_stands_in_the_log(host: Host) -> None:
    key = Rotating(host, Curve.AES_256_GCM)
    leaf = read_leaf(key.rotate().leaf.content)
    assert isinstance(leaf, EnclaveLeaf)
    assert leaf.act == "key.rotated"
    disabled = host.change_key(key.editions[-1], KeyChange.DISABLE, name=key.name)
    order = ChangeKey(key.name, disabled.wrapped, KeyChange.ROTATE, 0)
    assert host.replicas[0].refusal(order, client()).startswith("KEY_STATE_CONFLICT")
