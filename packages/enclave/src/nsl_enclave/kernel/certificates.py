"""The cluster's own certificates: one authority that every replica derives, and leaves of at most a day.

The names are short because two programs read them: ``OU`` is the role, ``CN`` the name.
"""

import hashlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nsl_enclave.kernel.clock import random_bytes

_BEGIN, _END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2066, 1, 1, tzinfo=UTC)
_SKEW_SECONDS = 300


class Authority:
    """Issues leaves. The same key and name give the same certificate, on every replica and after every start."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, name: str) -> None:
        self._key = key
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (
            _builder(subject, subject, key.public_key(), key, _BEGIN, _END)
            .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:16]) | 1)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
        )

    def issue(
        self, key: ec.EllipticCurvePublicKey, role: str, name: str, issued: float, expires: int
    ) -> x509.Certificate:
        """A leaf: for a host's ``client`` to call with, for an ``enclave`` to call and to answer as ``name`` with."""
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if role == "enclave":
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        begin = datetime.fromtimestamp(int(issued) - _SKEW_SECONDS, UTC)
        end = datetime.fromtimestamp(expires, UTC)
        return (
            _builder(_leaf_name(role, name), self.certificate.subject, key, self._key, begin, end)
            .serial_number(int.from_bytes(random_bytes(16)) | 1)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def self_signed(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    """What a program shows before there is an authority, and to those who do not know it yet: a key without a claim."""
    subject = _leaf_name("enclave", name)
    return (
        _builder(subject, subject, key.public_key(), key, _BEGIN, _END)
        .serial_number(int.from_bytes(random_bytes(16)) | 1)
        .sign(key, hashes.SHA256())
    )


def role_and_name(certificate: x509.Certificate) -> tuple[str, str]:
    """What ``issue`` was told."""
    subject = certificate.subject
    role, name = (
        subject.get_attributes_for_oid(oid)[0].value for oid in (NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME)
    )
    return str(role), str(name)


def _leaf_name(role: str, name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signing_key: ec.EllipticCurvePrivateKey,
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
