"""Who gets a certificate of the cluster, what it is good for, and what ends it."""

import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from nsl_enclave.kernel.errors import Violation
from nsl_enclave.kernel.phases import Role
from nsl_enclave.kernel.server import Peer
from nsl_enclave.kme import cluster as cluster_module
from nsl_protocol.attestation.binding import Purpose, report_data
from nsl_protocol.attestation.policy import EnclaveRule
from nsl_protocol.cluster.enrolment import key_statement
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import (
    ApplyManifest,
    Enrol,
    Enrolled,
    GetQuote,
    KeyProof,
    ManifestApplied,
    Quoted,
    QuoteProof,
)
from nsl_protocol.enclave.messages import GetStatus, Seal
from tests.enclave.replica import MRENCLAVE, BentPlatform, Founders, Replica
from tests.enclave.test_cluster import NONCE, bootstrap

BRIDGE = BentPlatform(mrenclave=b"b" * 32)
DAY = 86_400.0


def spki(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def service() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def founders(tmp_path: Path, service: ec.EllipticCurvePrivateKey) -> Founders:
    made = Founders(tmp_path / "manifest", clients={"service": hashlib.sha256(spki(service)).hexdigest()})
    programs = {
        Program.KME: (EnclaveRule(mrenclave=MRENCLAVE.hex()),),
        Program.CBE: (EnclaveRule(mrenclave=BRIDGE.measurement),),
    }
    made.update(programs=programs)
    return made


@pytest.fixture
def kme(founders: Founders, tmp_path: Path) -> Replica:
    made = Replica(founders, tmp_path / "kme")
    bootstrap(made, founders)
    return made


def challenge(kme: Replica) -> Quoted:
    return kme.ask(Quoted, GetQuote(Purpose.ENROL_SERVER, NONCE))


def by_key(kme: Replica, key: ec.EllipticCurvePrivateKey, tls: bytes, name: str = "service") -> Enrol:
    quoted = challenge(kme)
    statement = key_statement(quoted.cluster, quoted.challenge, tls, quoted.keys[0])
    return Enrol(name, tls, KeyProof(spki(key), key.sign(statement, ec.ECDSA(hashes.SHA256()))))


def by_quote(
    kme: Replica,
    tls: bytes,
    *,
    platform: BentPlatform = BRIDGE,
    name: str = "cbe",
    purpose: Purpose = Purpose.ENROL_CLIENT,
) -> Enrol:
    quoted = challenge(kme)
    bound = report_data(purpose, quoted.cluster, quoted.challenge, tls, quoted.keys[0])
    return Enrol(name, tls, QuoteProof(platform.quote(bound), platform.collateral(kme.cluster.now())))


def peer_of(kme: Replica, enrolled: Enrolled) -> Peer:
    """As after a handshake."""
    kme.program.context()
    return kme.program.peer(x509.load_der_x509_certificate(enrolled.certificate))


def test_a_listed_client_and_a_listed_enclave_get_certificates_of_their_roles(
    kme: Replica, service: ec.EllipticCurvePrivateKey
) -> None:
    tls = ec.generate_private_key(ec.SECP256R1())
    host = kme.ask(Enrolled, by_key(kme, service, spki(tls)))
    bridge = kme.ask(Enrolled, by_quote(kme, spki(tls)))
    assert (peer_of(kme, host).role, peer_of(kme, host).name) == (Role.CLIENT, "service")
    assert (peer_of(kme, bridge).role, peer_of(kme, bridge).name) == (Role.ENCLAVE, "cbe")
    for each in (host, bridge):
        leaf, authority = map(x509.load_der_x509_certificate, (each.certificate, each.authority))
        leaf.verify_directly_issued_by(authority)
        assert leaf.public_key() == tls.public_key()
        assert each.expires_at - kme.cluster.now() <= DAY
        assert leaf.not_valid_after_utc.timestamp() == each.expires_at
    with pytest.raises(Violation, match="Seal is not taken from enclave"):
        kme.call(Seal("p", b"s"), peer_of(kme, bridge))
    kme.call(GetStatus(), peer_of(kme, bridge))


REFUSED = {
    "another enclave": ({"platform": BentPlatform(mrenclave=b"x" * 32)}, "measurement"),
    "the key enclave as a bridge": ({"platform": BentPlatform()}, "measurement"),
    "a debug enclave": ({"platform": BentPlatform(mrenclave=b"b" * 32, debug=True)}, "debug"),
    "a program that the manifest does not list": ({"name": "ave"}, "measurement"),
    "an evidence quote": ({"purpose": Purpose.EVIDENCE}, "report_data"),
    "a join quote": ({"purpose": Purpose.JOIN}, "report_data"),
    "a server's quote": ({"purpose": Purpose.ENROL_SERVER}, "report_data"),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_a_quote_that_is_not_for_this_enrols_nobody(kme: Replica, what: str) -> None:
    bend, reason = REFUSED[what]
    tls = spki(ec.generate_private_key(ec.SECP256R1()))
    refusal = kme.refusal(by_quote(kme, tls, **bend))  # type: ignore[arg-type]
    assert refusal.startswith(f"NOT_ADMITTED: {reason}: ")


def test_a_quote_for_another_key_or_challenge_enrols_nobody(kme: Replica) -> None:
    tls, other = (spki(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    assert kme.refusal(replace(by_quote(kme, tls), tls_key=other)).startswith("NOT_ADMITTED: report_data: ")
    request = by_quote(kme, tls)
    challenge(kme)
    assert kme.refusal(request).startswith("NOT_ADMITTED: report_data: ")
    assert kme.refusal(request).startswith("NOT_ADMITTED: Ask for a quote first")
    assert kme.refusal(replace(by_quote(kme, tls), name="nobody")) == "NOT_ADMITTED: There is no program nobody."


def test_a_certificate_is_over_p256_alone(kme: Replica, service: ec.EllipticCurvePrivateKey) -> None:
    p384, edwards = ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()
    for tls in (spki(p384), spki(edwards), b"no key", b"\x30\x00"):
        assert kme.refusal(by_key(kme, service, tls)).startswith("NOT_ADMITTED: The key is not ")


def test_what_ends_a_certificate(
    kme: Replica, founders: Founders, service: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = spki(ec.generate_private_key(ec.SECP256R1()))

    def fresh() -> Peer:
        return peer_of(kme, kme.ask(Enrolled, by_key(kme, service, tls)))

    first, second = fresh(), fresh()
    kme.program.expel(first)
    assert [kme.program.stands(each) for each in (first, second)] == [False, True]
    # The host's clock, a day off in either direction, ends nothing and reopens nothing.
    true_wall, true_monotonic = cluster_module.wall, cluster_module.monotonic
    for astray in (DAY, -DAY):
        monkeypatch.setattr(cluster_module, "wall", lambda astray=astray: true_wall() + astray)
        assert kme.program.stands(second)
    monkeypatch.setattr(cluster_module, "monotonic", lambda: true_monotonic() + DAY + 1)
    assert not kme.program.stands(second), "a day has really passed"
    monkeypatch.setattr(cluster_module, "monotonic", true_monotonic)
    assert not kme.program.stands(second), "time does not run backward"
    third = fresh()
    kme.ask(ManifestApplied, ApplyManifest(founders.update(lease_seconds=60)))
    assert not kme.program.stands(third), "another manifest, another authority"


def test_a_certificate_of_the_authority_before_is_refused_in_a_handshake_that_began_with_it(
    kme: Replica, founders: Founders, service: ec.EllipticCurvePrivateKey
) -> None:
    old = kme.ask(Enrolled, by_key(kme, service, spki(ec.generate_private_key(ec.SECP256R1()))))
    kme.program.context()
    kme.ask(ManifestApplied, ApplyManifest(founders.update(lease_seconds=60)))
    kme.program.context()
    with pytest.raises(Violation):
        kme.program.peer(x509.load_der_x509_certificate(old.certificate))
