"""Every endpoint states its authority in its signature: ``caller: Annotated[Caller, Requires(Scope.X)]`` or ``Public``.

Nothing starts without it: an endpoint whose ``caller`` says neither is refused when the application is built.
"""

from collections.abc import Callable
from typing import Any, get_args

from nsl.identity.errors import BadToken, ScopeMissing
from nsl.identity.model import Caller, Public, Requires


def stated(function: Callable[..., Any]) -> Requires | Public:
    """What a handler's ``caller`` parameter says.

    Raises:
        TypeError: it says nothing.
    """
    for part in get_args(function.__annotations__.get("caller")):
        if isinstance(part, Requires | Public):
            return part
    raise TypeError(f"{function.__module__}.{function.__qualname__} does not state who may call it")


def check(authority: Requires | Public, caller: Caller | None) -> None:
    """Whether ``caller`` may call what states ``authority``; None is a caller without a token.

    Raises:
        BadToken: a token is needed, and there is none.
        ScopeMissing: the token does not carry the scope.
    """
    if isinstance(authority, Public):
        return
    if caller is None:
        raise BadToken("This needs an access token: send it as Authorization: Bearer TOKEN.")
    if authority.scope is not None and authority.scope not in caller.scopes:
        raise ScopeMissing(f"The access token lacks the scope {authority.scope}.")
