"""A verdict as the API, the CLI and the SDK show it."""

from datetime import UTC, datetime

from msgspec import Struct

from nsl_protocol.attestation.policy import Floors, Verdict
from nsl_protocol.attestation.quote import Quote, SgxIdentity


class ReasonReport(Struct, frozen=True):
    code: str
    detail: str


class VerdictReport(Struct, frozen=True):
    """``mode`` is ``hw`` under Intel's root and ``sim`` under a private one. What is null could not be verified.

    ``measurement`` and ``report_data`` are what the quote states: proven only where ``status`` is not null. ``floors``
    are what to ask of the next quote, so that older collateral is refused.
    """

    accepted: bool
    status: str | None
    advisories: tuple[str, ...]
    tee: str | None
    mode: str | None
    measurement: dict[str, str | int]
    debug: bool | None
    report_data: str | None
    reasons: tuple[ReasonReport, ...]
    fmspc: str | None
    floors: Floors | None
    collateral_expires_at: datetime | None

    @classmethod
    def of(cls, verdict: Verdict) -> "VerdictReport":
        """What ``judge`` found, in plain values; bytes as lower-case hex."""
        quote, claims = verdict.quote, verdict.claims
        return cls(
            accepted=verdict.accepted,
            status=None if claims is None else claims.status,
            advisories=() if claims is None else claims.advisories,
            tee=None if quote is None else quote.tee,
            mode=None if claims is None else claims.mode,
            measurement={} if quote is None else _measurement(quote),
            debug=None if quote is None else quote.debug,
            report_data=None if quote is None else quote.report_data.hex(),
            reasons=tuple(ReasonReport(reason.code, reason.detail) for reason in verdict.reasons),
            fmspc=None if claims is None else claims.fmspc,
            floors=None if claims is None else Floors().advanced(claims),
            collateral_expires_at=None if claims is None else datetime.fromtimestamp(claims.expires_at, UTC),
        )


def _measurement(quote: Quote) -> dict[str, str | int]:
    identity = quote.identity
    if isinstance(identity, SgxIdentity):
        return {
            "mrenclave": identity.mrenclave.hex(),
            "mrsigner": identity.mrsigner.hex(),
            "isv_prod_id": identity.isv_prod_id,
            "isv_svn": identity.isv_svn,
        }
    registers = {f"rtmr{number}": register.hex() for number, register in enumerate(identity.rtmrs)}
    return {"mrtd": identity.mrtd.hex(), "mrseam": identity.mrseam.hex(), **registers}
