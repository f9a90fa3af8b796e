"""Certificates as files, as the standard library wants them."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import Certificate


def pem_files(directory: Path, key: ec.EllipticCurvePrivateKey, certificate: Certificate) -> tuple[Path, Path]:
    """Certificate and key."""
    files = directory / "test.pem", directory / "test.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
