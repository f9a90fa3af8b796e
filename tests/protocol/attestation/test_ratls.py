"""RA-TLS certificates: those of Gramine and the SGX SDK, and our own of both forms, whole and damaged."""

import hashlib
from datetime import UTC, datetime, timedelta

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_protocol.attestation.quote import parse_quote
from nsl_protocol.attestation.ratls import CERTIFICATE_BYTES_MAX, INTEROPERABLE, LEGACY, parse_certificate
from nsl_protocol.errors import CodecError
from tests.protocol.attestation.real_quotes import FOLDER, needs_shared

KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
QUOTE = b"a quote, which the certificate's parser does not look into"


def certificate(extensions: dict[str, bytes]) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "enclave")])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder(name, name, KEY.public_key(), 1)
        .not_valid_before(at)
        .not_valid_after(at + timedelta(days=1))
    )
    for identifier, value in extensions.items():
        builder = builder.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(identifier), value), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def claims(**changed: object) -> bytes:
    stated: dict[str, object] = {"pubkey-hash": cbor2.dumps([1, hashlib.sha256(SPKI).digest()])}
    stated |= {name.replace("_", "-"): value for name, value in changed.items()}
    return cbor2.dumps({name: value for name, value in stated.items() if value is not None})


def evidence(stated: bytes) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(60_000, [QUOTE, stated]))


@needs_shared
@pytest.mark.parametrize("name", ["gramine-cert.pem", "intel-sgxsdk-cert.pem"])
def test_real_certificates_are_read_and_bound(name: str) -> None:
    found = parse_certificate((FOLDER / "ratls" / name).read_bytes())
    quote = parse_quote(found.quote)
    assert quote.exact
    assert found.bound(quote.report_data)
    assert not found.bound(bytes(64))


@pytest.mark.parametrize("identifier", LEGACY)
def test_the_legacy_form_binds_the_key(identifier: str) -> None:
    found = parse_certificate(certificate({identifier: QUOTE}))
    assert (found.quote, found.public_key, found.nonce) == (QUOTE, SPKI, None)
    assert found.bound(hashlib.sha256(SPKI).digest() + bytes(32))


@pytest.mark.parametrize(("algorithm", "digest"), [(1, hashlib.sha256), (7, hashlib.sha384), (8, hashlib.sha512)])
def test_the_interoperable_form_binds_the_claims(algorithm: int, digest) -> None:
    stated = claims(pubkey_hash=cbor2.dumps([algorithm, digest(SPKI).digest()]), nonce=b"asked")
    found = parse_certificate(certificate({INTEROPERABLE: evidence(stated)}))
    assert (found.quote, found.nonce) == (QUOTE, b"asked")
    assert found.bound(hashlib.sha256(stated).digest() + bytes(32))
    assert not found.bound(hashlib.sha256(SPKI).digest() + bytes(32))


def test_the_interoperable_form_goes_before_the_legacy_one() -> None:
    both = parse_certificate(certificate({LEGACY[0]: b"another quote", INTEROPERABLE: evidence(claims())}))
    assert both.quote == QUOTE


REFUSED = {
    "no public-key hash": evidence(claims(pubkey_hash=None)),
    "a hash of another key": evidence(claims(pubkey_hash=cbor2.dumps([1, bytes(32)]))),
    "an unknown hash": evidence(claims(pubkey_hash=cbor2.dumps([99, hashlib.sha256(SPKI).digest()]))),
    "a hash that is no CBOR": evidence(claims(pubkey_hash=b"\xff")),
    "a nonce that is no bytes": evidence(claims(nonce=5)),
    "claims that are a list": evidence(cbor2.dumps([])),
    "another tag": cbor2.dumps(cbor2.CBORTag(60_001, [QUOTE, claims()])),
    "no tag": cbor2.dumps([QUOTE, claims()]),
    "one element": cbor2.dumps(cbor2.CBORTag(60_000, [QUOTE])),
    "bytes behind it": evidence(claims()) + b"\0",
    "nothing": b"",
}


@pytest.mark.parametrize("extension", REFUSED.values(), ids=REFUSED)
def test_evidence_that_says_nothing_of_the_key_is_refused(extension: bytes) -> None:
    with pytest.raises(CodecError):
        parse_certificate(certificate({INTEROPERABLE: extension}))


def test_a_certificate_without_a_quote_is_refused() -> None:
    with pytest.raises(CodecError, match="carries no quote"):
        parse_certificate(certificate({}))
    with pytest.raises(CodecError, match="more than"):
        parse_certificate(bytes(CERTIFICATE_BYTES_MAX + 1))


WHOLE = certificate({INTEROPERABLE: evidence(claims())})


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_never_crashes_and_never_loses_the_binding(data: st.DataObject) -> None:
    whole = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole)
    try:
        found = parse_certificate(cut)
    except CodecError:
        return
    assert hashlib.sha256(found.public_key).digest() in cut or found.public_key == SPKI
