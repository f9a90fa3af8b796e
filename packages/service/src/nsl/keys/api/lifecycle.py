"""The life of a key over HTTP."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import Idempotency, Note
from nsl.keys.api.views import IdempotencyKey, KeysOf, KeyView, Once, ProofText, view, viewed
from nsl.keys.service import Destroying, Keys
from nsl_protocol.enclave.lifecycle import DAY_SECONDS, ChangeApproval, KeyChange

WAIT_DAYS = 30

DestroyingOf = NamedDependency[SkipValidation[Destroying]]


class ChangeApprovals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both are for a key whose policy names who changes it. ``approvals``: signature (hex) by approver.

    ``expires_at``: of all of them, Unix seconds.
    """

    expires_at: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    approvals: Annotated[dict[Annotated[str, Meta(max_length=64)], ProofText], Meta(max_length=16)] = {}

    def given(self) -> ChangeApproval | None:
        """As the enclave takes it; None: nobody has signed."""
        if not self.approvals:
            return None
        return ChangeApproval(self.expires_at, {name: bytes.fromhex(each) for name, each in self.approvals.items()})


class DestroyKey(ChangeApprovals, frozen=True, forbid_unknown_fields=True):
    """``wait_days``: how long it can be undone. ``accept_balances``: what its addresses hold is lost with it.

    ``approvals`` (signature in hex by approver) and ``expires_at`` (Unix seconds): of a key whose policy names who
    changes it.
    """

    wait_days: Annotated[int, Meta(ge=7, le=365)] = WAIT_DAYS
    accept_balances: bool = False


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
    summary="Let a key sign nothing from now on, and destroy it after a wait; not while its addresses hold something",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def destroy_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_MANAGE, resource="key_id")],
    destroying: DestroyingOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    data: JSONBody[DestroyKey],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    async def act(note: Note[KeyView]) -> KeyView:
        begun = destroying.begin(
            caller,
            key_id,
            data.wait_days * DAY_SECONDS,
            approval=data.given(),
            accept_balances=data.accept_balances,
            note=viewed(note),
        )
        return view(await begun)

    return await idempotency.once(caller, idempotency_key, ("destroyKey", (key_id, data)), KeyView, act)


@post(
    "/v1/keys/{key_id:uuid}/rotate",
    operation_id="rotateKey",
    summary="Let a secret key encrypt and authenticate by another secret; what it did before still opens and verifies",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def rotate_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_MANAGE, resource="key_id")],
    keys: KeysOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    return await changed(caller, keys, idempotency, idempotency_key, key_id, KeyChange.ROTATE)


#: what ``nsl.http`` mounts
HANDLERS = (disable_key, enable_key, destroy_key, rotate_key)
