"""Who may do what: pure decisions."""

from uuid import UUID

import pytest

from nsl.identity.errors import PlatformOnly, ScopeNotHeld, ScopeUnsuitable, TokenRefused
from nsl.identity.model import (
    DEFAULT_PLAN,
    Caller,
    Scope,
    check_scopes_can_be_given,
    granted_scopes,
    tenant_to_administer,
)

OWN, OTHER = UUID(int=1), UUID(int=2)


def _caller(*scopes: Scope) -> Caller:
    return Caller("someone", OWN, UUID(int=3), frozenset(scopes), DEFAULT_PLAN)


@pytest.mark.parametrize("requested", [None, "", "  "])
def test_without_a_wish_a_token_carries_all_that_the_client_holds(requested: str | None) -> None:
    assert granted_scopes(requested, ["keys:sign", "keys:read"]) == ("keys:read", "keys:sign")


def test_a_token_carries_what_was_asked_for_once() -> None:
    assert granted_scopes("keys:read  keys:read", ["keys:sign", "keys:read"]) == ("keys:read",)


def test_a_token_never_carries_more_than_the_client_holds() -> None:
    with pytest.raises(TokenRefused) as refused:
        granted_scopes("keys:read platform:admin", ["keys:read"])
    assert refused.value.error == "invalid_scope"


def test_only_the_platforms_administrator_works_in_another_tenant() -> None:
    assert tenant_to_administer(_caller(Scope.CLIENTS_ADMIN), None) == OWN
    assert tenant_to_administer(_caller(Scope.CLIENTS_ADMIN), OWN) == OWN
    assert tenant_to_administer(_caller(Scope.PLATFORM_ADMIN), OTHER) == OTHER
    with pytest.raises(PlatformOnly):
        tenant_to_administer(_caller(Scope.CLIENTS_ADMIN), OTHER)


def test_nobody_gives_what_they_do_not_hold() -> None:
    check_scopes_can_be_given(_caller(Scope.CLIENTS_ADMIN, Scope.KEYS_READ), OWN, [Scope.KEYS_READ])
    with pytest.raises(ScopeNotHeld, match="keys:sign"):
        check_scopes_can_be_given(_caller(Scope.CLIENTS_ADMIN, Scope.KEYS_READ), OWN, [Scope.KEYS_SIGN])


def test_the_platforms_administration_stays_in_its_own_tenant() -> None:
    check_scopes_can_be_given(_caller(Scope.PLATFORM_ADMIN), OWN, [Scope.PLATFORM_ADMIN])
    with pytest.raises(ScopeUnsuitable):
        check_scopes_can_be_given(_caller(Scope.PLATFORM_ADMIN), OTHER, [Scope.PLATFORM_ADMIN])
