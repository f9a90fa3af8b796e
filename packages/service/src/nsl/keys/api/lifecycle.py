"""The life of a key over HTTP."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import Idempotency, Note
from nsl.keys.api.views import IdempotencyKey, KeysOf, KeyView, Once, view, viewed
from nsl.keys.service import Keys
from nsl_protocol.enclave.lifecycle import DAY_SECONDS, KeyChange

WAIT_DAYS = 30


class DestroyKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``wait_days``: how long it can be undone."""

    wait_days: Annotated[int, Meta(ge=7, le=365)] = WAIT_DAYS


async def changed(
    caller: Caller, keys: Keys, idempotency: Idempotency, idempotency_key: str | None, key_id: UUID, change: KeyChange
) -> KeyView:
    """A key after a change that nothing more is said about; once for each ``Idempotency-Key``."""

    async def act(note: Note[KeyView]) -> KeyView:
        return view(await keys.change(caller, key_id, change, note=viewed(note)))

    return await idempotency.once(caller, idempotency_key, (f"{change}Key", key_id), KeyView, act)


@post(
    "/v1/keys/{key_id:uuid}/disable",
    operation_id="disableKey",
    summary="Let a key sign nothing until it is enabled; undoes a destruction that waits, too",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def disable_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_MANAGE, resource="key_id")],
    keys: KeysOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    return await changed(caller, keys, idempotency, idempotency_key, key_id, KeyChange.DISABLE)


@post(
    "/v1/keys/{key_id:uuid}/enable",
    operation_id="enableKey",
    summary="Let a key sign again; undoes a destruction that waits",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def enable_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_MANAGE, resource="key_id")],
    keys: KeysOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    return await changed(caller, keys, idempotency, idempotency_key, key_id, KeyChange.ENABLE)


@post(
    "/v1/keys/{key_id:uuid}/destroy",
    operation_id="destroyKey",
    summary="Let a key sign nothing from now on, and destroy it after a wait",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def destroy_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_MANAGE, resource="key_id")],
    keys: KeysOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    data: JSONBody[DestroyKey],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    async def act(note: Note[KeyView]) -> KeyView:
        wait = data.wait_days * DAY_SECONDS
        destroying = keys.change(caller, key_id, KeyChange.DESTROY_LATER, wait_seconds=wait, note=viewed(note))
        return view(await destroying)

    return await idempotency.once(caller, idempotency_key, ("destroyKey", (key_id, data)), KeyView, act)


#: what ``nsl.http`` mounts
HANDLERS = (disable_key, enable_key, destroy_key)
