"""What the enclave says of a key: only of the present edition, and believed only against what was pinned before."""

import base64
import string
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nsl_protocol.attestation.keys import (
    KeyAttestation,
    KeyVerdict,
    Origin,
    Outcome,
    StatementDocument,
    Step,
    verify_key_attestation,
)
from nsl_protocol.attestation.quote import parse_quote
from nsl_protocol.attestation.trust import PinnedTrust, read_trust
from nsl_protocol.enclave.lifecycle import DAY_SECONDS, KeyChange, KeyState
from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated
from nsl_protocol.enclave.portable import KeyAttested
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import Policy
from tests.enclave.host import NAME, Host, founded, key_name
from tests.enclave.portability import NONCE, Recipient, attested, exportable, imported, order, to_attest
from tests.enclave.replica import ANCHOR, MRENCLAVE, Founders, client


def document(made: KeyAttested) -> KeyAttestation:
    """As the API answers it."""
    assert made.collateral is not None
    return KeyAttestation(
        StatementDocument.of(made.statement),
        made.signature.hex(),
        made.log_key.hex(),
        made.manifest_version,
        base64.b64encode(made.quote).decode(),
        msgspec.json.decode(made.collateral),
    )


def trust_in(host: Host) -> PinnedTrust:
    """What somebody pins who knows this cluster."""
    root = ANCHOR.certificate
    assert root is not None
    return PinnedTrust(host.replicas[0].cluster.identifier.hex(), (MRENCLAVE.hex(),), (root.hex(),))


def refused(verdict: KeyVerdict) -> set[Step]:
    return {each.step for each in verdict.findings if each.outcome is Outcome.REFUSED}


# What is said ---------------------------------------------------------------------------------------------------------


def test_of_a_key_that_was_made_here_everything_is_said(host: Host) -> None:
    made = host.make_key()
    item = WrappedKey(NAME, made.wrapped)
    for number, replica in enumerate(host.replicas):
        said = attested(host, item, number)
        statement = said.statement
        assert verify_key_attestation(document(said), trust_in(host), statement.time, NONCE).accepted
        assert (statement.cluster, statement.tenant, statement.key) == (
            replica.cluster.identifier,
            NAME.tenant,
            NAME.key,
        )
        assert (statement.version, statement.curve, statement.public_key) == (1, "ed25519", made.public_key)
        assert (statement.origin, statement.exportable, statement.recipients) == (Origin.GENERATED, False, ())
        assert (statement.state, statement.policy) == (KeyState.ACTIVE, bytes.fromhex(Policy().hash))
        assert (statement.epoch, statement.register) == host.certificate.head.order
        assert (statement.measurement, statement.mode) == (MRENCLAVE, "sim")
        assert abs(statement.time - replica.cluster.now()) < 5


def test_origin_recipients_and_rules_are_said_as_they_are_sealed(host: Host) -> None:
    owner = Recipient.new()
    first = host.replicas[0]
    terms = CreateKey(key_name(1), Curve.SECP256R1, Policy(blind_signing=True).canonical, (owner.public,))
    said = attested(host, imported(host, first, order(first, terms))).statement
    assert (said.origin, said.exportable, said.recipients) == (Origin.IMPORTED, True, (owner.public,))
    assert said.policy == bytes.fromhex(Policy(blind_signing=True).hash) != bytes.fromhex(Policy().hash)
    generated = attested(host, exportable(host, [owner], key_name(2))).statement
    assert (generated.origin, generated.exportable) == (Origin.GENERATED, True)


def test_the_state_is_that_of_the_present_edition_and_of_no_other(host: Host) -> None:
    made, first = host.make_key(), host.replicas[0]
    older = WrappedKey(NAME, made.wrapped)
    path_of_before = to_attest(host, older)
    disabled = WrappedKey(NAME, host.change_key(made.wrapped, KeyChange.DISABLE).wrapped)
    assert attested(host, disabled).statement.state == KeyState.DISABLED
    assert first.refusal(to_attest(host, older), client()).startswith("NOT_REGISTERED")
    assert first.refusal(path_of_before, client()).startswith("DATABASE_OLDER")
    crossed = replace(to_attest(host, disabled), path=path_of_before.path)
    assert first.refusal(crossed, client()).split(":")[0] in ("PATH_WRONG", "NOT_REGISTERED")
    waiting = host.change_key(disabled.wrapped, KeyChange.DESTROY_LATER, wait_seconds=7 * DAY_SECONDS)
    for replica in host.replicas:
        replica.cluster.agree(replica.cluster.now() + 8 * DAY_SECONDS)
    gone = WrappedKey(NAME, host.change_key(waiting.wrapped, KeyChange.DESTROY).wrapped)
    said = attested(host, gone).statement
    assert (said.state, said.public_key) == (KeyState.DESTROYED, made.public_key)
    assert said.destroyed_at <= said.time < said.destroyed_at + 60


def test_the_register_lets_nothing_be_said_of_a_key_that_was_never_entered(host: Host) -> None:
    first = host.replicas[0]
    made = first.ask(KeyCreated, CreateKey(NAME, Curve.ED25519, Policy().canonical), client())
    item = WrappedKey(NAME, made.wrapped)
    assert first.refusal(to_attest(host, item), client()).startswith("NOT_REGISTERED")
    entered = WrappedKey(key_name(3), host.make_key(key_name(3)).wrapped)
    swapped = WrappedKey(key_name(4), entered.wrapped)
    assert first.refusal(to_attest(host, swapped), client()).startswith("KEY_NOT_AUTHENTIC")


def test_a_replica_without_a_lease_says_nothing(host: Host) -> None:
    item = WrappedKey(NAME, host.make_key().wrapped)
    third = host.replicas[2]
    third.program._registered()._leased_until = 0.0
    assert third.refusal(to_attest(host, item), client()).startswith("NO_LEASE")


# Who believes it ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeyAttestation, PinnedTrust, int]:
    """Of a cluster, with what to trust and when it was said."""
    directory = tmp_path_factory.mktemp("statements")
    host = founded(Founders(directory / "manifest"), directory)
    made = attested(host, exportable(host, [Recipient.new(), Recipient.new()]))
    return document(made), trust_in(host), made.statement.time


def test_everything_holds(said: tuple[KeyAttestation, PinnedTrust, int]) -> None:
    found, trust, at = said
    verdict = verify_key_attestation(found, trust, at, NONCE)
    assert [each.step for each in verdict.findings] == [*Step]
    assert verdict.accepted, verdict
    assert verify_key_attestation(found, trust, at).accepted
    assert verify_key_attestation(found, replace(trust, log_key=found.log_key), at).accepted
    read = msgspec.json.decode(msgspec.json.encode(found), type=KeyAttestation)
    assert read == found
    assert verify_key_attestation(read, read_trust(msgspec.json.encode(trust)), at, NONCE).accepted


HEX = st.text("0123456789abcdef", min_size=2, max_size=80)


def _other(value: Any) -> st.SearchStrategy[Any]:
    """Another value in its place, of the same form or not."""
    same: st.SearchStrategy[Any]
    match value:
        case bool():
            same = st.just(not value)
        case int():
            same = st.integers(0, 2**53)
        case list():
            same = st.lists(st.sampled_from([*value, "ab" * 32]), max_size=4)
        case str() if len(value) > 1 and set(value) <= set(string.hexdigits):
            flips = st.integers(0, len(value) - 1).map(
                lambda at: value[:at] + ("1" if value[at] == "0" else "0") + value[at + 1 :]
            )
            same = st.one_of(flips, HEX)
        case _:
            choices = ["imported", "disabled", "hw", "secp256k1", "2026-01-01T00:00:00Z"]
            same = st.one_of(st.sampled_from(choices), st.uuids().map(str), st.text(max_size=10))
    return st.one_of(same, st.none()).filter(lambda other: other != value)


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_changed_is_refused(said: tuple[KeyAttestation, PinnedTrust, int], data: st.DataObject) -> None:
    found, trust, at = said
    changed = msgspec.to_builtins(found)
    part = data.draw(st.sampled_from(["statement", "statement", "statement", "whole"]))
    place = changed["statement"] if part == "statement" else changed
    name = data.draw(st.sampled_from([each for each in place if each not in ("statement", "collateral")]))
    if name == "quote":
        raw = bytearray(base64.b64decode(place[name]))
        # How the certificates at its end are written is covered by nothing, and changes nothing.
        signed = len(raw) - len(parse_quote(bytes(raw)).certificates)
        raw[data.draw(st.integers(0, signed - 1))] ^= 1 << data.draw(st.integers(0, 7))
        place[name] = base64.b64encode(bytes(raw)).decode()
    else:
        place[name] = data.draw(_other(place[name]))
    try:
        read = msgspec.convert(changed, KeyAttestation)
    except msgspec.ValidationError:
        return
    assert read == found or not verify_key_attestation(read, trust, at, NONCE).accepted


@given(place=st.integers(0), value=st.text(max_size=5))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_other_collateral_makes_nothing_else_believed(
    said: tuple[KeyAttestation, PinnedTrust, int], place: int, value: str
) -> None:
    """It is signed by others, and holds more than is needed: what is not needed proves nothing."""
    found, trust, at = said
    name = sorted(found.collateral)[place % len(found.collateral)]
    changed = replace(found, collateral=found.collateral | {name: value})
    verdict = verify_key_attestation(changed, trust, at, NONCE)
    assert not verdict.accepted or verdict.statement == found.statement.parsed()
    assert not verify_key_attestation(replace(changed, signature="00" * 64), trust, at, NONCE).accepted


def test_a_cluster_of_somebody_elses_is_refused_however_consistent_it_is(
    said: tuple[KeyAttestation, PinnedTrust, int], tmp_path: Path
) -> None:
    _, trust, at = said
    other = founded(Founders(tmp_path / "manifest"), tmp_path)
    made = document(attested(other, exportable(other, [Recipient.new()])))
    assert verify_key_attestation(made, trust_in(other), at, NONCE).accepted
    verdict = verify_key_attestation(made, trust, at, NONCE)
    assert refused(verdict) == {Step.LOG_KEY, Step.CLUSTER}
    ours = replace(made, statement=replace(made.statement, cluster=str(trust.cluster)))
    assert refused(verify_key_attestation(ours, trust, at, NONCE)) == {Step.SIGNATURE, Step.LOG_KEY}


def test_each_pin_is_kept_to(said: tuple[KeyAttestation, PinnedTrust, int]) -> None:
    found, trust, at = said

    def steps(pinned: PinnedTrust, nonce: bytes = NONCE, when: int = at) -> set[Step]:
        return refused(verify_key_attestation(found, pinned, when, nonce))

    assert steps(replace(trust, cluster="00" * 32)) == {Step.CLUSTER, Step.LOG_KEY}
    assert steps(replace(trust, measurements=("00" * 32,))) == {Step.ENCLAVE}
    assert steps(replace(trust, measurements=("00" * 48,))) == {Step.ENCLAVE}
    assert Step.QUOTE in steps(replace(trust, roots=("intel",)))
    assert steps(replace(trust, log_key="00" * 32)) == {Step.LOG_KEY}
    assert steps(trust, nonce=bytes(32)) == {Step.NONCE}
    assert Step.QUOTE in steps(trust, when=at + 400 * DAY_SECONDS)


@pytest.mark.parametrize("missing", ["cluster", "measurements", "roots"])
def test_what_is_not_pinned_is_unanchored_and_not_accepted(
    said: tuple[KeyAttestation, PinnedTrust, int], missing: str
) -> None:
    found, trust, at = said
    pins = {name: value for name, value in msgspec.to_builtins(trust).items() if name != missing}
    verdict = verify_key_attestation(found, msgspec.convert(pins, PinnedTrust), at, NONCE)
    assert not verdict.accepted
    assert not refused(verdict)


def test_without_any_trust_every_step_is_unanchored(said: tuple[KeyAttestation, PinnedTrust, int]) -> None:
    found, _, at = said
    verdict = verify_key_attestation(found, PinnedTrust(), at, NONCE)
    assert {each.outcome for each in verdict.findings} == {Outcome.UNANCHORED}
    forged = replace(found, signature="00" * 64)
    assert refused(verify_key_attestation(forged, PinnedTrust(), at)) == {Step.SIGNATURE}


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"cluster": "AA"}', b'{"roots": ["aa"]}', b'{"roots": ["Intel"]}', b'{"what": 1}', b"\xff"]
)
def test_a_trust_file_is_that_or_nothing(text: bytes) -> None:
    with pytest.raises(CodecError):
        read_trust(text)
