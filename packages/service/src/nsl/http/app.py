"""The HTTP application: the slices' endpoints, one table of errors, one guard, and the layers in front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, OAuthFlow, OAuthFlows, SecurityScheme

from nsl.accounts import api as accounts
from nsl.attestation import api as attestation
from nsl.audit import api as audit
from nsl.compliance import api as compliance
from nsl.http import console, documents, health
from nsl.http.documents import Description
from nsl.http.endpoints import SECURITY_SCHEME, bound
from nsl.http.gateway import Application, Gateway, Policy, ProofVerifier, TokenVerifier
from nsl.http.log import AccessLog
from nsl.http.problems import HANDLERS as PROBLEMS
from nsl.identity import api as identity
from nsl.identity.model import Scope
from nsl.keys import api as keys
from nsl.kit.limits import Limiter
from nsl.ledger import api as ledger
from nsl.oauth import api as oauth
from nsl.transactions import api as transactions

#: every endpoint of the API
ENDPOINTS: tuple[HTTPRouteHandler, ...] = (
    *oauth.HANDLERS,
    *accounts.HANDLERS,
    *identity.HANDLERS,
    *keys.HANDLERS,
    *ledger.HANDLERS,
    *transactions.HANDLERS,
    *attestation.HANDLERS,
    *audit.HANDLERS,
    *compliance.HANDLERS,
    *health.HANDLERS,
    *documents.HANDLERS,
    *console.HANDLERS,
)


#: what handlers take, by parameter name
SERVICES = (
    "tokens", "tenancy", "directory", "audit", "idempotency", "keyring", "proofs", "registration", "signing_in",
    "sessions", "factors", "wallets", "grants", "client_authentication", "authorization", "device_flow", "inspection",
    "logout", "federation", "keys", "portable", "secrets", "governing", "freezing", "approving", "addresses",
    "destroying", "ledger", "transactions", "attestation", "enclaves", "cluster_stops", "audit_log", "holds", "access",
    "people",
    "health", "description",
)  # fmt: skip
_SCOPES = {scope.value: scope.name.replace("_", " ").lower() for scope in Scope}
_SECURITY = SecurityScheme(
    type="oauth2",
    description="A bearer token, of a client or of a person",
    flows=OAuthFlows(
        client_credentials=OAuthFlow(
            token_url="/oauth2/token",  # noqa: S106 - an address
            scopes=_SCOPES,
        ),
        authorization_code=OAuthFlow(
            authorization_url="/oauth2/authorize",
            token_url="/oauth2/token",  # noqa: S106 - an address
            scopes=_SCOPES,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Layers:
    """What stands in front of the router."""

    tokens: TokenVerifier
    proofs: ProofVerifier
    limiter: Limiter
    log: AccessLog
    policy: Policy


def router(services: Mapping[str, object], endpoints: Sequence[HTTPRouteHandler] = ENDPOINTS) -> Litestar:
    """The endpoints without the layers. ``services`` are what handlers take, by parameter name.

    Raises:
        TypeError: an endpoint does not state its authority.
    """
    parts = {"description": Description(partial(description, endpoints)), **services}
    return Litestar(
        [bound(endpoint, parts) for endpoint in endpoints],
        exception_handlers=dict(PROBLEMS),
        openapi_config=None,
        logging_config=None,
    )


def description(endpoints: Sequence[HTTPRouteHandler] = ENDPOINTS) -> dict[str, Any]:
    """OpenAPI 3.1 of the endpoints.

    Made by an application that is never served: Litestar would add pages of its own, which load scripts from elsewhere.
    """
    config = OpenAPIConfig(
        title="Neo Service Layer",
        version="1",
        description="Keys in enclaves, and transactions made exactly once, on Neo N3 and Neo X.",
        components=Components(security_schemes={SECURITY_SCHEME: _SECURITY}),
    )
    unserved = dict.fromkeys(SERVICES)
    described = Litestar([bound(endpoint, unserved) for endpoint in endpoints], openapi_config=config)
    return described.openapi_schema.to_schema()


def application(services: Mapping[str, object], layers: Layers) -> Application:
    """The whole: layers, router, endpoints."""
    return Gateway(router(services), layers.tokens, layers.proofs, layers.limiter, layers.log, layers.policy)
