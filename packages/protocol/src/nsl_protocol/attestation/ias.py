"""Archive mode: reports of the Intel Attestation Service, which ended on 2 April 2025 (EPID).

For auditors who must read what was attested then. No key is ever released on such a report. Format: "Attestation
Service for Intel SGX: API documentation", revision 7, section 4.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import DecodeError, Struct
from msgspec.json import decode

from nsl_protocol.attestation.quote import SgxIdentity
from nsl_protocol.errors import CodecError

REPORT_BYTES_MAX = 65_536
_QUOTE_BODY_BYTES = 432
_DEBUG = 0x02


@dataclass(frozen=True, slots=True)
class IasReport:
    """A report that the service had signed. ``root`` is the SHA-256 (hex) of the root certificate it chains to."""

    at: datetime
    status: str
    advisories: tuple[str, ...]
    identity: SgxIdentity
    debug: bool
    report_data: bytes
    root: str


class _Body(
    Struct,
    rename={"status": "isvEnclaveQuoteStatus", "quote": "isvEnclaveQuoteBody", "advisories": "advisoryIDs"},
):
    timestamp: str
    version: int
    status: str
    quote: str
    advisories: tuple[str, ...] = ()


def read_report(body: bytes, signature: bytes, chain: bytes, root: bytes) -> IasReport:
    """Verify an archived report at the time that it states.

    Args:
        body: the response body, byte for byte.
        signature: ``X-IASReport-Signature``, base64.
        chain: ``X-IASReport-Signing-Certificate``, URL-decoded PEM: the signing certificate, then its root.
        root: the trusted root certificate ("Intel SGX Attestation Report Signing CA"), PEM.

    Raises:
        CodecError: not such a report, not signed by a certificate of that root, or outside their validity.
    """
    if len(body) > REPORT_BYTES_MAX:
        raise CodecError(f"more than {REPORT_BYTES_MAX} bytes", field="report")
    try:
        found = decode(body, type=_Body)
        at = datetime.fromisoformat(found.timestamp).replace(tzinfo=UTC)
        quote = base64.b64decode(found.quote, validate=True)
        signed = base64.b64decode(signature, validate=True)
    except (DecodeError, ValueError, binascii.Error) as error:
        raise CodecError("is no report of the Intel Attestation Service", field="report") from error
    if len(quote) != _QUOTE_BODY_BYTES:
        raise CodecError(f"its quote body has {len(quote)} bytes, not {_QUOTE_BODY_BYTES}", field="report")
    signer, anchor = _certificates(chain, root, at)
    try:
        _key(signer).verify(signed, body, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise CodecError("its signature does not hold", field="report") from error
    report = quote[48:]
    return IasReport(
        at=at,
        status=found.status,
        advisories=found.advisories,
        identity=SgxIdentity(
            mrenclave=report[64:96],
            mrsigner=report[128:160],
            isv_prod_id=int.from_bytes(report[256:258], "little"),
            isv_svn=int.from_bytes(report[258:260], "little"),
        ),
        debug=bool(report[48] & _DEBUG),
        report_data=report[320:384],
        root=hashlib.sha256(anchor.public_bytes(Encoding.DER)).hexdigest(),
    )


def _certificates(chain: bytes, root: bytes, at: datetime) -> tuple[x509.Certificate, x509.Certificate]:
    """The signing certificate and the trusted root that issued it, both valid at that time."""
    try:
        signer = x509.load_pem_x509_certificates(chain)[0]
        anchor = x509.load_pem_x509_certificate(root)
        signer.verify_directly_issued_by(anchor)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CodecError("the signing certificate is not one of the trusted root", field="chain") from error
    for certificate in (signer, anchor):
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise CodecError(f"{certificate.subject.rfc4514_string()} was not valid at {at:%Y-%m-%d}", field="chain")
    return signer, anchor


def _key(certificate: x509.Certificate) -> rsa.RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise CodecError("the signing key is not RSA", field="chain")
    return key
