"""What Intel provides to a real platform, under a private root: certificates, revocation lists, TCB Info, QE identity.

The forms are Intel's: "SGX PCK Certificate and CRL Profile Specification" 1.5, and the PCS API version 4 (TCB Info
version 3, QE identity version 2). Everything but times follows from one secret, so nothing else has to be kept. The
parameters exist for tests, which need platforms that are out of date, weak or revoked.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from nsl_enclave.kernel.derivation import derive, derive_p256

QE_SIGNER = hashlib.sha256(b"nsl simulated quoting enclave").digest()
QE_PRODUCT = 1
QE_SVN = 1
FMSPC = bytes.fromhex("53494d000001")
PCE_ID = bytes(2)
PCE_SVN = 1
CPU_SVN = bytes((1,)) * 16

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_END = datetime(2066, 1, 1, tzinfo=UTC)
_COLLATERAL_LIFETIME = timedelta(days=30)
_SGX_EXTENSION = "1.2.840.113741.1.13.1"
_CRL_URL = "https://simulation.invalid/crl"
_DER_SEQUENCE, _DER_OCTETS, _DER_OBJECT, _DER_INTEGER, _DER_ENUMERATED = 0x30, 0x04, 0x06, 0x02, 0x0A
_DER_SHORT = 0x80
_INFO = b"nsl-simulation-v1\0"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is said of the platform.

    Attributes:
        status: of its TCB, in Intel's words.
        revoked: whether its certificate stands on the revocation list.
    """

    status: str = "UpToDate"
    advisories: tuple[str, ...] = ()
    evaluation_number: int = 1
    root_crl_number: int = 1
    pck_crl_number: int = 1
    revoked: bool = False


class Provisioning:
    """An authority like Intel's, with one platform."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._root = self._key("root")
        self._authority = self._key("pck authority")
        self._signer = self._key("tcb signer")
        self.platform_key = self._key("platform")
        root = _name("NSL Simulated SGX Root CA")
        authority = _name("NSL Simulated SGX PCK Platform CA")
        platform = _name("NSL Simulated SGX PCK Certificate")
        self._root_certificate = self._issue(root, self._root.public_key(), root, self._root, authority=True)
        self._pck_authority = self._issue(authority, self._authority.public_key(), root, self._root, authority=True)
        signer = _name("NSL Simulated SGX TCB Signing")
        self._tcb_signer = self._issue(signer, self._signer.public_key(), root, self._root)
        extension = x509.UnrecognizedExtension(ObjectIdentifier(_SGX_EXTENSION), _platform_extension(self._key_id()))
        self._platform = self._issue(
            platform, self.platform_key.public_key(), authority, self._authority, extension=extension
        )

    @property
    def root_der(self) -> bytes:
        """The root certificate: whoever trusts it takes a simulation for an enclave."""
        return self._root_certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> bytes:
        """Of the platform: its certificate, its authority's and the root's, in PEM."""
        return _pem(self._platform, self._pck_authority, self._root_certificate)

    def attestation_key(self) -> ec.EllipticCurvePrivateKey:
        """The quoting enclave's key."""
        return self._key("attestation")

    def collateral(self, at: datetime, standing: Standing) -> str:
        """``QuoteCollateralV3`` as JSON, issued at the beginning of that day, valid for 30 days."""
        issued = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        until = issued + _COLLATERAL_LIFETIME
        stamps = {"issueDate": _stamp(issued), "nextUpdate": _stamp(until)}
        revoked = [self._platform.serial_number] if standing.revoked else []
        tcb_info = _compact(_tcb_info(stamps, standing))
        qe_identity = _compact(_qe_identity(stamps, standing.evaluation_number))
        root_chain = _pem(self._tcb_signer, self._root_certificate).decode()
        return _compact(
            {
                "pck_crl_issuer_chain": _pem(self._pck_authority, self._root_certificate).decode(),
                "root_ca_crl": self._crl(
                    self._root_certificate, self._root, standing.root_crl_number, (issued, until), []
                ),
                "pck_crl": self._crl(
                    self._pck_authority, self._authority, standing.pck_crl_number, (issued, until), revoked
                ),
                "tcb_info_issuer_chain": root_chain,
                "tcb_info": tcb_info,
                "tcb_info_signature": raw_signature(self._signer, tcb_info.encode()).hex(),
                "qe_identity_issuer_chain": root_chain,
                "qe_identity": qe_identity,
                "qe_identity_signature": raw_signature(self._signer, qe_identity.encode()).hex(),
            }
        )

    def _key(self, purpose: str) -> ec.EllipticCurvePrivateKey:
        return derive_p256(self._secret, _INFO + purpose.encode())

    def _key_id(self) -> bytes:
        return derive(self._secret, _INFO + b"ppid", 16)

    def _issue(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        issuer: x509.Name,
        signing_key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        extension: x509.UnrecognizedExtension | None = None,
    ) -> x509.Certificate:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(_CRL_URL)], None, None, None)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(int.from_bytes(derive(self._secret, _INFO + subject.public_bytes(), 16)) | 1)
            .not_valid_before(_BEGIN)
            .not_valid_after(_END)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(_usage(authority=authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
        )
        if extension is not None:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(signing_key, hashes.SHA256(), ecdsa_deterministic=True)

    @staticmethod
    def _crl(
        issuer: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        number: int,
        period: tuple[datetime, datetime],
        revoked: list[int],
    ) -> str:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(period[0])
            .next_update(period[1])
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(period[0]).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER).hex()


def raw_signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """ECDSA P-256 with SHA-256 as r‖s, 64 bytes."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def raw_public_key(key: ec.EllipticCurvePublicKey) -> bytes:
    """x‖y, 64 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def _tcb_info(stamps: dict[str, str], standing: Standing) -> dict[str, Any]:
    level: dict[str, Any] = {
        "tcb": {"sgxtcbcomponents": [{"svn": svn} for svn in CPU_SVN], "pcesvn": PCE_SVN},
        "tcbDate": _stamp(_BEGIN),
        "tcbStatus": standing.status,
    }
    if standing.advisories:
        level["advisoryIDs"] = list(standing.advisories)
    return {
        "id": "SGX",
        "version": 3,
        **stamps,
        "fmspc": FMSPC.hex().upper(),
        "pceId": PCE_ID.hex(),
        "tcbType": 0,
        "tcbEvaluationDataNumber": standing.evaluation_number,
        "tcbLevels": [level],
    }


def _qe_identity(stamps: dict[str, str], evaluation_number: int) -> dict[str, Any]:
    return {
        "id": "QE",
        "version": 2,
        **stamps,
        "tcbEvaluationDataNumber": evaluation_number,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": QE_SIGNER.hex().upper(),
        "isvprodid": QE_PRODUCT,
        "tcbLevels": [{"tcb": {"isvsvn": QE_SVN}, "tcbDate": _stamp(_BEGIN), "tcbStatus": "UpToDate"}],
    }


def _platform_extension(key_id: bytes) -> bytes:
    components = [_entry(f"2.{number}", _integer(svn)) for number, svn in enumerate(CPU_SVN, 1)]
    components += [_entry("2.17", _integer(PCE_SVN)), _entry("2.18", _der(_DER_OCTETS, CPU_SVN))]
    return _der(
        _DER_SEQUENCE,
        _entry("1", _der(_DER_OCTETS, key_id))
        + _entry("2", _der(_DER_SEQUENCE, b"".join(components)))
        + _entry("3", _der(_DER_OCTETS, PCE_ID))
        + _entry("4", _der(_DER_OCTETS, FMSPC))
        + _entry("5", _der(_DER_ENUMERATED, b"\0")),
    )


def _entry(branch: str, value: bytes) -> bytes:
    """A pair of an object identifier below Intel's SGX extension, and its value."""
    # Every arc but the four of the prefix is below 128: one byte each.
    prefix = bytes.fromhex("2a864886f84d010d01")
    return _der(_DER_SEQUENCE, _der(_DER_OBJECT, prefix + bytes(map(int, branch.split(".")))) + value)


def _integer(value: int) -> bytes:
    return _der(_DER_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < _DER_SHORT:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, _DER_SHORT | len(length))) + length + content


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _compact(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
