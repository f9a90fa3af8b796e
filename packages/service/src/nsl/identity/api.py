"""Tokens, tenants and clients over HTTP."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote_plus
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation
from litestar.status_codes import HTTP_200_OK, HTTP_400_BAD_REQUEST, HTTP_401_UNAUTHORIZED
from msgspec import Meta

from nsl.identity.errors import TokenRefused
from nsl.identity.model import AuthMethod, Caller, Client, Plan, Public, Requires, Scope, Tenant
from nsl.identity.service import Idempotency, Note, Tenancy, Tokens
from nsl.kit.decoding import Label

PAGE_MAX = 200

TokensOf = NamedDependency[SkipValidation[Tokens]]
TenancyOf = NamedDependency[SkipValidation[Tenancy]]
Once = NamedDependency[SkipValidation[Idempotency]]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key and body: the same answer, 7 days",
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
Cursor = Annotated[UUID | None, QueryParameter(description="next_cursor of the page before")]
PerMinute = Annotated[int, Meta(ge=1, le=10_000_000)]


class TokenView(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str
    expires_in: int
    scope: str


class TokenError(msgspec.Struct, frozen=True):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


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


class TenantPage(msgspec.Struct, frozen=True):
    items: list[TenantView]
    next_cursor: str | None


class CreateClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tenant_id``: another tenant than one's own, for platform administrators."""

    name: Label
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=50)]
    tenant_id: UUID | None = None
    auth_method: AuthMethod | None = None


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


class ClientPage(msgspec.Struct, frozen=True):
    items: list[ClientView]
    next_cursor: str | None


class MeView(msgspec.Struct, frozen=True):
    subject: str
    tenant: UUID
    client_id: UUID
    scopes: list[str]
    plan: PlanView


_FORM = {
    "grant_type": Schema(type=OpenAPIType.STRING, enum=["client_credentials"]),
    "scope": Schema(type=OpenAPIType.STRING, description="scopes between spaces; without it, all that the client has"),
    "client_id": Schema(type=OpenAPIType.STRING, description="unless sent as HTTP Basic"),
    "client_secret": Schema(type=OpenAPIType.STRING, description="unless sent as HTTP Basic"),
}


@dataclass
class TokenOperation(Operation):
    """The form of RFC 6749, which the handler reads itself: its errors have a shape of their own."""

    def __post_init__(self) -> None:
        schema = Schema(type=OpenAPIType.OBJECT, properties=dict(_FORM), required=["grant_type"])
        content = {"application/x-www-form-urlencoded": OpenAPIMediaType(schema=schema)}
        self.request_body = RequestBody(content=content, required=True)


@post(
    "/oauth2/token",
    operation_id="token",
    operation_class=TokenOperation,
    summary="An access token for a client (RFC 6749, client credentials)",
    tags=["authentication"],
    status_code=HTTP_200_OK,
)
async def token(
    caller: Annotated[None, Public("the caller proves itself in the request")],
    request: Request[Any, Any, Any],
    tokens: TokensOf,
) -> Response[TokenView | TokenError]:
    headers = {"cache-control": "no-store"}
    try:
        issued = await _grant(request, tokens)
    except TokenRefused as refused:
        status = HTTP_400_BAD_REQUEST
        if refused.error == "invalid_client":
            status, headers = HTTP_401_UNAUTHORIZED, headers | {"www-authenticate": "Basic"}
        return Response(TokenError(refused.error, refused.detail), status_code=status, headers=headers)
    return Response(issued, headers=headers)


@get("/oauth2/jwks", operation_id="jwks", summary="The keys that verify our tokens (RFC 7517)", tags=["authentication"])
async def jwks(caller: Annotated[None, Public("public keys")], tokens: TokensOf) -> dict[str, Any]:
    return await tokens.key_set()


@get(
    "/.well-known/openid-configuration",
    operation_id="discovery",
    summary="Where everything of the provider is",
    tags=["authentication"],
)
async def discovery(caller: Annotated[None, Public("public addresses")], tokens: TokensOf) -> dict[str, Any]:
    issuer = tokens.issuer
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth2/token",
        "jwks_uri": f"{issuer}/oauth2/jwks",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": [method.value for method in AuthMethod],
        "scopes_supported": [scope.value for scope in Scope],
    }


@get("/v1/me", operation_id="me", summary="Who the token stands for", tags=["authentication"])
async def me(caller: Annotated[Caller, Requires(None)]) -> MeView:
    return MeView(caller.subject, caller.tenant, caller.client, sorted(caller.scopes), _plan(caller.plan))


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
    return TenantPage(list(map(_tenant, found)), None if following is None else str(following))


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
    made = await tenancy.create_client(
        caller, tenant=data.tenant_id, name=data.name, scopes=frozenset(data.scopes), auth_method=data.auth_method
    )
    client = made.client
    return NewClientView(
        client.id, made.secret, client.tenant, client.name, [each.value for each in client.scopes], client.created_at
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
    return ClientPage(list(map(_client, found)), None if following is None else str(following))


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
    summary="End a client: no new tokens, and those it has stop within seconds",
    tags=["tenants"],
)
async def remove_client(
    caller: Annotated[Caller, Requires(Scope.CLIENTS_ADMIN)], tenancy: TenancyOf, client_id: FromPath[UUID]
) -> None:
    await tenancy.remove_client(caller, client_id)


#: what ``nsl.http`` mounts
HANDLERS = (
    token, jwks, discovery, me, create_tenant, list_tenants, set_plan, create_client, list_clients, set_client_plan,
    remove_client,
)  # fmt: skip


async def _grant(request: Request[Any, Any, Any], tokens: Tokens) -> TokenView:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise TokenRefused("invalid_request", "Send a form: application/x-www-form-urlencoded.")
    form = await request.form()
    fields: dict[str, str] = {}
    for name, value in form.multi_items():
        if name in fields or not isinstance(value, str):
            raise TokenRefused("invalid_request", f"The field {name[:40]} stands twice.")
        fields[name] = value
    if fields.get("grant_type") != "client_credentials":
        raise TokenRefused("unsupported_grant_type", "This version grants client_credentials.")
    client_id, secret, method = _credentials(request.headers.get("authorization"), fields)
    issued = await tokens.issue(client_id, secret, method, fields.get("scope"))
    return TokenView(issued.token, "Bearer", issued.expires_in, " ".join(issued.scopes))


def _credentials(authorization: str | None, fields: dict[str, str]) -> tuple[str, str, AuthMethod]:
    """From the header or from the form, never both (RFC 6749 section 2.3)."""
    if authorization is None:
        if "client_id" not in fields or "client_secret" not in fields:
            raise TokenRefused("invalid_client", "Send client_id and client_secret, in the form or as HTTP Basic.")
        return fields["client_id"], fields["client_secret"], AuthMethod.POST
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic" or "client_secret" in fields:
        raise TokenRefused("invalid_request", "Send the secret once: as HTTP Basic or in the form.")
    try:
        name, found, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise TokenRefused("invalid_client", "The Basic credentials cannot be read.") from error
    if not found:
        raise TokenRefused("invalid_client", "The Basic credentials cannot be read.")
    return unquote_plus(name), unquote_plus(secret), AuthMethod.BASIC


def _limits(view: PlanView) -> Plan:
    return Plan(view.requests_per_minute, view.key_requests_per_minute)


def _plan(plan: Plan) -> PlanView:
    return PlanView(plan.requests_per_minute, plan.key_requests_per_minute)


def _tenant(tenant: Tenant) -> TenantView:
    return TenantView(tenant.id, tenant.name, _plan(tenant.plan), tenant.created_at)


def _client(client: Client) -> ClientView:
    plan = None if client.plan is None else _plan(client.plan)
    scopes = [each.value for each in client.scopes]
    return ClientView(client.id, client.name, scopes, client.auth_method, plan, client.created_at)
