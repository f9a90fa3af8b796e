"""What a DCAP quote says, before anybody has verified it.

Layouts: "Intel SGX ECDSA QuoteLibReferenceDCAP API", appendix A (SGX, version 3), and "Intel TDX DCAP Quoting Library
API", appendix A (TDX, versions 4 and 5). Integers are little-endian.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from nsl_protocol.errors import CodecError, LimitError

QUOTE_BYTES_MAX = 65_536
REPORT_DATA_BYTES = 64

_HEADER_BYTES = 48
_SGX_BODY_BYTES = 384
_TDX_BODY_BYTES = {1: 0, 2: 584, 3: 648}  # by the body type of version 5; 1 is SGX, which comes in version 3 only
_TDX_10 = 2
_V3, _V4, _V5 = 3, 4, 5
_TEE_SGX, _TEE_TDX = 0, 0x81
_SIGNATURE_AND_KEY_BYTES = 128
_QE_REPORT_AND_SIGNATURE_BYTES = 448
_QE_REPORT_CERTIFICATION = 6
_SGX_DEBUG = 0x02
_TDX_DEBUG = 0x01


class Tee(StrEnum):
    SGX = "SGX"
    TDX = "TDX"


@dataclass(frozen=True, slots=True)
class SgxIdentity:
    """Which enclave: 32-byte hashes of its code and of its signer's key, its product number and security version."""

    mrenclave: bytes
    mrsigner: bytes
    isv_prod_id: int
    isv_svn: int


@dataclass(frozen=True, slots=True)
class TdxIdentity:
    """Which trust domain: 48-byte hashes of its initial image, of the TDX module, and four run-time registers."""

    mrtd: bytes
    mrseam: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote's claims.

    Attributes:
        exact: its parts fill it with no gap between them and no byte after them.
        certificates: of the platform, at its end. No claim, for no signature covers how they are written.
    """

    exact: bool
    certificates: bytes = field(compare=False, repr=False)
    version: int
    tee: Tee
    identity: SgxIdentity | TdxIdentity
    debug: bool
    report_data: bytes

    @property
    def measurement(self) -> bytes:
        """``mrenclave`` or ``mrtd``."""
        return self.identity.mrenclave if isinstance(self.identity, SgxIdentity) else self.identity.mrtd


def parse_quote(raw: bytes) -> Quote:
    """Read the claims of a quote, whose signature nobody has checked.

    Raises:
        LimitError: more than ``QUOTE_BYTES_MAX`` bytes.
        CodecError: no quote of a known version and TEE, or cut short.
    """
    if len(raw) > QUOTE_BYTES_MAX:
        raise LimitError(f"a quote of {len(raw)} bytes, at most {QUOTE_BYTES_MAX} are allowed", field="quote")
    version, tee = _integer(raw, 0, 2), _integer(raw, 4, 4)
    if (version, tee) == (_V3, _TEE_SGX):
        return _sgx(raw, _parts(raw, _HEADER_BYTES + _SGX_BODY_BYTES, nested=False))
    if (version, tee) == (_V4, _TEE_TDX):
        parts = _parts(raw, _HEADER_BYTES + _TDX_BODY_BYTES[_TDX_10], nested=True)
        return _tdx(raw, version, _HEADER_BYTES, parts)
    if (version, tee) == (_V5, _TEE_TDX):
        kind, length = _integer(raw, _HEADER_BYTES, 2), _integer(raw, _HEADER_BYTES + 2, 4)
        if kind < _TDX_10 or _TDX_BODY_BYTES.get(kind) != length:
            raise CodecError(f"a body of type {kind} with {length} bytes is unknown", field="quote")
        body = _HEADER_BYTES + 6
        return _tdx(raw, version, body, _parts(raw, body + length, nested=True))
    raise CodecError(f"a quote of version {version} for TEE type {tee:#x} is unknown", field="quote")


def _sgx(raw: bytes, parts: "_Parts") -> Quote:
    body = raw[_HEADER_BYTES : _HEADER_BYTES + _SGX_BODY_BYTES]
    return Quote(
        exact=parts.exact,
        certificates=parts.certificates,
        version=_V3,
        tee=Tee.SGX,
        identity=SgxIdentity(
            mrenclave=body[64:96],
            mrsigner=body[128:160],
            isv_prod_id=_integer(body, 256, 2),
            isv_svn=_integer(body, 258, 2),
        ),
        debug=bool(body[48] & _SGX_DEBUG),
        report_data=body[320:384],
    )


def _tdx(raw: bytes, version: int, start: int, parts: "_Parts") -> Quote:
    body = raw[start : start + _TDX_BODY_BYTES[_TDX_10]]
    return Quote(
        exact=parts.exact,
        certificates=parts.certificates,
        version=version,
        tee=Tee.TDX,
        identity=TdxIdentity(
            mrtd=body[136:184],
            mrseam=body[16:64],
            rtmrs=(body[328:376], body[376:424], body[424:472], body[472:520]),
        ),
        debug=bool(body[120] & _TDX_DEBUG),
        report_data=body[520:584],
    )


class _Parts(NamedTuple):
    exact: bool
    certificates: bytes


def _parts(raw: bytes, signed: int, *, nested: bool) -> _Parts:
    """Of the authentication data, which follows ``signed`` bytes; exact: they end where the quote ends."""
    ends = {len(raw), signed + 4 + _integer(raw, signed, 4)}
    part = signed + 4 + _SIGNATURE_AND_KEY_BYTES
    if nested:
        if _integer(raw, part, 2) != _QE_REPORT_CERTIFICATION:
            return _Parts(exact=False, certificates=b"")
        ends.add(part + 6 + _integer(raw, part + 2, 4))
        part += 6
    part += _QE_REPORT_AND_SIGNATURE_BYTES
    part += 2 + _integer(raw, part, 2)
    ends.add(part + 6 + _integer(raw, part + 2, 4))
    if max(ends) > len(raw):
        raise CodecError(f"{len(raw)} bytes of {max(ends)}: it is cut short", field="quote")
    return _Parts(len(ends) == 1, raw[part + 6 : part + 6 + _integer(raw, part + 2, 4)])


def _integer(raw: bytes, offset: int, count: int) -> int:
    if len(raw) < offset + count:
        raise CodecError(f"{len(raw)} bytes: it is cut short", field="quote")
    return int.from_bytes(raw[offset : offset + count], "little")
