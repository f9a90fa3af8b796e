"""Attestation over HTTP."""

import base64
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta, Struct

from nsl.attestation.errors import CollateralUnreadable
from nsl.attestation.model import Question
from nsl.attestation.service import Attestation
from nsl.identity.model import Caller, Requires
from nsl.kit.errors import Malformed
from nsl_protocol.attestation.policy import Policy
from nsl_protocol.attestation.report import VerdictReport
from nsl_protocol.attestation.verify import Collateral
from nsl_protocol.errors import CodecError

type QuoteText = Annotated[
    str, Meta(min_length=1, max_length=88_000, description="The quote in base64 (RFC 4648 section 4)")
]
type Text = Annotated[str, Meta(max_length=262_144)]


class CollateralBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """As dcap-qvl writes it: chains in PEM, revocation lists and signatures in hex, signed JSON as text."""

    pck_crl_issuer_chain: Text
    root_ca_crl: Text
    pck_crl: Text
    tcb_info_issuer_chain: Text
    tcb_info: Text
    tcb_info_signature: Text
    qe_identity_issuer_chain: Text
    qe_identity: Text
    qe_identity_signature: Text
    pck_certificate_chain: Text | None = None


class VerifyQuoteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Without ``collateral`` the PCCS is asked, without ``at`` it is now; without ``enclaves`` any enclave will do."""

    quote: QuoteText
    collateral: CollateralBody | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    policy: Policy = msgspec.field(default_factory=Policy)
    report_data: Annotated[str, Meta(pattern="^[0-9a-f]{128}$")] | None = None


@post(
    "/v1/attestation/verify",
    operation_id="verifyQuote",
    summary="Verify an SGX or TDX quote, at a given time and by a given policy",
    tags=["attestation"],
    status_code=200,
)
async def verify_quote(
    caller: Annotated[Caller, Requires(None)],
    attestation: NamedDependency[SkipValidation[Attestation]],
    data: JSONBody[VerifyQuoteBody],
) -> VerdictReport:
    try:
        quote = base64.b64decode(data.quote, validate=True)
    except ValueError as error:  # binascii's own, and another one for what is not ASCII
        raise Malformed("The quote is not base64.", field="quote") from error
    collateral = None if data.collateral is None else _collateral(data.collateral)
    report_data = None if data.report_data is None else bytes.fromhex(data.report_data)
    verdict = await attestation.verify(Question(quote, collateral, data.at, data.policy, report_data))
    return VerdictReport.of(verdict)


def _collateral(body: CollateralBody) -> Collateral:
    try:
        return Collateral(msgspec.json.encode(body))
    except CodecError as error:
        raise CollateralUnreadable(f"The collateral cannot be read: {error.reason}.", field="collateral") from error


HANDLERS = (verify_quote,)
