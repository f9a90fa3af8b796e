"""Stage one: is this a genuine quote of a genuine platform? Signatures, certificates, revocation and TCB level.

dcap-qvl does the cryptography: SGX version 3, TDX versions 4 and 5, ECDSA P-256, TCB Info version 3. It accepts every
TCB status but ``Revoked`` and refuses debug enclaves. What we trust of what it found is stage two (``policy``).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Self

from dcap_qvl import QuoteCollateralV3, QuotePolicy, QuoteVerifier, verify, verify_with_root_ca
from msgspec import Struct
from msgspec.json import Decoder

from nsl_protocol.attestation.reasons import Reason, ReasonCode
from nsl_protocol.errors import CodecError

COLLATERAL_BYTES_MAX = 1 << 20

# What dcap-qvl 0.7 says, by the first phrase that occurs in it. The root's own revocation list is what it checks first.
_FAULTS = (
    ("Debug mode is enabled", ReasonCode.DEBUG),
    ("root CA CRL", ReasonCode.UNKNOWN_ROOT),
    ("UnknownIssuer", ReasonCode.UNKNOWN_ROOT),
    ("UnknownRevocationStatus", ReasonCode.COLLATERAL_MISMATCH),
    ("evoked", ReasonCode.REVOKED),
    ("xpired", ReasonCode.COLLATERAL_EXPIRED),
    ("NotValidYet", ReasonCode.COLLATERAL_NOT_YET_VALID),
    ("in the future", ReasonCode.COLLATERAL_NOT_YET_VALID),
    ("Fmspc mismatch", ReasonCode.COLLATERAL_MISMATCH),
    ("QE Identity id/version", ReasonCode.COLLATERAL_MISMATCH),
    ("No matching TCB level", ReasonCode.TCB_STATUS),
    ("Failed to decode quote", ReasonCode.MALFORMED),
)


class Mode(StrEnum):
    """What stands behind a quote: a processor (its chain ends in Intel's root) or a simulation (a private root)."""

    HW = "hw"
    SIM = "sim"


@dataclass(frozen=True)
class TrustAnchor:
    """A root that quotes may chain to. ``certificate`` is DER; None is Intel's SGX root, which dcap-qvl carries."""

    certificate: bytes | None = None

    @property
    def mode(self) -> Mode:
        """Said of every quote under this root."""
        return Mode.HW if self.certificate is None else Mode.SIM

    @cached_property
    def verifier(self) -> QuoteVerifier:
        """Raises CodecError when ``certificate`` is no certificate."""
        try:
            return QuoteVerifier(self.certificate)
        except ValueError as error:
            raise CodecError(str(error), field="root") from error


INTEL = TrustAnchor()


class Collateral:
    """What Intel's PCS says of a platform, signed: certificate chains, revocation lists, TCB Info, QE identity.

    Args:
        document: JSON with the nine strings of ``QuoteCollateralV3``, as dcap-qvl and PCCS clients write it.

    Raises:
        CodecError: too large, or not that document.
    """

    def __init__(self, document: str | bytes) -> None:
        if len(document) > COLLATERAL_BYTES_MAX:
            raise CodecError(f"more than {COLLATERAL_BYTES_MAX} bytes", field="collateral")
        try:
            self.document = document if isinstance(document, str) else document.decode()
            self.parsed = QuoteCollateralV3.from_json(self.document)
        except ValueError as error:
            raise CodecError(str(error), field="collateral") from error

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        """From the nine strings."""
        return cls(json.dumps(dict(fields)))


@dataclass(frozen=True, slots=True)
class Claims:
    """What stage one found. Times are Unix seconds; the collateral may be used until ``expires_at``."""

    mode: Mode
    status: str
    advisories: tuple[str, ...]
    fmspc: str
    tcb_evaluation_number: int
    root_crl_number: int
    pck_crl_number: int
    issued_at: int
    expires_at: int


class _Tcb(Struct):
    status: str
    advisory_ids: tuple[str, ...]
    eval_data_number: int


class _Pck(Struct):
    fmspc: list[int]


class _PlatformClaims(Struct):
    pck: _Pck
    pck_crl_num: int
    root_ca_crl_num: int


class _QuoteClaims(Struct):
    tcb: _Tcb
    platform: _PlatformClaims
    latest_issue_date: int
    earliest_expiration_date: int


_decoder = Decoder(_QuoteClaims)


def verify_quote(raw: bytes, collateral: Collateral, at: int, anchors: Sequence[TrustAnchor]) -> Claims | Reason:
    """Verify a quote offline, as of ``at`` (Unix seconds), under any of these roots; a reason when it is refused."""
    refused = Reason(ReasonCode.UNKNOWN_ROOT, "No root is trusted here.")
    for anchor in anchors:
        try:
            found = anchor.verifier.verify_with_policy(raw, collateral.parsed, at, QuotePolicy.claims_only(at))
        except ValueError:
            # The root that a quote does chain to has more to say than those that do not know it.
            if refused.code is ReasonCode.UNKNOWN_ROOT:
                refused = _why(raw, collateral, at, anchor)
        else:
            return _claims(found.to_json(), anchor.mode)
    return refused


def _claims(document: str, mode: Mode) -> Claims:
    found = _decoder.decode(document)
    return Claims(
        mode=mode,
        status=found.tcb.status,
        advisories=found.tcb.advisory_ids,
        fmspc=bytes(found.platform.pck.fmspc).hex(),
        tcb_evaluation_number=found.tcb.eval_data_number,
        root_crl_number=found.platform.root_ca_crl_num,
        pck_crl_number=found.platform.pck_crl_num,
        issued_at=found.latest_issue_date,
        expires_at=found.earliest_expiration_date,
    )


def _why(raw: bytes, collateral: Collateral, at: int, anchor: TrustAnchor) -> Reason:
    """Ask again by the call that names the cause: refusals may cost twice."""
    try:
        if anchor.certificate is None:
            verify(raw, collateral.parsed, at)
        else:
            verify_with_root_ca(raw, collateral.parsed, anchor.certificate, at)
    except ValueError as error:
        text = " ".join(str(error).removeprefix("Verification failed: ").split())
        code = next((code for phrase, code in _FAULTS if phrase in text), ReasonCode.SIGNATURE)
        return Reason(code, f"The quote does not verify: {text}.")
    return Reason(ReasonCode.SIGNATURE, "The quote does not verify.")
