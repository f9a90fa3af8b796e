"""Approvals of single signatures over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import Note
from nsl.keys.api.keys import PAGE_MAX, ApprovingOf, SignRequest, to_sign
from nsl.keys.api.views import IdempotencyKey, Once, ProofText
from nsl.keys.service import Shown
from nsl.kit.db import Connection
from nsl_protocol.policy.approvers import Name
from nsl_protocol.policy.approving import SigningApproval

DAY_SECONDS = 86_400


class AskApproval(SignRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request to sign, to be made when enough have approved it, and within so many seconds: a day if left out."""

    expires_in_seconds: Annotated[int, Meta(ge=60, le=30 * DAY_SECONDS - 60)] = DAY_SECONDS


class DecideApproval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``signature``: the approver's, over approval or rejection, as `nsl approvals approve | reject` makes it."""

    approver: Name
    decision: Literal["approve", "reject"]
    signature: ProofText


class NeededView(msgspec.Struct, frozen=True):
    """So many of these approvers."""

    threshold: int
    of: list[str]


class DecisionView(msgspec.Struct, frozen=True):
    approver: str
    decision: str
    decided_at: datetime


class ApprovalView(msgspec.Struct, frozen=True):
    """
    ``state``: open, approved, rejected, expired, revoked or used. ``request``: what is to be signed, hex of the msgpack
    that the enclave is asked; approvers read it themselves. ``statement``: what they sign. ``meaning``: as the service
    reads it. ``public_key``: whose signature it is about: the key's, or that of an address below it.
    """

    id: UUID
    key_id: UUID
    state: str
    kind: str
    meaning: str
    needed: list[NeededView]
    decisions: list[DecisionView]
    request: str
    statement: SigningApproval
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    public_key: str


class ApprovalPage(msgspec.Struct, frozen=True):
    items: list[ApprovalView]
    next_cursor: str | None


@post(
    "/v1/keys/{key_id:uuid}/approvals",
    operation_id="askApproval",
    summary="Ask for the approval of a signature",
    tags=["approvals"],
)
async def ask_approval(
    caller: Annotated[Caller, Requires(Scope.KEYS_SIGN, resource="key_id")],
    approving: ApprovingOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    data: JSONBody[AskApproval],
    idempotency_key: IdempotencyKey = None,
) -> ApprovalView:
    item, expires_in = to_sign(data), timedelta(seconds=data.expires_in_seconds)

    async def act(note: Note[ApprovalView]) -> ApprovalView:
        async def told(connection: Connection, shown: Shown) -> None:
            await note(connection, _view(shown))

        return _view(await approving.ask(caller, key_id, item, expires_in, told))

    return await idempotency.once(caller, idempotency_key, ("askApproval", (key_id, data)), ApprovalView, act)


@get("/v1/approvals", operation_id="listApprovals", summary="Approvals of the tenant, newest first", tags=["approvals"])
async def list_approvals(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ)],
    approving: ApprovingOf,
    key_id: Annotated[UUID | None, QueryParameter(description="of this key")] = None,
    wanted: Annotated[
        Literal["open"] | None, QueryParameter(name="state", description="that may still be decided and used")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    cursor: Annotated[UUID | None, QueryParameter(description="next_cursor of the page before")] = None,
) -> ApprovalPage:
    found, following = await approving.page(
        caller.tenant, key=key_id, after=cursor, open_=wanted is not None, limit=limit
    )
    return ApprovalPage(list(map(_view, found)), None if following is None else str(following))


@get("/v1/approvals/{approval_id:uuid}", operation_id="getApproval", summary="An approval", tags=["approvals"])
async def get_approval(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ)], approving: ApprovingOf, approval_id: FromPath[UUID]
) -> ApprovalView:
    return _view(await approving.get(caller.tenant, approval_id))


@post(
    "/v1/approvals/{approval_id:uuid}/decisions",
    operation_id="decideApproval",
    summary="Bring what an approver has decided and signed; not by whoever asked for it",
    tags=["approvals"],
    status_code=HTTP_200_OK,
)
async def decide_approval(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ)],
    approving: ApprovingOf,
    approval_id: FromPath[UUID],
    data: JSONBody[DecideApproval],
) -> ApprovalView:
    approved, signature = data.decision == "approve", bytes.fromhex(data.signature)
    return _view(
        await approving.decide(caller, approval_id, approver=data.approver, approved=approved, signature=signature)
    )


@post(
    "/v1/approvals/{approval_id:uuid}/revoke",
    operation_id="revokeApproval",
    summary="Let an approval be used no more",
    tags=["approvals"],
    status_code=HTTP_200_OK,
)
async def revoke_approval(
    caller: Annotated[Caller, Requires(Scope.KEYS_SIGN)], approving: ApprovingOf, approval_id: FromPath[UUID]
) -> ApprovalView:
    return _view(await approving.revoke(caller, approval_id))


#: what ``nsl.http`` mounts
HANDLERS = (ask_approval, list_approvals, get_approval, decide_approval, revoke_approval)


def _view(shown: Shown) -> ApprovalView:
    request = shown.request
    return ApprovalView(
        id=request.id,
        key_id=request.key,
        state=shown.state.value,
        kind=request.kind.value,
        meaning=shown.meaning,
        needed=[NeededView(each.threshold, sorted(each.of)) for each in shown.needed],
        decisions=[
            DecisionView(each.approver, "approve" if each.approved else "reject", each.decided_at)
            for each in request.decisions
        ],
        request=request.request.hex(),
        statement=shown.statement,
        requested_by=request.requested_by,
        requested_at=request.requested_at,
        expires_at=request.expires_at,
        public_key=shown.public_key.hex(),
    )
