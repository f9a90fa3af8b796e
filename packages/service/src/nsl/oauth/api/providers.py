"""Other OpenID providers that people of the tenant may come from, and the tenant's own withdrawal of trust."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.kit.decoding import Label
from nsl.oauth.api.views import FederationOf
from nsl.oauth.service import Provider


class CreateProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``roles``: what somebody gets who comes for the first time; none: only members may come in this way."""

    name: Label
    issuer: Annotated[str, Meta(min_length=8, max_length=500)]
    client_id: Annotated[str, Meta(min_length=1, max_length=500)]
    client_secret: Annotated[str, Meta(min_length=1, max_length=500)]
    roles: Annotated[list[Annotated[str, Meta(max_length=50)]], Meta(max_length=50)] = []


class ProviderView(msgspec.Struct, frozen=True):
    """Register ``redirect_uri`` there; people begin at ``sign_in``."""

    id: UUID
    name: str
    issuer: str
    client_id: str
    roles: list[str]
    sign_in: str


class ProviderPage(msgspec.Struct, frozen=True):
    items: list[ProviderView]
    next_cursor: str | None


@post("/v1/identity-providers", operation_id="createIdentityProvider", summary="Trust one", tags=["people"])
async def create_provider(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN, recent=True)],
    federation: FederationOf,
    data: JSONBody[CreateProvider],
) -> ProviderView:
    made = await federation.create(
        caller,
        name=data.name,
        issuer=data.issuer,
        client_id=data.client_id,
        client_secret=data.client_secret,
        roles=tuple(data.roles),
    )
    return _view(made)


@get("/v1/identity-providers", operation_id="listIdentityProviders", summary="Those trusted", tags=["people"])
async def list_providers(
    caller: Annotated[Caller, Requires(Scope.USERS_READ)], federation: FederationOf
) -> ProviderPage:
    return ProviderPage(list(map(_view, await federation.all(caller.tenant))), None)


@delete("/v1/identity-providers/{provider_id:uuid}", operation_id="deleteIdentityProvider", summary="Trust it no more",
        tags=["people"])  # fmt: skip
async def delete_provider(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN, recent=True)],
    federation: FederationOf,
    provider_id: FromPath[UUID],
) -> None:
    await federation.delete(caller, provider_id)


HANDLERS = (create_provider, list_providers, delete_provider)


def _view(provider: Provider) -> ProviderView:
    return ProviderView(
        provider.id,
        provider.name,
        provider.issuer,
        provider.client_id,
        list(provider.roles),
        f"/oauth2/federation/{provider.id}",
    )
