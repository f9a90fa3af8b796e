"""Endpoints that applications call themselves: tokens, keys, introspection, revocation, pushed requests, devices."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from nsl.identity.errors import TokenRefused
from nsl.identity.model import Caller, GrantType, Public, Requires, Scope
from nsl.identity.service import Tokens
from nsl.oauth.api.views import (
    OAUTH_ERRORS,
    Asked,
    AuthorizationOf,
    ClientAuthenticationOf,
    DevicesOf,
    FormOperation,
    GrantsOf,
    InspectionOf,
    KeyringOf,
    OAuthError,
    ProofsOf,
    answered,
    certificate_of,
    form_fields,
    proof_of,
)
from nsl.oauth.model import OPENID_SCOPES
from nsl.oauth.service import devices

TokensOf = NamedDependency[SkipValidation[Tokens]]
_BY_CLIENT = Public("the client proves itself in the request")


class TokenView(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: str | None = None
    id_token: str | None = None
    issued_token_type: str | None = None


class PushedView(msgspec.Struct, frozen=True):
    """RFC 9126 section 2.2."""

    request_uri: str
    expires_in: int


class DeviceView(msgspec.Struct, frozen=True):
    """RFC 8628 section 3.2."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


@post(
    "/oauth2/token",
    operation_id="token",
    operation_class=FormOperation,
    responses=OAUTH_ERRORS,
    summary="Tokens (RFC 6749): client credentials, code, refresh, device, exchange",
    tags=["oauth"],
    status_code=200,
)
async def token(
    caller: Annotated[None, _BY_CLIENT],
    request: Asked,
    grants: GrantsOf,
    client_authentication: ClientAuthenticationOf,
    proofs: ProofsOf,
) -> Response[TokenView | OAuthError]:
    async def make() -> TokenView:
        fields = await form_fields(request)
        if "grant_type" not in fields:
            raise TokenRefused("invalid_request", "Say which grant_type.")
        authorization, certificate = request.headers.get("authorization"), certificate_of(request)
        client = await client_authentication.client(fields, authorization, certificate)
        made = await grants.grant(client, fields, await proof_of(request, proofs))
        return TokenView(
            made.access.token,
            made.token_type,
            made.access.expires_in,
            " ".join(made.access.scopes),
            made.refresh,
            made.id_token,
            made.issued_token_type,
        )

    return await answered(make)


@post(
    "/oauth2/par",
    operation_id="pushAuthorizationRequest",
    operation_class=FormOperation,
    responses=OAUTH_ERRORS,
    summary="Push an authorization request (RFC 9126)",
    tags=["oauth"],
    status_code=201,
)
async def par(
    caller: Annotated[None, _BY_CLIENT],
    request: Asked,
    authorization: AuthorizationOf,
    client_authentication: ClientAuthenticationOf,
    proofs: ProofsOf,
) -> Response[PushedView | OAuthError]:
    async def make() -> PushedView:
        fields = await form_fields(request)
        header, certificate = request.headers.get("authorization"), certificate_of(request)
        client = await client_authentication.client(fields, header, certificate)
        proof = await proof_of(request, proofs) if "dpop" in request.headers else None
        if proof is not None:
            if fields.get("dpop_jkt", proof.thumbprint) != proof.thumbprint:
                raise TokenRefused("invalid_dpop_proof", "dpop_jkt names another key (RFC 9449 section 10.1).")
            fields["dpop_jkt"] = proof.thumbprint
        return PushedView(*await authorization.push(client, fields))

    made = await answered(make)
    made.status_code = 201 if made.status_code == 200 else made.status_code  # noqa: PLR2004 - RFC 9126
    return made


@post(
    "/oauth2/introspect",
    operation_id="introspect",
    operation_class=FormOperation,
    responses=OAUTH_ERRORS,
    summary="What a token is worth (RFC 7662)",
    tags=["oauth"],
    status_code=200,
)
async def introspect(
    caller: Annotated[None, _BY_CLIENT],
    request: Asked,
    inspection: InspectionOf,
    client_authentication: ClientAuthenticationOf,
) -> Response[dict[str, Any] | OAuthError]:
    async def make() -> dict[str, Any]:
        fields = await form_fields(request)
        header, certificate = request.headers.get("authorization"), certificate_of(request)
        client = await client_authentication.client(fields, header, certificate)
        if client.auth_method == "none":
            raise TokenRefused("invalid_client", "Only clients that prove themselves look into tokens.")
        return await inspection.introspect(client, _token(fields))

    return await answered(make)


@post(
    "/oauth2/revoke",
    operation_id="revoke",
    operation_class=FormOperation,
    responses=OAUTH_ERRORS,
    summary="End a token (RFC 7009)",
    tags=["oauth"],
    status_code=200,
)
async def revoke(
    caller: Annotated[None, _BY_CLIENT],
    request: Asked,
    inspection: InspectionOf,
    client_authentication: ClientAuthenticationOf,
) -> Response[dict[str, Any] | OAuthError]:
    async def make() -> dict[str, Any]:
        fields = await form_fields(request)
        header, certificate = request.headers.get("authorization"), certificate_of(request)
        client = await client_authentication.client(fields, header, certificate)
        await inspection.revoke(client, _token(fields))
        return {}

    return await answered(make)


@post(
    "/oauth2/device_authorization",
    operation_id="deviceAuthorization",
    operation_class=FormOperation,
    responses=OAUTH_ERRORS,
    summary="A code for a program without a browser (RFC 8628)",
    tags=["oauth"],
    status_code=200,
)
async def device_authorization(
    caller: Annotated[None, _BY_CLIENT],
    request: Asked,
    tokens: TokensOf,
    device_flow: DevicesOf,
    client_authentication: ClientAuthenticationOf,
) -> Response[DeviceView | OAuthError]:
    async def make() -> DeviceView:
        fields = await form_fields(request)
        header, certificate = request.headers.get("authorization"), certificate_of(request)
        client = await client_authentication.client(fields, header, certificate)
        if GrantType.DEVICE_CODE not in client.grant_types:
            raise TokenRefused("unauthorized_client", "This client is not registered for the device flow.")
        made = await device_flow.begin(client, fields.get("scope"))
        page = f"{tokens.issuer}/console/device"
        return DeviceView(
            made.device_code,
            made.user_code,
            page,
            f"{page}?user_code={made.user_code}",
            devices.SECONDS,
            devices.INTERVAL_SECONDS,
        )

    return await answered(make)


@get("/oauth2/jwks", operation_id="jwks", summary="The keys that verify our tokens (RFC 7517)", tags=["oauth"])
async def jwks(caller: Annotated[None, Public("public keys")], keyring: KeyringOf) -> Response[dict[str, Any]]:
    return Response(await keyring.key_set(), headers={"cache-control": "public, max-age=300"})


@get("/oauth2/userinfo", operation_id="userinfo", summary="Who the person is", tags=["oauth"])
async def userinfo(caller: Annotated[Caller, Requires(None)], inspection: InspectionOf) -> dict[str, Any]:
    return await inspection.userinfo(caller)


@post("/oauth2/userinfo", operation_id="postUserinfo", summary="The same", tags=["oauth"], status_code=200)
async def post_userinfo(caller: Annotated[Caller, Requires(None)], inspection: InspectionOf) -> dict[str, Any]:
    return await inspection.userinfo(caller)


@get(
    "/.well-known/openid-configuration",
    operation_id="discovery",
    summary="Where everything of the provider is, and what it can",
    tags=["oauth"],
)
async def discovery(caller: Annotated[None, Public("public addresses")], tokens: TokensOf) -> dict[str, Any]:
    return description(tokens.issuer)


def description(issuer: str) -> dict[str, Any]:
    """OpenID Connect Discovery section 3, RFC 8414 section 2."""
    proofs = ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "token_endpoint": f"{issuer}/oauth2/token",
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "jwks_uri": f"{issuer}/oauth2/jwks",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "end_session_endpoint": f"{issuer}/oauth2/logout",
        "device_authorization_endpoint": f"{issuer}/oauth2/device_authorization",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth2/par",
        "grant_types_supported": [grant.value for grant in GrantType],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": [*proofs, "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
        "introspection_endpoint_auth_methods_supported": proofs,
        "revocation_endpoint_auth_methods_supported": [*proofs, "none"],
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "RS256", "PS256"],
        "scopes_supported": [*OPENID_SCOPES, *(scope.value for scope in Scope)],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "name", "email",
            "email_verified", "tenant",
        ],
        "acr_values_supported": ["aal1", "aal2"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": True,
        "require_pushed_authorization_requests": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "tls_client_certificate_bound_access_tokens": True,
    }  # fmt: skip


HANDLERS = (
    token, par, introspect, revoke, device_authorization, jwks, userinfo, post_userinfo, discovery,
)  # fmt: skip


def _token(fields: dict[str, str]) -> str:
    if "token" not in fields:
        raise TokenRefused("invalid_request", "Say which token.")
    return fields["token"]
