"""The emergency stop of a key over HTTP: quick to pull, slow to lift."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from litestar.status_codes import HTTP_200_OK

from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import Note
from nsl.keys.api.lifecycle import ChangeApprovals, changed
from nsl.keys.api.views import IdempotencyKey, KeysOf, KeyView, Once, view, viewed
from nsl.keys.errors import TenantMismatch
from nsl.keys.service import Freezing
from nsl.keys.store.freezes import Freeze
from nsl_protocol.enclave.lifecycle import KeyChange

FreezingOf = NamedDependency[SkipValidation[Freezing]]


class UnfreezeKey(ChangeApprovals, frozen=True, forbid_unknown_fields=True):
    """Both are for a key whose policy names who changes it. ``approvals``: signature (hex) by approver.

    ``expires_at``: of all of them, Unix seconds.
    """


class WholeTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tenant_id``: of the token's own tenant, so that nobody stops another business than he means."""

    tenant_id: UUID


class FreezeView(msgspec.Struct, frozen=True):
    """``keys_left``: those that are being frozen yet; a frozen tenant makes no keys."""

    frozen: bool
    frozen_at: datetime | None = None
    frozen_by: str | None = None
    keys_left: int = 0


@post(
    "/v1/keys/{key_id:uuid}/freeze",
    operation_id="freezeKey",
    summary="Stop a key at once, until somebody with more rights lifts it; a destruction that waits ends",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def freeze_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_FREEZE, resource="key_id")],
    keys: KeysOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    return await changed(caller, keys, idempotency, idempotency_key, key_id, KeyChange.FREEZE)


@post(
    "/v1/keys/{key_id:uuid}/unfreeze",
    operation_id="unfreezeKey",
    summary="Let a frozen key be what it was; with the signatures of its approvers, where its policy names some",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def unfreeze_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_UNFREEZE, resource="key_id")],
    keys: KeysOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    data: JSONBody[UnfreezeKey],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    async def act(note: Note[KeyView]) -> KeyView:
        return view(await keys.change(caller, key_id, KeyChange.UNFREEZE, approval=data.given(), note=viewed(note)))

    return await idempotency.once(caller, idempotency_key, ("unfreezeKey", (key_id, data)), KeyView, act)


@post(
    "/v1/freeze",
    operation_id="freezeTenant",
    summary="Stop every key of the tenant at once, those that sign first; none is made until that is lifted",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def freeze_tenant(
    caller: Annotated[Caller, Requires(Scope.KEYS_FREEZE)], freezing: FreezingOf, data: JSONBody[WholeTenant]
) -> FreezeView:
    _insist_on_own(caller, data)
    return _freeze(await freezing.freeze(caller))


@post(
    "/v1/unfreeze",
    operation_id="liftFreeze",
    summary="Let keys be made again, and be unfrozen one by one; none is unfrozen by this",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def lift_freeze(
    caller: Annotated[Caller, Requires(Scope.KEYS_UNFREEZE)], freezing: FreezingOf, data: JSONBody[WholeTenant]
) -> FreezeView:
    _insist_on_own(caller, data)
    await freezing.lift(caller)
    return _freeze(await freezing.of(caller.tenant))


@get("/v1/freeze", operation_id="getFreeze", summary="Whether the tenant is frozen", tags=["keys"])
async def get_freeze(caller: Annotated[Caller, Requires(Scope.KEYS_READ)], freezing: FreezingOf) -> FreezeView:
    return _freeze(await freezing.of(caller.tenant))


#: what ``nsl.http`` mounts
HANDLERS = (freeze_key, unfreeze_key, freeze_tenant, lift_freeze, get_freeze)


def _insist_on_own(caller: Caller, named: WholeTenant) -> None:
    if named.tenant_id != caller.tenant:
        raise TenantMismatch(f"The token is of tenant {caller.tenant}: name that one.", field="tenant_id")


def _freeze(found: Freeze | None) -> FreezeView:
    if found is None:
        return FreezeView(frozen=False)
    return FreezeView(frozen=True, frozen_at=found.frozen_at, frozen_by=found.frozen_by, keys_left=found.keys_left)
