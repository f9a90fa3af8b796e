"""The audit log and receipts over HTTP."""

import base64
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, SkipValidation

from nsl.audit.model import Head
from nsl.audit.service import Inclusion, Log, Receipt
from nsl.identity.model import Caller, Requires, Scope
from nsl_protocol.audit.heads import parse_signed_head
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signed import read_signable, transaction_of
from nsl_protocol.receipt import VERSION, EvidenceOf, SignatureOf, TransactionOf
from nsl_protocol.receipt import Receipt as Bundle

LEAVES_MAX = 1000
_ORIGIN_START = len("neo-service-layer/")

LogOf = NamedDependency[SkipValidation[Log]]


class HeadView(msgspec.Struct, frozen=True):
    """``checkpoint``: a signed note (c2sp.org/tlog-checkpoint) with the witnesses' lines; ``root`` and key in hex."""

    size: int
    root: str
    log_key: str
    signed_at: datetime
    checkpoint: str


class ConsistencyView(msgspec.Struct, frozen=True):
    """``proof``: hex, as RFC 9162 section 2.1.4 has it."""

    from_size: int
    to_size: int
    proof: list[str]


class ProofView(msgspec.Struct, frozen=True):
    """``leaf``: its exact text; ``salt`` opens its commitment. ``proof``: hex, as RFC 9162 section 2.1.3 has it."""

    id: UUID
    leaf: str
    salt: str | None
    index: int
    size: int
    proof: list[str]
    checkpoint: str


class LeafView(msgspec.Struct, frozen=True):
    index: int
    leaf: str


class LeafPage(msgspec.Struct, frozen=True):
    items: list[LeafView]
    next_cursor: str | None


@get("/v1/audit/tree-head", operation_id="getTreeHead", summary="The newest head of the audit log", tags=["audit"])
async def get_tree_head(caller: Annotated[Caller, Requires(None)], audit_log: LogOf) -> HeadView:
    return _head(await audit_log.head())


@get(
    "/v1/audit/consistency",
    operation_id="getConsistency",
    summary="The proof that one head's tree is the beginning of another's",
    tags=["audit"],
)
async def get_consistency(
    caller: Annotated[Caller, Requires(None)],
    audit_log: LogOf,
    from_size: Annotated[int, QueryParameter(name="from", ge=0, le=2**53 - 1, description="leaves of the former")],
    to_size: Annotated[int, QueryParameter(name="to", ge=0, le=2**53 - 1, description="leaves of the later")],
) -> ConsistencyView:
    proof = await audit_log.consistency(from_size, to_size)
    return ConsistencyView(from_size, to_size, [each.hex() for each in proof])


@get(
    "/v1/audit/records/{record_id:uuid}/proof",
    operation_id="getRecordProof",
    summary="The proof that a record stands in the audit log",
    tags=["audit"],
)
async def get_record_proof(
    caller: Annotated[Caller, Requires(Scope.AUDIT_READ)], audit_log: LogOf, record_id: FromPath[UUID]
) -> ProofView:
    return _proof(await audit_log.inclusion(caller.tenant, record_id))


@get(
    "/v1/audit/leaves",
    operation_id="listLeaves",
    summary="The audit log itself, of all tenants: for the platform's auditors and monitors",
    tags=["audit"],
)
async def list_leaves(
    caller: Annotated[Caller, Requires(Scope.AUDIT_READ)],
    audit_log: LogOf,
    cursor: Annotated[int, QueryParameter(ge=0, le=2**53 - 1, description="the first index")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=LEAVES_MAX)] = 200,
) -> LeafPage:
    found = await audit_log.leaves(caller.tenant, cursor, limit)
    following = str(found[-1][0] + 1) if len(found) == limit else None
    return LeafPage([LeafView(index, content.decode()) for index, content in found], following)


@get(
    "/v1/receipts/{receipt_id:uuid}",
    operation_id="getReceipt",
    summary="Everything that shows a signature or transaction; `nsl verify` checks it offline",
    tags=["audit"],
)
async def get_receipt(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ)], audit_log: LogOf, receipt_id: FromPath[UUID]
) -> Bundle:
    return _bundle(receipt_id, await audit_log.receipt(caller.tenant, receipt_id))


#: what ``nsl.http`` mounts
HANDLERS = (get_tree_head, get_consistency, get_record_proof, list_leaves, get_receipt)


def _head(head: Head) -> HeadView:
    return HeadView(head.size, head.root.hex(), head.log_key.hex(), head.signed_at, head.note)


def _proof(found: Inclusion) -> ProofView:
    leaf = found.leaf
    return ProofView(
        id=leaf.id,
        leaf=leaf.content.decode(),
        salt=None if leaf.salt is None else leaf.salt.hex(),
        index=found.index,
        size=found.head.size,
        proof=[each.hex() for each in found.proof],
        checkpoint=found.head.note,
    )


def _bundle(id_: UUID, found: Receipt) -> Bundle:
    made, inclusion, evidence = found.made, found.inclusion, found.evidence
    leaf, request = inclusion.leaf, made.request or b""
    transaction = transaction_of(read_signable(request), made.public_key, made.signature)
    return Bundle(
        version=VERSION,
        id=str(id_),
        cluster=parse_signed_head(inclusion.head.note).head.origin[_ORIGIN_START:],
        request=request.hex(),
        decoded=made.decoded,
        salt=(leaf.salt or b"").hex(),
        signature=SignatureOf(Curve(made.curve), made.public_key.hex(), made.signature.hex()),
        leaf=leaf.content.decode(),
        index=inclusion.index,
        inclusion=tuple(each.hex() for each in inclusion.proof),
        checkpoint=inclusion.head.note,
        evidence=EvidenceOf(
            nonce=evidence.nonce.hex(),
            manifest_version=evidence.manifest_version,
            log_key=evidence.log_key.hex(),
            quote=base64.b64encode(evidence.quote).decode(),
            collateral=msgspec.json.decode(evidence.collateral, type=dict[str, str]),
        ),
        transaction=None if transaction is None else TransactionOf(*transaction),
        policy=made.policy,
    )
