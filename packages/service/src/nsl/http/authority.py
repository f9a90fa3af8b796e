"""Every endpoint states its authority in its signature: ``caller: Annotated[Caller, Requires(Scope.X)]`` or ``Public``.

Nothing starts without it: an endpoint whose ``caller`` says neither is refused when the application is built.
"""

from collections.abc import Callable
from typing import Any, get_args
from uuid import UUID

from nsl.identity.errors import BadToken, PersonOnly, ScopeMissing, StepUpNeeded
from nsl.identity.model import FIRST_PARTY, STEP_UP_SECONDS, Caller, Public, Requires
from nsl.kit.clock import unix_seconds


def stated(function: Callable[..., Any]) -> Requires | Public:
    """What a handler's ``caller`` parameter says.

    Raises:
        TypeError: it says nothing.
    """
    for part in get_args(function.__annotations__.get("caller")):
        if isinstance(part, Requires | Public):
            return part
    raise TypeError(f"{function.__module__}.{function.__qualname__} does not state who may call it")


def check(authority: Requires | Public, caller: Caller | None, resource: UUID | None = None) -> None:
    """Whether ``caller`` may call what states ``authority``; None is a caller without a token.

    Raises:
        BadToken: a token is needed, and there is none.
        ScopeMissing: the token does not carry the scope, and nothing grants it on ``resource``.
        PersonOnly: a client or a delegate called for what only the person does.
        StepUpNeeded: the person signed in too long ago.
    """
    if isinstance(authority, Public):
        return
    if caller is None:
        raise BadToken("This needs an access token: send it as Authorization: Bearer TOKEN.")
    if authority.scope is not None and not caller.holds(authority.scope, resource):
        raise ScopeMissing(f"The access token lacks the scope {authority.scope}.")
    if authority.person and not (caller.person and caller.actor is None and caller.client in FIRST_PARTY):
        raise PersonOnly("Only a person does this, signed in to the console or the command line.")
    if authority.recent and caller.person and unix_seconds() - caller.authenticated_at > STEP_UP_SECONDS:
        raise StepUpNeeded(
            f"Sign in again: this needs a sign-in within the last {STEP_UP_SECONDS // 60} minutes.",
            max_age_seconds=STEP_UP_SECONDS,
        )
