"""Archived reports of the Intel Attestation Service, signed here under a root of our own of the same shape."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from nsl_protocol.attestation.ias import read_report
from nsl_protocol.errors import CodecError

FROM, UNTIL = datetime(2016, 11, 22, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)


class Authority:
    """A root and the signing certificate that it issued."""

    def __init__(self) -> None:
        root_key = rsa.generate_private_key(65537, 2048)
        self.key = rsa.generate_private_key(65537, 2048)
        root_name, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("root", "signing"))
        builder = x509.CertificateBuilder().not_valid_before(FROM).not_valid_after(UNTIL)
        root = builder.subject_name(root_name).issuer_name(root_name).public_key(root_key.public_key())
        leaf = builder.subject_name(name).issuer_name(root_name).public_key(self.key.public_key())
        self.root = root.serial_number(1).sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM)
        self.leaf = leaf.serial_number(2).sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def sign(self, body: bytes) -> bytes:
        return base64.b64encode(self.key.sign(body, padding.PKCS1v15(), hashes.SHA256()))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def body(at: datetime = FROM + timedelta(days=1000), **changed: object) -> bytes:
    quote = bytearray(432)
    quote[48 + 64 : 48 + 96] = b"\x11" * 32
    quote[48 + 128 : 48 + 160] = b"\x22" * 32
    quote[48 + 256], quote[48 + 258], quote[48 + 48] = 3, 4, 0x07
    quote[48 + 320 : 432] = b"\x33" * 64
    report: dict[str, object] = {
        "id": "1",
        "timestamp": at.replace(tzinfo=None).isoformat(),
        "version": 4,
        "isvEnclaveQuoteStatus": "GROUP_OUT_OF_DATE",
        "advisoryIDs": ["INTEL-SA-00334"],
        "isvEnclaveQuoteBody": base64.b64encode(quote).decode(),
    }
    return json.dumps(report | changed).encode()


def test_a_report_is_read(authority: Authority) -> None:
    found = read_report(body(), authority.sign(body()), authority.leaf + authority.root, authority.root)
    assert (found.status, found.advisories) == ("GROUP_OUT_OF_DATE", ("INTEL-SA-00334",))
    assert (found.identity.mrenclave, found.identity.mrsigner) == (b"\x11" * 32, b"\x22" * 32)
    assert (found.identity.isv_prod_id, found.identity.isv_svn, found.debug) == (3, 4, True)
    assert found.report_data == b"\x33" * 64


def test_what_is_not_signed_by_that_root_is_refused(authority: Authority) -> None:
    other = Authority()
    with pytest.raises(CodecError, match="signature"):
        read_report(body(), other.sign(body()), authority.leaf, authority.root)
    with pytest.raises(CodecError, match="trusted root"):
        read_report(body(), other.sign(body()), other.leaf + other.root, authority.root)
    with pytest.raises(CodecError, match="signature"):
        read_report(body() + b" ", authority.sign(body()), authority.leaf, authority.root)


@pytest.mark.parametrize("at", [FROM - timedelta(days=1), UNTIL + timedelta(days=1)])
def test_a_report_of_a_time_when_the_certificate_was_not_valid_is_refused(authority: Authority, at: datetime) -> None:
    with pytest.raises(CodecError, match="was not valid"):
        read_report(body(at), authority.sign(body(at)), authority.leaf, authority.root)


@pytest.mark.parametrize(
    "damaged",
    [b"{}", b"[]", body(isvEnclaveQuoteBody="AAAA"), body(isvEnclaveQuoteBody="?"), body(timestamp="x"), b"\xff"],
)
def test_what_is_no_report_is_refused(authority: Authority, damaged: bytes) -> None:
    with pytest.raises(CodecError):
        read_report(damaged, authority.sign(damaged), authority.leaf, authority.root)
    with pytest.raises(CodecError):
        read_report(body(), b"?", authority.leaf, authority.root)
    with pytest.raises(CodecError):
        read_report(body(), authority.sign(body()), b"no chain", authority.root)
