"""Attestation over HTTP."""

import base64
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta, Struct

from nsl.attestation.errors import CollateralUnreadable
from nsl.attestation.model import Enclave, Question
from nsl.attestation.service import Attestation, ClusterStops, Enclaves
from nsl.identity.model import Caller, Requires, Scope
from nsl.kit.errors import Malformed
from nsl_protocol.attestation.policy import Policy
from nsl_protocol.attestation.report import VerdictReport
from nsl_protocol.attestation.verify import Collateral
from nsl_protocol.enclave.agreement import ClusterThaw, Freeze
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


# This layer's own enclaves -----------------------------------------------------------------------------------------


class ReasonView(Struct, frozen=True):
    code: str
    detail: str


class EnclaveView(Struct, frozen=True):
    """One replica. ``status``: ``attested``, ``refused`` or ``unreachable``; what is null could not be verified."""

    name: str
    program: str
    mode: str | None
    measurement: str | None
    status: str
    phase: str | None
    seal: str | None
    epoch: int | None
    manifest_version: int | None
    frozen_at: datetime | None
    last_attested_at: datetime | None
    collateral_expires_at: datetime | None
    reasons: tuple[ReasonView, ...]


class EnclavesView(Struct, frozen=True):
    items: tuple[EnclaveView, ...]


class EvidenceView(Struct, frozen=True):
    """Verify it yourself: the quote's report data must be that of purpose ``evidence`` over all the rest.

    ``quote`` is base64; ``cluster`` and ``log_key`` (Ed25519) are hex, 32 bytes each.
    """

    name: str
    program: str
    nonce: str
    cluster: str
    manifest_version: int
    log_key: str
    quote: str
    collateral: CollateralBody


@get(
    "/v1/enclaves",
    operation_id="listEnclaves",
    summary="The enclaves that this layer rests on, and whether they have proven themselves",
    tags=["attestation"],
)
async def list_enclaves(
    caller: Annotated[Caller, Requires(None)], enclaves: NamedDependency[SkipValidation[Enclaves]]
) -> EnclavesView:
    return EnclavesView(tuple(map(_view, await enclaves.list())))


@get(
    "/v1/enclaves/{name:str}/evidence",
    operation_id="getEvidence",
    summary="A fresh quote of an enclave over your nonce",
    tags=["attestation"],
)
async def get_evidence(
    caller: Annotated[Caller, Requires(None)],
    enclaves: NamedDependency[SkipValidation[Enclaves]],
    name: FromPath[str],
    nonce: Annotated[str, QueryParameter(pattern="^[0-9a-f]{64}$", description="32 random bytes in hex")],
) -> EvidenceView:
    found = await enclaves.evidence(name, bytes.fromhex(nonce))
    return EvidenceView(
        name=name,
        program=found.program,
        nonce=nonce,
        cluster=found.cluster.hex(),
        manifest_version=found.manifest_version,
        log_key=found.log_key.hex(),
        quote=base64.b64encode(found.quote).decode(),
        collateral=msgspec.json.decode(found.collateral.document, type=CollateralBody),
    )


def _view(enclave: Enclave) -> EnclaveView:
    return EnclaveView(
        name=enclave.name,
        program=enclave.program,
        mode=enclave.mode,
        measurement=enclave.measurement,
        status=enclave.standing,
        phase=enclave.phase,
        seal=enclave.seal,
        epoch=enclave.epoch,
        manifest_version=enclave.manifest_version,
        frozen_at=enclave.frozen_at,
        last_attested_at=enclave.last_attested_at,
        collateral_expires_at=enclave.collateral_expires_at,
        reasons=tuple(ReasonView(each.code, each.detail) for each in enclave.reasons),
    )


# The emergency stop of them all -------------------------------------------------------------------------------------

type Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class FreezeCluster(Struct, frozen=True, forbid_unknown_fields=True):
    """``cluster``: its id in hex, so that nobody stops another one than he means."""

    cluster: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class FreezeName(Struct, frozen=True, forbid_unknown_fields=True):
    """Which freeze: the head of the register before it, and when it was, in Unix seconds."""

    epoch: Number
    number: Number
    at: Number


class ThawCluster(Struct, frozen=True, forbid_unknown_fields=True):
    """``approvals``: signature (hex) by custodian, all over the same freeze and ``expires_at`` (Unix seconds)."""

    freeze: FreezeName
    expires_at: Number
    approvals: Annotated[dict[str, Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]], Meta(max_length=16)]


class ClusterFreezeView(Struct, frozen=True):
    """``freeze``: the one that holds; custodians sign over it to end it."""

    cluster: str
    frozen: bool
    frozen_at: datetime | None = None
    freeze: FreezeName | None = None


@post(
    "/v1/cluster/freeze",
    operation_id="freezeCluster",
    summary="Stop every key of every tenant at once: nothing is signed, decrypted or exported until custodians end it",
    tags=["attestation"],
    status_code=200,
)
async def freeze_cluster(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN)],
    cluster_stops: NamedDependency[SkipValidation[ClusterStops]],
    data: JSONBody[FreezeCluster],
) -> ClusterFreezeView:
    return _freeze(cluster_stops, await cluster_stops.freeze(caller, data.cluster))


@post(
    "/v1/cluster/unfreeze",
    operation_id="unfreezeCluster",
    summary="End a freeze of the cluster, with the approvals of as many custodians as make a root",
    tags=["attestation"],
    status_code=200,
)
async def unfreeze_cluster(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN)],
    cluster_stops: NamedDependency[SkipValidation[ClusterStops]],
    data: JSONBody[ThawCluster],
) -> ClusterFreezeView:
    freeze = Freeze(data.freeze.epoch, data.freeze.number, data.freeze.at)
    approvals = {name: bytes.fromhex(signature) for name, signature in data.approvals.items()}
    return _freeze(cluster_stops, await cluster_stops.thaw(caller, ClusterThaw(freeze, data.expires_at, approvals)))


@get(
    "/v1/cluster/freeze",
    operation_id="getClusterFreeze",
    summary="Whether the whole cluster is frozen",
    tags=["attestation"],
)
async def get_cluster_freeze(
    caller: Annotated[Caller, Requires(None)], cluster_stops: NamedDependency[SkipValidation[ClusterStops]]
) -> ClusterFreezeView:
    return _freeze(cluster_stops, await cluster_stops.present())


def _freeze(stops: ClusterStops, found: Freeze | None) -> ClusterFreezeView:
    if found is None:
        return ClusterFreezeView(stops.cluster, frozen=False)
    name = FreezeName(found.epoch, found.number, found.at)
    return ClusterFreezeView(stops.cluster, frozen=True, frozen_at=datetime.fromtimestamp(found.at, UTC), freeze=name)


HANDLERS = (verify_quote, list_enclaves, get_evidence, freeze_cluster, unfreeze_cluster, get_cluster_freeze)
