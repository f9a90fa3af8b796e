"""Legal holds over HTTP."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from nsl.compliance.api.views import Cursor, HoldsOf, Limit, Reason, cursor_text
from nsl.compliance.model import Hold
from nsl.identity.model import Caller, Requires, Scope


class SetHold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``subject``: a person's id; without one, all that the tenant has is held. ``reason`` names nobody: it is kept."""

    reason: Reason
    subject: UUID | None = None


class LiftHold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``reason`` names nobody: it is kept."""

    reason: Reason


class HoldView(msgspec.Struct, frozen=True):
    """``subject`` null: all of the tenant. ``lifted_at`` null: it is in force."""

    id: UUID
    subject: UUID | None
    reason: str
    set_by: str
    set_at: datetime
    lifted_because: str | None
    lifted_by: str | None
    lifted_at: datetime | None


class HoldPage(msgspec.Struct, frozen=True):
    items: list[HoldView]
    next_cursor: str | None


@post(
    "/v1/compliance/holds",
    operation_id="setHold",
    summary="Let nothing be erased, of a person or of the whole tenant, until the hold is lifted",
    tags=["compliance"],
)
async def set_hold(
    caller: Annotated[Caller, Requires(Scope.HOLDS_ADMIN)], holds: HoldsOf, data: JSONBody[SetHold]
) -> HoldView:
    return _hold(await holds.set(caller, data.subject, data.reason))


@get("/v1/compliance/holds", operation_id="listHolds", summary="Legal holds, newest first", tags=["compliance"])
async def list_holds(
    caller: Annotated[Caller, Requires(Scope.AUDIT_READ)],
    holds: HoldsOf,
    only: Annotated[Literal["in-force"] | None, QueryParameter(name="state", description="not lifted")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> HoldPage:
    found, following = await holds.page(caller, in_force=only is not None, before=cursor, limit=limit)
    return HoldPage(list(map(_hold, found)), cursor_text(following))


@post(
    "/v1/compliance/holds/{hold_id:uuid}/lift",
    operation_id="liftHold",
    summary="End a legal hold: what is past its time is erased soon after",
    tags=["compliance"],
    status_code=HTTP_200_OK,
)
async def lift_hold(
    caller: Annotated[Caller, Requires(Scope.HOLDS_ADMIN, recent=True)],
    holds: HoldsOf,
    hold_id: FromPath[UUID],
    data: JSONBody[LiftHold],
) -> HoldView:
    return _hold(await holds.lift(caller, hold_id, data.reason))


HANDLERS = (set_hold, list_holds, lift_hold)


def _hold(hold: Hold) -> HoldView:
    return HoldView(
        hold.id,
        hold.subject,
        hold.reason,
        hold.set_by,
        hold.set_at,
        hold.lifted_because,
        hold.lifted_by,
        hold.lifted_at,
    )
