"""Access reviews and the governance report over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from nsl.compliance.api.views import AccessOf, Cursor, Limit, Reason, cursor_text
from nsl.compliance.model import KeyUse, Principal, Remark, Review, digest
from nsl.identity.model import Caller, Requires, Scope
from nsl.kit.clock import now

PERIOD: Final = timedelta(days=90)
Moment = Annotated[datetime | None, QueryParameter(description="RFC 3339")]


class GrantedView(msgspec.Struct, frozen=True):
    """One scope on one thing."""

    scope: str
    resource: UUID
    expires_at: datetime | None


class DelegatedView(msgspec.Struct, frozen=True):
    """What they may do for another person, ``from_user``."""

    from_user: UUID
    scopes: list[str]
    expires_at: datetime


class PrincipalView(msgspec.Struct, frozen=True):
    """A person or client. ``remarks``: what a reviewer looks at first. ``acted_at`` null: not in the last 90 days."""

    kind: str
    id: UUID
    name: str
    active: bool
    roles: list[str]
    groups: list[str]
    scopes: list[str]
    grants: list[GrantedView]
    delegated: list[DelegatedView]
    expires_at: datetime | None
    acted_at: datetime | None
    remarks: list[Remark]


class ReviewView(msgspec.Struct, frozen=True):
    """``digest``: of the access that was looked at."""

    at: datetime
    by: str
    digest: str


class AccessPage(msgspec.Struct, frozen=True):
    """``digest`` is of all who have access, on whichever page; a review names it."""

    digest: str
    principals: int
    last_review: ReviewView | None
    items: list[PrincipalView]
    next_cursor: str | None


class ReviewAccess(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``digest``: of the access that you have looked at. ``reason`` names nobody: it is kept."""

    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    reason: Reason


class KeyUseView(msgspec.Struct, frozen=True):
    """One key. ``could``: who may ask for signatures now. Of the period: ``did``, ``approved``, ``acts`` by the
    service's records; ``log`` by the leaves that key enclaves wrote into the audit log, refusals with their codes."""

    id: UUID
    name: str
    alias: str | None
    state: str
    created_by: str
    created_at: datetime
    policy_hash: str | None
    could: list[UUID]
    approvers: list[str]
    requesters: list[str]
    change: Any
    did: list[dict[str, Any]]
    approved: list[dict[str, Any]]
    acts: list[dict[str, Any]]
    log: list[dict[str, Any]]


class GovernancePage(msgspec.Struct, frozen=True):
    since: datetime
    until: datetime
    items: list[KeyUseView]
    next_cursor: str | None


@get(
    "/v1/compliance/access",
    operation_id="listAccess",
    summary="Who may do what in the tenant, with what a reviewer looks at first",
    tags=["compliance"],
)
async def list_access(
    caller: Annotated[Caller, Requires(Scope.ACCESS_REVIEW)], access: AccessOf, limit: Limit = 50, cursor: Cursor = None
) -> AccessPage:
    found, reviewed = await access.look(caller)
    rest = [each for each in found if cursor is None or each.id > cursor]
    return AccessPage(
        digest=digest(found),
        principals=len(found),
        last_review=None if reviewed is None else _review(reviewed),
        items=[_principal(each) for each in rest[:limit]],
        next_cursor=cursor_text(rest[limit - 1].id if len(rest) > limit else None),
    )


@post(
    "/v1/compliance/access/reviews",
    operation_id="reviewAccess",
    summary="Write down that all access was looked at, as it is now",
    tags=["compliance"],
)
async def review_access(
    caller: Annotated[Caller, Requires(Scope.ACCESS_REVIEW)], access: AccessOf, data: JSONBody[ReviewAccess]
) -> ReviewView:
    return _review(await access.review(caller, data.digest, data.reason))


@get(
    "/v1/compliance/governance",
    operation_id="getGovernance",
    summary="By key: who could sign, who did, who approved, who changed it; of the last 90 days or a period",
    tags=["compliance"],
)
async def get_governance(
    caller: Annotated[Caller, Requires(Scope.AUDIT_READ)],
    access: AccessOf,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> GovernancePage:
    end = _aware(until) or now()
    start = _aware(since) or end - PERIOD
    found, following = await access.governance(caller, since=start, until=end, after=cursor, limit=limit)
    return GovernancePage(start, end, list(map(_key_use, found)), cursor_text(following))


HANDLERS = (list_access, review_access, get_governance)


def _aware(moment: datetime | None) -> datetime | None:
    """A time without a zone is one of UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _principal(principal: Principal) -> PrincipalView:
    document = msgspec.to_builtins(principal, builtin_types=(UUID, datetime))
    return msgspec.convert(document | {"remarks": principal.remarks(now())}, PrincipalView, strict=False)


def _review(review: Review) -> ReviewView:
    return ReviewView(review.at, review.by, review.digest)


def _key_use(use: KeyUse) -> KeyUseView:
    return msgspec.convert(msgspec.to_builtins(use, builtin_types=(UUID, datetime)), KeyUseView, strict=False)
