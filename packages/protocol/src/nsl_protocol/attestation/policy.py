"""Stage two: our policy. A quote that is genuine is not yet one of an enclave that we trust, made for us, now.

``judge`` is pure: it takes everything as an argument and names every reason that applies. Floors are an input; whoever
admits a peer stores the advanced ones, and a look does not change them.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct, field

from nsl_protocol.attestation.quote import QUOTE_BYTES_MAX, Quote, SgxIdentity, TdxIdentity, Tee, parse_quote
from nsl_protocol.attestation.reasons import Reason, ReasonCode
from nsl_protocol.attestation.verify import Claims, Collateral, TrustAnchor, verify_quote
from nsl_protocol.errors import CodecError

UP_TO_DATE = "UpToDate"
SW_HARDENING_NEEDED = "SWHardeningNeeded"

type Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
type Hex48 = Annotated[str, Meta(pattern="^[0-9a-f]{96}$")]
type Number16 = Annotated[int, Meta(ge=0, le=0xFFFF)]


class EnclaveRule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry of the allow-list, in exactly one of three forms; hashes in lower-case hex.

    Attributes:
        mrenclave: exactly this SGX enclave.
        mrsigner: any SGX enclave of this signer with ``isv_prod_id``, not older than ``isv_svn_min``.
        mrtd: exactly this TDX guest image; of the four ``rtmrs``, those that are not None are compared too.
    """

    mrenclave: Hex32 | None = None
    mrsigner: Hex32 | None = None
    isv_prod_id: Number16 | None = None
    isv_svn_min: Number16 | None = None
    mrtd: Hex48 | None = None
    rtmrs: tuple[Hex48 | None, Hex48 | None, Hex48 | None, Hex48 | None] | None = None

    def __post_init__(self) -> None:
        given = {name for name in self.__struct_fields__ if getattr(self, name) is not None}
        if given not in ({"mrenclave"}, {"mrsigner", "isv_prod_id", "isv_svn_min"}, {"mrtd"}, {"mrtd", "rtmrs"}):
            raise ValueError("give mrenclave; or mrsigner, isv_prod_id and isv_svn_min; or mrtd, with rtmrs if wanted")

    def names(self, identity: SgxIdentity | TdxIdentity) -> bool:
        """Whether this entry is about that enclave, of whatever version."""
        if isinstance(identity, SgxIdentity):
            if self.mrsigner is not None:
                return (self.mrsigner, self.isv_prod_id) == (identity.mrsigner.hex(), identity.isv_prod_id)
            return self.mrenclave == identity.mrenclave.hex()
        wanted = self.rtmrs or (None,) * len(identity.rtmrs)
        pairs = zip(wanted, identity.rtmrs, strict=True)
        return self.mrtd == identity.mrtd.hex() and all(one is None or one == other.hex() for one, other in pairs)


class Floors(Struct, frozen=True, forbid_unknown_fields=True):
    """The newest collateral seen so far, for one root, TEE and PCK authority: older is refused. Times: Unix seconds."""

    tcb_evaluation_number: Annotated[int, Meta(ge=0)] = 0
    root_crl_number: Annotated[int, Meta(ge=0)] = 0
    pck_crl_number: Annotated[int, Meta(ge=0)] = 0
    issued_at: Annotated[int, Meta(ge=0)] = 0

    def advanced(self, claims: Claims) -> "Floors":
        """These floors after this quote was admitted."""
        return Floors(
            max(self.tcb_evaluation_number, claims.tcb_evaluation_number),
            max(self.root_crl_number, claims.root_crl_number),
            max(self.pck_crl_number, claims.pck_crl_number),
            max(self.issued_at, claims.issued_at),
        )


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """Which genuine quotes are accepted.

    Attributes:
        enclaves: the allow-list. None: any enclave, for those who only ask whether a quote is genuine.
        tcb_statuses: of the platform, in Intel's words.
        advisories: the weaknesses (``INTEL-SA-…``) that are tolerated; any other that applies is a reason.
        floors: what was seen before.
    """

    enclaves: tuple[EnclaveRule, ...] | None = None
    tcb_statuses: tuple[str, ...] = (UP_TO_DATE, SW_HARDENING_NEEDED)
    advisories: tuple[str, ...] = ()
    floors: Floors = field(default_factory=Floors)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``quote`` is None when the bytes are none; ``claims`` when stage one refused: then nothing in it is proven."""

    quote: Quote | None
    claims: Claims | None
    reasons: tuple[Reason, ...]

    @property
    def accepted(self) -> bool:
        """No reason speaks against it."""
        return not self.reasons


def read_quote(raw: bytes) -> Quote | Verdict:
    """What the bytes state, or the verdict that they state nothing."""
    if len(raw) > QUOTE_BYTES_MAX:
        return Verdict(None, None, (Reason(ReasonCode.LENGTH, f"More than {QUOTE_BYTES_MAX} bytes are no quote."),))
    try:
        return parse_quote(raw)
    except CodecError as error:
        return Verdict(None, None, (Reason(ReasonCode.MALFORMED, f"This is no quote: {error.reason}."),))


def judge(
    raw: bytes,
    collateral: Collateral,
    at: int,
    anchors: Sequence[TrustAnchor],
    policy: Policy,
    expected_report_data: bytes | None,
) -> Verdict:
    """Both stages.

    Args:
        at: Unix seconds.
        expected_report_data: the 64 bytes that ``binding.report_data`` gives for what was asked. None: not checked, for
            those who only look.
    """
    quote = read_quote(raw)
    if isinstance(quote, Verdict):
        return quote
    reasons = []
    if not quote.exact:
        reasons.append(Reason(ReasonCode.LENGTH, "The quote's parts do not fill it exactly: bytes were added."))
    claims = verify_quote(raw, collateral, at, anchors)
    if isinstance(claims, Reason):
        if quote.debug and claims.code is not ReasonCode.DEBUG:
            reasons.append(Reason(ReasonCode.DEBUG, "The enclave is a debug enclave."))
        return Verdict(quote, None, (*reasons, claims))
    reasons += _platform(claims, policy)
    if policy.enclaves is not None:
        reasons += _enclave(quote, policy.enclaves)
    if expected_report_data is not None and not hmac.compare_digest(quote.report_data, expected_report_data):
        detail = "The report data is bound to another challenge, purpose, cluster or key."
        reasons.append(Reason(ReasonCode.REPORT_DATA, detail))
    reasons += _floors(claims, policy.floors)
    return Verdict(quote, claims, tuple(reasons))


def _platform(claims: Claims, policy: Policy) -> list[Reason]:
    reasons = []
    if claims.status not in policy.tcb_statuses:
        allowed = ", ".join(policy.tcb_statuses)
        reasons.append(Reason(ReasonCode.TCB_STATUS, f"The platform's TCB is {claims.status}; accepted are {allowed}."))
    unwelcome = [advisory for advisory in claims.advisories if advisory not in policy.advisories]
    if unwelcome:
        detail = f"{', '.join(unwelcome)} apply to the platform, and the policy does not tolerate them."
        reasons.append(Reason(ReasonCode.ADVISORY, detail))
    return reasons


def _enclave(quote: Quote, listed: tuple[EnclaveRule, ...]) -> list[Reason]:
    """None when one entry matches. Where only the version is too low, that is the reason."""
    named = [rule for rule in listed if rule.names(quote.identity)]
    if not named:
        register = "mrenclave" if quote.tee is Tee.SGX else "mrtd"
        return [Reason(ReasonCode.MEASUREMENT, f"No listed enclave has {register} {quote.measurement.hex()}.")]
    least = min(rule.isv_svn_min or 0 for rule in named)
    if isinstance(quote.identity, SgxIdentity) and quote.identity.isv_svn < least:
        detail = f"The enclave's security version is {quote.identity.isv_svn}; at least {least} is accepted."
        return [Reason(ReasonCode.SECURITY_VERSION, detail)]
    return []


def _floors(claims: Claims, floors: Floors) -> list[Reason]:
    older = [
        f"{name} {found} is below {floor}"
        for name, found, floor in (
            ("TCB evaluation data number", claims.tcb_evaluation_number, floors.tcb_evaluation_number),
            ("root CRL number", claims.root_crl_number, floors.root_crl_number),
            ("PCK CRL number", claims.pck_crl_number, floors.pck_crl_number),
            ("newest issue date", claims.issued_at, floors.issued_at),
        )
        if found < floor
    ]
    return [Reason(ReasonCode.FLOOR, f"The collateral is older than what was seen: {'; '.join(older)}.")] * bool(older)
