"""Import and export: three replicas, and a host that plays back, moves, and would like to be the recipient."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nsl.adapters.enclave import DatabaseOlder, EnclaveRefused
from nsl_enclave.kme.wrapping import Wrapping
from nsl_protocol.attestation.binding import Purpose, report_data
from nsl_protocol.attestation.keys import Origin
from nsl_protocol.attestation.policy import Policy, judge
from nsl_protocol.attestation.verify import Collateral
from nsl_protocol.cluster.custody import Act
from nsl_protocol.enclave.key_transport import open_exported, open_imported, seal_export, seal_import
from nsl_protocol.enclave.lifecycle import DAY_SECONDS, ChangeKey, KeyChange, KeyChanged
from nsl_protocol.enclave.membership import GetQuote, Quoted
from nsl_protocol.enclave.messages import SIGNING_CURVES, CreateKey, Curve, ImportKey, KeyCreated, Rewrap, Rewrapped
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import Policy as KeyPolicy
from tests.enclave.host import NAME, Host, founded, key_name
from tests.enclave.portability import (
    LABEL,
    NONCE,
    PUBLIC,
    RSA_SECRET,
    SECRET,
    TERMS,
    Recipient,
    attested,
    exportable,
    exported,
    imported,
    order,
    to_export,
    wrapping_key,
)
from tests.enclave.replica import ANCHOR, Founders, client
from tests.enclave.test_rotation import acted

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# The encryption -------------------------------------------------------------------------------------------------------

NAMES = st.builds(KeyName, st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.integers(1, 9))
SEVERAL_TERMS = st.builds(
    CreateKey,
    NAMES,
    st.sampled_from(Curve),
    st.booleans(),
    st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple),
)
BOUND = st.tuples(st.binary(min_size=32, max_size=32), st.text(min_size=1, max_size=9), SEVERAL_TERMS)


@given(BOUND, BOUND, st.binary(min_size=32, max_size=32))
def test_what_comes_in_opens_for_its_own_terms_and_for_no_others(
    own: tuple[bytes, str, CreateKey], others: tuple[bytes, str, CreateKey], secret: bytes
) -> None:
    key = X25519PrivateKey.generate()
    encrypted = seal_import(secret, key.public_key().public_bytes_raw(), *own)
    assert open_imported(encrypted, key, *own) == secret
    for position, other in enumerate(others):
        changed = (*own[:position], other, *own[position + 1 :])
        if changed != own:
            with pytest.raises(CodecError):
                open_imported(encrypted, key, *changed)  # type: ignore[arg-type]
    with pytest.raises(CodecError):
        open_imported(encrypted, X25519PrivateKey.generate(), *own)


@given(NAMES, NAMES, st.integers(0, 79))
def test_what_goes_out_opens_as_that_key_and_unchanged(name: KeyName, other: KeyName, place: int) -> None:
    key = X25519PrivateKey.generate()
    encrypted = seal_export(SECRET, key.public_key().public_bytes_raw(), b"c" * 32, name, Curve.ED25519)
    assert open_exported(encrypted, key, b"c" * 32, name, Curve.ED25519) == SECRET
    wrong = [(b"d" * 32, name, Curve.ED25519), (b"c" * 32, name, Curve.SECP256R1)]
    wrong += [(b"c" * 32, other, Curve.ED25519)] if other != name else []
    for each in wrong:
        with pytest.raises(CodecError):
            open_exported(encrypted, key, *each)
    flipped = encrypted[:place] + bytes((encrypted[place] ^ 1,)) + encrypted[place + 1 :]
    with pytest.raises(CodecError):
        open_exported(flipped, key, b"c" * 32, name, Curve.ED25519)


# Import ---------------------------------------------------------------------------------------------------------------


def test_the_import_key_is_the_same_everywhere_and_bound_in_a_quote(host: Host) -> None:
    assert len({wrapping_key(each) for each in host.replicas}) == 1
    quoted = host.replicas[1].ask(Quoted, GetQuote(Purpose.IMPORT, NONCE))
    assert quoted.collateral is not None
    at = int(host.replicas[1].cluster.now())

    def accepted(purpose: Purpose, cluster: bytes, key: bytes) -> bool:
        expected = report_data(purpose, cluster, NONCE, key)
        return judge(quoted.quote, Collateral(quoted.collateral or b""), at, [ANCHOR], Policy(), expected).accepted

    cluster = host.replicas[1].cluster.identifier
    assert accepted(Purpose.IMPORT, cluster, quoted.keys[0])
    assert not accepted(Purpose.EVIDENCE, cluster, quoted.keys[0])
    assert not accepted(Purpose.IMPORT, bytes(32), quoted.keys[0])
    assert not accepted(Purpose.IMPORT, cluster, Recipient.new().public)


def test_a_key_that_comes_in_signs_on_every_replica_and_is_marked_for_good(host: Host) -> None:
    first, second, _ = host.replicas
    item = imported(host, second, order(first))
    for replica in host.replicas:
        assert host.public_key_of(replica, item.wrapped) == PUBLIC
    disabled = host.change_key(item.wrapped, KeyChange.DISABLE)
    enabled = host.change_key(disabled.wrapped, KeyChange.ENABLE)
    opened = Wrapping(first.cluster.needed_root()).open_key(NAME, enabled.wrapped).secret
    assert (opened.origin, opened.recipients) == (Origin.IMPORTED, ())


@pytest.mark.parametrize("curve", SIGNING_CURVES)
def test_each_curve_takes_its_own_keys(host: Host, curve: Curve) -> None:
    first = host.replicas[0]
    terms = replace(TERMS, curve=curve)
    secret = RSA_SECRET if curve is Curve.RSA_3072 else SECRET
    made = first.ask(KeyCreated, order(first, terms, secret), client())
    assert len(made.public_key) == {Curve.ED25519: 32, Curve.RSA_3072: 422}.get(curve, 33)
    bad = [b"", secret[:-1], secret + b"\0"]
    if curve is Curve.RSA_3072:
        small = rsa.generate_private_key(65537, 2048)
        bad += [SECRET, small.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())]
    elif curve is not Curve.ED25519:
        top = P256_ORDER if curve is Curve.SECP256R1 else SECP256K1_ORDER
        bad += [bytes(32), top.to_bytes(32), b"\xff" * 32]
    for secret in bad:
        assert first.refusal(order(first, terms, secret), client()).startswith("IMPORT_NOT_A_KEY")


def test_the_enclave_refuses_another_name_and_changed_bytes(host: Host) -> None:
    first = host.replicas[0]
    sent = order(first)
    assert first.refusal(replace(sent, label="hot wallet"), client()).startswith("IMPORT_NOT_AUTHENTIC")
    for encrypted in (sent.encrypted[:-1], sent.encrypted + b"\0", sent.encrypted[:31], bytes(100)):
        changed = replace(sent, encrypted=encrypted)
        assert first.refusal(changed, client()).startswith("IMPORT_NOT_AUTHENTIC")


def test_the_enclave_refuses_what_was_encrypted_to_another_cluster(host: Host, tmp_path: Path) -> None:
    other = founded(Founders(tmp_path / "other"), tmp_path / "other-state").replicas[0]
    first = host.replicas[0]
    sent = order(other)
    assert first.refusal(sent, client()).startswith("IMPORT_KEY_UNKNOWN")
    as_own = replace(sent, wrapping_key=wrapping_key(first))
    assert first.refusal(as_own, client()).startswith("IMPORT_NOT_AUTHENTIC")


def test_the_register_refuses_a_key_that_is_played_back_once_more_or_after_its_end(host: Host) -> None:
    first = host.replicas[0]
    sent = order(first)
    item = imported(host, first, sent)
    again = first.ask(KeyCreated, sent, client())
    with pytest.raises(EnclaveRefused, match="takes the place of another edition"):
        host.enter(WrappedKey(NAME, again.wrapped))
    waiting = host.change_key(item.wrapped, KeyChange.DESTROY_LATER, wait_seconds=7 * DAY_SECONDS)
    for replica in host.replicas:
        replica.cluster.agree(replica.cluster.now() + 8 * DAY_SECONDS)
    host.change_key(waiting.wrapped, KeyChange.DESTROY)
    back = first.ask(KeyCreated, sent, client())
    with pytest.raises(EnclaveRefused, match="takes the place of another edition"):
        host.enter(WrappedKey(NAME, back.wrapped))
    with pytest.raises(EnclaveRefused) as caught:
        host.show(first, WrappedKey(NAME, back.wrapped))
    assert caught.value.code == "NOT_REGISTERED"


def test_a_replaced_root_ends_what_was_encrypted_before_and_keeps_what_is_sealed(
    host: Host, founders: Founders, tmp_path: Path
) -> None:
    first, owner = host.replicas[0], Recipient.new()
    late = order(first, replace(TERMS, name=key_name(2)))
    item = imported(host, first, order(first, replace(TERMS, recipients=(owner.public,))))
    alone = Host(first, store=host.store)
    acted(founders, alone, Purpose.ROTATION, Act.ROTATE)
    assert first.refusal(late, client()).startswith("IMPORT_KEY_UNKNOWN")
    (anew,) = first.ask(Rewrapped, Rewrap((item,)), client()).results
    assert isinstance(anew, bytes)
    made = exported(alone, WrappedKey(NAME, anew), owner.public)
    cluster = first.cluster.identifier
    assert open_exported(made.encrypted, owner.private, cluster, NAME, Curve.ED25519) == SECRET
    statement = attested(alone, WrappedKey(NAME, anew)).statement
    assert (statement.origin, statement.epoch) == (Origin.IMPORTED, 2)
    imported(alone, first, order(first, late.terms))


def test_of_a_key_that_comes_in_nothing_is_in_words(host: Host) -> None:
    sent = order(host.replicas[0])
    assert SECRET not in sent.encrypted
    assert SECRET.hex() not in repr(sent)


# Export ---------------------------------------------------------------------------------------------------------------


def test_a_recipient_who_was_named_gets_the_key(host: Host) -> None:
    ours, theirs = Recipient.new(), Recipient.new()
    terms = replace(TERMS, recipients=(ours.public, theirs.public))
    item = imported(host, host.replicas[0], order(host.replicas[0], terms))
    cluster = host.replicas[0].cluster.identifier
    for number, each in enumerate((ours, theirs)):
        made = exported(host, item, each.public, number)
        assert SECRET not in made.encrypted
        assert open_exported(made.encrypted, each.private, cluster, NAME, Curve.ED25519) == SECRET


def test_the_register_refuses_a_second_key_of_the_same_name_with_recipients(host: Host) -> None:
    thief = Recipient.new()
    made = host.make_key()
    terms = CreateKey(NAME, Curve.ED25519, KeyPolicy().canonical, (thief.public,))
    second = host.replicas[0].ask(KeyCreated, terms, client())
    item = WrappedKey(NAME, second.wrapped)
    with pytest.raises(EnclaveRefused, match="takes the place of another edition"):
        host.enter(item)
    refusal = host.replicas[0].refusal(to_export(host, item, thief.public), client())
    assert refusal.startswith("NOT_REGISTERED")
    assert host.public_key_of(host.replicas[0], made.wrapped) == made.public_key


def test_the_register_refuses_to_export_by_an_edition_of_before(host: Host) -> None:
    owner = Recipient.new()
    item, older = exportable(host, [owner]), host.backup()
    disabled = host.change_key(item.wrapped, KeyChange.DISABLE)
    first = host.replicas[0]
    assert first.refusal(to_export(host, item, owner.public), client()).startswith("NOT_REGISTERED")
    present = WrappedKey(NAME, disabled.wrapped)
    assert first.refusal(to_export(host, present, owner.public), client()).startswith("KEY_NOT_ACTIVE")
    before = Host(*host.replicas, store=older)
    assert first.refusal(to_export(before, item, owner.public), client()).startswith("DATABASE_OLDER")
    with pytest.raises(DatabaseOlder):
        before.attend()


def test_the_enclave_does_not_export_what_waits_for_its_end_or_is_gone(host: Host) -> None:
    owner = Recipient.new()
    item = exportable(host, [owner])
    waiting = host.change_key(item.wrapped, KeyChange.DESTROY_LATER, wait_seconds=7 * DAY_SECONDS)
    first = host.replicas[0]
    in_wait = to_export(host, WrappedKey(NAME, waiting.wrapped), owner.public)
    assert first.refusal(in_wait, client()).startswith("KEY_NOT_ACTIVE: The key is destroying")
    for replica in host.replicas:
        replica.cluster.agree(replica.cluster.now() + 8 * DAY_SECONDS)
    gone = host.change_key(waiting.wrapped, KeyChange.DESTROY)
    tombstone = to_export(host, WrappedKey(NAME, gone.wrapped), owner.public)
    assert first.refusal(tombstone, client()).startswith("KEY_NOT_ACTIVE: The key is destroyed")


def test_recipients_stay_what_they_were_whatever_is_changed(host: Host) -> None:
    owner = Recipient.new()
    item = exportable(host, [owner])
    changed = host.replicas[0].ask(KeyChanged, ChangeKey(NAME, item.wrapped, KeyChange.DISABLE, 0), client())
    opened = Wrapping(host.replicas[0].cluster.needed_root()).open_key(NAME, changed.wrapped).secret
    assert (opened.recipients, opened.origin) == ((owner.public,), Origin.GENERATED)


def test_the_enclave_refuses_recipients_that_everybody_could_read_for(host: Host) -> None:
    first, good = host.replicas[0], Recipient.new().public
    for bad in ((bytes(32),), (good, good), (good, b"\x01" + bytes(31))):
        terms = replace(TERMS, recipients=bad)
        assert first.refusal(terms, client()).startswith("RECIPIENT_UNSUITABLE")
        unopened = ImportKey(terms, LABEL, wrapping_key(first), b"x" * 80)
        assert first.refusal(unopened, client()).startswith("RECIPIENT_UNSUITABLE")
