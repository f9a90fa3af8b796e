"""Every endpoint states its authority in its signature: ``caller: Annotated[Caller, Requires(Scope.X)]`` or ``Public``.

Nothing starts without it: an endpoint whose ``caller`` says neither is refused when the application is built.
"""

from collections.abc import Iterable
from typing import Any, get_args

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from nsl.identity.errors import BadToken, ScopeMissing
from nsl.identity.model import Caller, Public, Requires

OPTION = "authority"


def stated(handler: HTTPRouteHandler) -> Requires | Public:
    """What a handler's ``caller`` parameter says.

    Raises:
        TypeError: it says nothing.
    """
    function: Any = getattr(handler.fn, "value", handler.fn)
    annotation = function.__annotations__.get("caller")
    for part in get_args(annotation):
        if isinstance(part, Requires | Public):
            return part
    raise TypeError(f"{function.__module__}.{function.__qualname__} does not state who may call it")


def with_authority(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """The handlers, each carrying what its signature states for ``check`` to read."""
    found = []
    for handler in handlers:
        handler.opt[OPTION] = stated(handler)
        found.append(handler)
    return found


def check(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The router's guard.

    Raises:
        BadToken: the endpoint needs a token, and there is none.
        ScopeMissing: the token does not carry the scope.
    """
    authority = handler.opt.get(OPTION)
    if isinstance(authority, Public):
        return
    caller: Caller | None = connection.scope.get("nsl.caller")  # type: ignore[assignment]  # the gateway put it there
    if caller is None:
        raise BadToken("This needs an access token: send it as Authorization: Bearer TOKEN.")
    if not isinstance(authority, Requires):
        raise ScopeMissing("This endpoint states no authority, so nobody may call it.")
    if authority.scope is not None and authority.scope not in caller.scopes:
        raise ScopeMissing(f"The access token lacks the scope {authority.scope}.")
