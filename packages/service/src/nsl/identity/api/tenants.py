"""Tenants and clients over HTTP."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from nsl.identity.api.views import Cursor, IdempotencyKey, Limit, Once, TenancyOf, cursor_text
from nsl.identity.model import (
    AuthMethod,
    Caller,
    Client,
    ClientDraft,
    GrantType,
    Plan,
    Requires,
    Scope,
    Tenant,
    TenantStatus,
)
from nsl.identity.service import Note
from nsl.kit.decoding import Label

PerMinute = Annotated[int, Meta(ge=1, le=10_000_000)]
Uri = Annotated[str, Meta(min_length=1, max_length=2000)]
Uris = Annotated[list[Uri], Meta(max_length=20)]


class PlanView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests per minute and subject: in general, and under /v1/keys."""

    requests_per_minute: PerMinute
    key_requests_per_minute: PerMinute


class CreateTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Label
    plan: PlanView | None = None


class TenantView(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    plan: PlanView
    created_at: datetime
    status: TenantStatus


class TenantPage(msgspec.Struct, frozen=True):
    items: list[TenantView]
    next_cursor: str | None


class CreateClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tenant_id``: another tenant than one's own, for platform administrators.

    ``auth_method`` null: the secret, in the form or as HTTP Basic. ``private_key_jwt`` needs ``jwks``, a JSON Web Key
    Set; ``tls_client_auth`` needs ``tls_subject_dn``, RFC 4514 text; ``none`` is for applications without a secret.
    ``authorization_code`` needs ``redirect_uris``.
    """

    name: Label
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=50)]
    tenant_id: UUID | None = None
    auth_method: AuthMethod | None = None
    grant_types: Annotated[tuple[GrantType, ...], Meta(min_length=1, max_length=5)] = (GrantType.CLIENT_CREDENTIALS,)
    redirect_uris: Uris = []
    post_logout_redirect_uris: Uris = []
    backchannel_logout_uri: Uri | None = None
    jwks: dict[str, Any] | None = None
    tls_subject_dn: Annotated[str, Meta(max_length=500)] | None = None
    require_pushed_requests: bool = False
    require_dpop: bool = False


class NewClientView(msgspec.Struct, frozen=True):
    """The secret is shown this once."""

    client_id: UUID
    client_secret: str
    tenant_id: UUID
    name: str
    scopes: list[str]
    created_at: datetime


class ClientView(msgspec.Struct, frozen=True):
    """``plan`` null: the tenant's limits hold. ``auth_method`` null: the secret may be sent either way."""

    client_id: UUID
    name: str
    scopes: list[str]
    auth_method: AuthMethod | None
    plan: PlanView | None
    created_at: datetime
    grant_types: list[GrantType]
    redirect_uris: list[str]


class ClientPage(msgspec.Struct, frozen=True):
    items: list[ClientView]
    next_cursor: str | None


@post("/v1/tenants", operation_id="createTenant", summary="Make a tenant", tags=["tenants"])
async def create_tenant(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN)],
    tenancy: TenancyOf,
    idempotency: Once,
    data: JSONBody[CreateTenant],
    idempotency_key: IdempotencyKey = None,
) -> TenantView:
    plan = None if data.plan is None else _limits(data.plan)

    async def act(note: Note[TenantView]) -> TenantView:
        return _tenant(await tenancy.create_tenant(data.name, plan, lambda c, made: note(c, _tenant(made))))

    return await idempotency.once(caller, idempotency_key, ("createTenant", data), TenantView, act)


@get("/v1/tenants", operation_id="listTenants", summary="Tenants", tags=["tenants"])
async def list_tenants(
    caller: Annotated[Caller, Requires(Scope.TENANTS_ADMIN)],
    tenancy: TenancyOf,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> TenantPage:
    found, following = await tenancy.tenants(caller, after=cursor, limit=limit)
    return TenantPage(list(map(_tenant, found)), cursor_text(following))


@put("/v1/tenants/{tenant_id:uuid}/plan", operation_id="setPlan", summary="Change a tenant's limits", tags=["tenants"])
async def set_plan(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN)],
    tenancy: TenancyOf,
    tenant_id: FromPath[UUID],
    data: JSONBody[PlanView],
) -> TenantView:
    return _tenant(await tenancy.set_plan(tenant_id, _limits(data)))


@post("/v1/clients", operation_id="createClient", summary="Make a client; its secret is shown once", tags=["tenants"])
async def create_client(
    caller: Annotated[Caller, Requires(Scope.CLIENTS_ADMIN)], tenancy: TenancyOf, data: JSONBody[CreateClient]
) -> NewClientView:
    made = await tenancy.create_client(caller, data.tenant_id, _draft(data))
    client = made.client
    return NewClientView(
        client.id,
        made.secret,
        client.tenant or caller.tenant,
        client.name,
        [each.value for each in client.scopes],
        client.created_at,
    )


@get("/v1/clients", operation_id="listClients", summary="The tenant's clients", tags=["tenants"])
async def list_clients(
    caller: Annotated[Caller, Requires(Scope.CLIENTS_ADMIN)],
    tenancy: TenancyOf,
    tenant_id: Annotated[UUID | None, QueryParameter(description="another tenant, for platform administrators")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ClientPage:
    found, following = await tenancy.clients(caller, tenant_id, after=cursor, limit=limit)
    return ClientPage(list(map(_client, found)), cursor_text(following))


@put(
    "/v1/clients/{client_id:uuid}/plan",
    operation_id="setClientPlan",
    summary="Give a client limits of its own, in whatever tenant it is",
    tags=["tenants"],
)
async def set_client_plan(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN)],
    tenancy: TenancyOf,
    client_id: FromPath[UUID],
    data: JSONBody[PlanView],
) -> ClientView:
    return _client(await tenancy.set_client_plan(client_id, _limits(data)))


@delete(
    "/v1/clients/{client_id:uuid}",
    operation_id="removeClient",
    summary="End a client: no new tokens, and those it has stop within a second",
    tags=["tenants"],
)
async def remove_client(
    caller: Annotated[Caller, Requires(Scope.CLIENTS_ADMIN)], tenancy: TenancyOf, client_id: FromPath[UUID]
) -> None:
    await tenancy.remove_client(caller, client_id)


@post(
    "/v1/tenants/{tenant_id:uuid}/suspend",
    operation_id="suspendTenant",
    summary="Let a tenant do nothing until it is resumed; its tokens stop within a second",
    tags=["tenants"],
    status_code=200,
)
async def suspend_tenant(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN, recent=True)],
    tenancy: TenancyOf,
    tenant_id: FromPath[UUID],
) -> TenantView:
    return _tenant(await tenancy.set_status(caller, tenant_id, TenantStatus.SUSPENDED))


@post(
    "/v1/tenants/{tenant_id:uuid}/resume",
    operation_id="resumeTenant",
    summary="Let a suspended tenant work again",
    tags=["tenants"],
    status_code=200,
)
async def resume_tenant(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN, recent=True)],
    tenancy: TenancyOf,
    tenant_id: FromPath[UUID],
) -> TenantView:
    return _tenant(await tenancy.set_status(caller, tenant_id, TenantStatus.ACTIVE))


@delete(
    "/v1/tenants/{tenant_id:uuid}",
    operation_id="deleteTenant",
    summary="Suspend a tenant for good; what it has is kept for those who must look into it",
    tags=["tenants"],
)
async def delete_tenant(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN, recent=True)],
    tenancy: TenancyOf,
    tenant_id: FromPath[UUID],
) -> None:
    await tenancy.set_status(caller, tenant_id, TenantStatus.DELETED)


@delete(
    "/v1/token-keys/{kid:str}",
    operation_id="withdrawTokenKey",
    summary="Take a key that signs tokens out of use: all its tokens end within a second",
    tags=["tenants"],
)
async def withdraw_token_key(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN, recent=True)], tenancy: TenancyOf, kid: FromPath[str]
) -> None:
    await tenancy.withdraw_key(caller, kid)


HANDLERS = (
    create_tenant, list_tenants, set_plan, suspend_tenant, resume_tenant, delete_tenant, create_client, list_clients,
    set_client_plan, remove_client, withdraw_token_key,
)  # fmt: skip


def _draft(data: CreateClient) -> ClientDraft:
    return ClientDraft(
        name=data.name,
        scopes=frozenset(data.scopes),
        auth_method=data.auth_method,
        grant_types=data.grant_types,
        redirect_uris=tuple(data.redirect_uris),
        post_logout_redirect_uris=tuple(data.post_logout_redirect_uris),
        backchannel_logout_uri=data.backchannel_logout_uri,
        jwks=data.jwks,
        tls_subject_dn=data.tls_subject_dn,
        require_pushed_requests=data.require_pushed_requests,
        require_dpop=data.require_dpop,
    )


def _limits(view: PlanView) -> Plan:
    return Plan(view.requests_per_minute, view.key_requests_per_minute)


def _plan(plan: Plan) -> PlanView:
    return PlanView(plan.requests_per_minute, plan.key_requests_per_minute)


def _tenant(tenant: Tenant) -> TenantView:
    return TenantView(tenant.id, tenant.name, _plan(tenant.plan), tenant.created_at, tenant.status)


def _client(client: Client) -> ClientView:
    plan = None if client.plan is None else _plan(client.plan)
    scopes = [each.value for each in client.scopes]
    return ClientView(
        client.id,
        client.name,
        scopes,
        client.auth_method,
        plan,
        client.created_at,
        list(client.grant_types),
        list(client.redirect_uris),
    )
