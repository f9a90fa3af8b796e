"""The HTTP application: the slices' endpoints, one table of errors, one guard, and the layers in front."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Litestar, Request
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from nsl.http import documents, health
from nsl.http.authority import check, with_authority
from nsl.http.gateway import Application, Gateway, TokenVerifier
from nsl.http.log import AccessLog
from nsl.http.problems import HANDLERS as PROBLEMS
from nsl.identity import api as identity
from nsl.keys import api as keys
from nsl.kit.limits import RateLimiter
from nsl.ledger import api as ledger
from nsl.transactions import api as transactions

#: every endpoint of the API
ENDPOINTS: tuple[HTTPRouteHandler, ...] = (
    *identity.HANDLERS,
    *keys.HANDLERS,
    *ledger.HANDLERS,
    *transactions.HANDLERS,
    *health.HANDLERS,
    *documents.HANDLERS,
)


@dataclass(frozen=True, slots=True)
class Layers:
    """What stands in front of the router."""

    tokens: TokenVerifier
    limiter: RateLimiter
    log: AccessLog


def router(services: Mapping[str, object], endpoints: Iterable[HTTPRouteHandler] = ENDPOINTS) -> Litestar:
    """The endpoints without the layers. ``services`` are the dependencies of handlers, by parameter name."""
    provided = {name: Provide(_always(service), sync_to_thread=False) for name, service in services.items()}
    return Litestar(
        with_authority(endpoints),
        dependencies={
            **provided,
            "caller": Provide(_caller, sync_to_thread=False),
            "quota": Provide(_quota, sync_to_thread=False),
        },
        guards=[check],
        exception_handlers=dict(PROBLEMS),
        openapi_config=OpenAPIConfig(
            title="Neo Service Layer",
            version="1",
            description="Keys in enclaves, and transactions made exactly once, on Neo N3 and Neo X.",
            path="/schema",
            render_plugins=[],
            components=Components(
                security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
            ),
            security=[{"bearer": []}],
        ),
        logging_config=None,
    )


def application(services: Mapping[str, object], layers: Layers) -> Application:
    """The whole: layers, router, endpoints."""
    return Gateway(router(services), layers.tokens, layers.limiter, layers.log)


def _always(service: object) -> Callable[[], Any]:
    def provide() -> Any:
        return service

    return provide


def _caller(request: Request[Any, Any, Any]) -> Any:
    return request.scope.get("nsl.caller")


def _quota(request: Request[Any, Any, Any]) -> Any:
    return request.scope.get("nsl.spend")
