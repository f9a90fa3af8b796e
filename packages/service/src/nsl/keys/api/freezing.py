"""The emergency stop of a key over HTTP: quick to pull, slow to lift."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import Note
from nsl.keys.api.views import IdempotencyKey, KeysOf, KeyView, Once, view, viewed
from nsl_protocol.enclave.lifecycle import ChangeApproval, KeyChange


class UnfreezeKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both are for a key whose policy names who changes it. ``approvals``: signature (hex) by approver.

    ``expires_at``: of all of them, Unix seconds.
    """

    expires_at: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    approvals: Annotated[
        dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]], Meta(max_length=16)
    ] = {}


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
    async def act(note: Note[KeyView]) -> KeyView:
        return view(await keys.change(caller, key_id, KeyChange.FREEZE, note=viewed(note)))

    return await idempotency.once(caller, idempotency_key, ("freezeKey", key_id), KeyView, act)


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
    data: JSONBody[UnfreezeKey | None] = None,
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    approval = None
    if data is not None and data.approvals:
        approval = ChangeApproval(data.expires_at, {name: bytes.fromhex(each) for name, each in data.approvals.items()})

    async def act(note: Note[KeyView]) -> KeyView:
        return view(await keys.change(caller, key_id, KeyChange.UNFREEZE, approval=approval, note=viewed(note)))

    return await idempotency.once(caller, idempotency_key, ("unfreezeKey", (key_id, data)), KeyView, act)


#: what ``nsl.http`` mounts
HANDLERS = (freeze_key, unfreeze_key)
