"""Certificates of the channel between service and enclave, made anew at every start of ``nsl up``.

One authority whose key is forgotten at once, one server leaf for the enclave, one client leaf for the service: P-256,
extended key usage by role, so that neither can stand in for the other.
"""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from nsl.kit.clock import now

LIFETIME = timedelta(days=365)
_SKEW = timedelta(minutes=5)


def make_certificates(directory: Path) -> None:
    """Write ``ca.pem``, ``service.pem/.key`` and ``kme.pem/.key`` (mode 0600) into ``directory``, made when missing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("nsl up", authority_key.public_key(), authority_key, issuer=None, usage=None)
    _write(directory / "ca.pem", authority.public_bytes(Encoding.PEM))
    roles = {"service": ExtendedKeyUsageOID.CLIENT_AUTH, "kme": ExtendedKeyUsageOID.SERVER_AUTH}
    for name, usage in roles.items():
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate(name, key.public_key(), authority_key, issuer=authority, usage=usage)
        _write(directory / f"{name}.pem", leaf.public_bytes(Encoding.PEM))
        _write(directory / f"{name}.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    signing_key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Certificate | None,
    usage: ObjectIdentifier | None,
) -> x509.Certificate:
    """A self-signed authority without an issuer, else a leaf for loopback."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    is_authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - _SKEW)
        .not_valid_after(now() + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(_key_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if usage is not None:
        names = [x509.DNSName("localhost"), x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)
