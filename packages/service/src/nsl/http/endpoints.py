"""From a slice's endpoint to one that is mounted: parts bound, authority checked first, body strict, errors documented.

A slice's handler takes ``caller``, ``quota`` and services by name. They are bound here, once, and not by the
framework's injection, which starts a task group for each request that needs two of them.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from typing import Any, get_args, get_type_hints
from uuid import UUID

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import Scope as HttpScope

from nsl.http.authority import check, stated
from nsl.http.bodies import strict_body
from nsl.http.problems import MEDIA_TYPE, Problem
from nsl.identity.model import Caller, Public, Requires

CALLER = "nsl.caller"
SPEND = "nsl.spend"
#: the handlers' parameters that come with each request, and where the layers leave them
PER_REQUEST = {"caller": CALLER, "quota": SPEND}
SECURITY_SCHEME = "oauth2"

type Function = Callable[..., Awaitable[Any]]


def bound(handler: HTTPRouteHandler, services: Mapping[str, object]) -> HTTPRouteHandler:
    """A copy of a handler that can be mounted.

    Raises:
        TypeError: it does not state its authority.
    """
    function: Function = handler.fn
    authority = stated(function)
    hints = get_type_hints(function, include_extras=True)
    made = copy(handler)
    made(_with_parts(function, hints, services))
    made.before_request = _checked(authority)
    made.security = [] if isinstance(authority, Public) else [{SECURITY_SCHEME: _scopes(authority)}]
    problems = _problems(
        authority,
        hints,
        has_path_parameter="{" in next(iter(handler.paths)),
        changes=not {"GET"} >= set(handler.http_methods) - {"HEAD", "OPTIONS"},
    )
    # What a handler says of its own errors holds: RFC 6749 gives some of them another shape.
    made.responses = problems | dict(handler.responses or {})
    if "data" in hints:
        made.dto, made.return_dto = strict_body(get_args(hints["data"])[0]), None
    return made


def _with_parts(function: Function, hints: Mapping[str, Any], services: Mapping[str, object]) -> Function:
    """The handler as the framework shall see it: without the parameters that it need not fill."""
    signature = inspect.signature(function)
    fixed = {name: services[name] for name in signature.parameters if name in services}
    carried = [(name, PER_REQUEST[name]) for name in signature.parameters if name in PER_REQUEST]

    async def call(scope: HttpScope, **rest: Any) -> Any:
        for name, place in carried:
            rest[name] = scope.get(place)
        return await function(**fixed, **rest)

    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in signature.parameters.items()
        if name not in services and name not in PER_REQUEST
    ]
    scope = inspect.Parameter("scope", inspect.Parameter.KEYWORD_ONLY, annotation=HttpScope)
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    call.__signature__ = signature.replace(parameters=[*own, scope])  # type: ignore[attr-defined]  # inspect reads it
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in own} | {
        "scope": HttpScope,
        "return": hints["return"],
    }
    call.__name__, call.__doc__, call.__module__ = function.__name__, function.__doc__, function.__module__
    return call


def _checked(authority: Requires | Public) -> Callable[[Request[Any, Any, Any]], Awaitable[None]]:
    async def before(request: Request[Any, Any, Any]) -> None:
        """Runs before anything of the request is read."""
        caller: Caller | None = request.scope.get(CALLER)  # type: ignore[assignment]  # the gateway put it there
        resource = None
        if isinstance(authority, Requires) and authority.resource is not None:
            resource = request.path_params.get(authority.resource)
        check(authority, caller, resource if isinstance(resource, UUID) else None)

    return before


def _scopes(authority: Requires) -> list[str]:
    return [] if authority.scope is None else [authority.scope.value]


def _problems(
    authority: Requires | Public, hints: Mapping[str, Any], *, has_path_parameter: bool, changes: bool
) -> dict[int, ResponseSpec]:
    """The errors that an endpoint can answer, each in the one shape."""
    found = {429: "A rate limit; Retry-After says when to try again"}
    if isinstance(authority, Requires) or changes:
        found |= {401: "No valid access token, or no right proof", 403: "It is not allowed"}
    if has_path_parameter or changes:
        found |= {404: "There is no such thing, or it is not yours", 422: "Readable, but it cannot be done"}
        found[409] = "It contradicts what is there"
    if changes:
        found[423] = "It is locked"
    if "data" in hints:
        found[413] = "The body is larger than 1 MiB"
    found |= {400: "The request cannot be read; `errors` names the fields", 503: "A dependency is down; try again"}
    return {
        status: ResponseSpec(Problem, description=text, media_type=MEDIA_TYPE, generate_examples=False)
        for status, text in sorted(found.items())
    }
