"""Every endpoint that needs a token: taken with a good one, refused with each that is not, and for other tenants.

The endpoints come from the router; that they are those of the OpenAPI document, and that none lacks a call here, is
checked first.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from nsl.http.app import ENDPOINTS, description
from nsl.http.authority import stated
from nsl.identity.model import Requires, Scope
from tests.attack.calls import CALLS, Call
from tests.attack.world import World, claims_of
from tests.support.live import Live
from tests.support.people import register

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
UNCOVERED: set[str] = set()


@dataclass(frozen=True)
class Endpoint:
    """A guarded endpoint and a valid call of it."""

    operation: str
    method: str
    template: str
    authority: Requires
    call: Call

    @property
    def of_platform(self) -> bool:
        return self.authority.scope is Scope.PLATFORM_ADMIN

    def path(self, values: dict[str, str]) -> str:
        return _PARAMETER.sub(lambda found: values[found[1]], self.template) + self.call.query


def _method(handler: HTTPRouteHandler) -> str:
    return next(str(method) for method in sorted(handler.http_methods) if method not in ("OPTIONS", "HEAD"))


def _endpoints() -> list[Endpoint]:
    found = []
    for handler in ENDPOINTS:
        authority = stated(handler.fn)
        if isinstance(authority, Requires):
            operation = str(handler.operation_id)
            template = min(handler.paths)
            found.append(Endpoint(operation, _method(handler), template, authority, CALLS.get(operation, Call())))
    return found


GUARDED = _endpoints()


def _name(endpoint: Endpoint) -> str:
    return endpoint.operation


@pytest.fixture(scope="module")
def world(live: Live) -> Generator[World]:
    with httpx.Client(timeout=30, trust_env=False) as http:
        yield World.of(live, http)


@pytest.fixture(scope="module")
def tricks(world: World) -> dict[str, str]:
    answer = world.person.login().json()
    return world.tricks(answer["access_token"], answer["refresh_token"])


def test_the_router_and_the_description_name_the_same_endpoints() -> None:
    described = {(method.upper(), path) for path, methods in description()["paths"].items() for method in methods}
    routed = {
        (_method(handler), _PARAMETER.sub(lambda found: f"{{{found[1]}}}", path))
        for handler in ENDPOINTS
        if handler.include_in_schema is not False
        for path in handler.paths
    }
    assert routed == described


def test_every_guarded_endpoint_has_a_call() -> None:
    assert {each.operation for each in GUARDED} - set(CALLS) == UNCOVERED
    assert set(CALLS) <= {each.operation for each in GUARDED}


def _good_token(world: World, endpoint: Endpoint) -> str:
    if endpoint.of_platform:
        return world.platform
    if endpoint.operation in ("userinfo", "postUserinfo"):
        claims = _claims(world)
        return world.signed(claims | {"scope": claims["scope"] + " openid"})
    return world.fresh()


def _claims(world: World) -> dict[str, Any]:
    return claims_of(world.fresh())


@pytest.mark.parametrize("endpoint", GUARDED, ids=_name)
def test_with_a_good_token_it_is_done(world: World, endpoint: Endpoint) -> None:
    """The positive control: without it, a refusal would prove nothing."""
    call = endpoint.call
    token = _good_token(world, endpoint)
    if endpoint.operation == "removeTotp":
        world.send("POST", "/v1/auth/mfa/totp", token)
    if endpoint.operation == "confirmTotp":
        world.send("POST", "/v1/auth/mfa/totp", token)
    answer = world.send(endpoint.method, endpoint.path(call.values(world)), token, call.json(world))
    if call.reached is None:
        assert answer.is_success, answer.text
    else:
        assert answer.status_code == call.reached, answer.text
        assert answer.json()["code"] not in ("INVALID_TOKEN", "SCOPE_MISSING"), answer.text


@pytest.mark.parametrize("endpoint", GUARDED, ids=_name)
def test_without_a_token_or_with_one_that_is_not_ours_it_is_refused(
    world: World, endpoint: Endpoint, tricks: dict[str, str]
) -> None:
    values = {name: str(uuid4()) for name in _PARAMETER.findall(endpoint.template)}
    values |= {"chain": "neo-n3", "height": "latest"}
    for name, token in [("no token", None), *tricks.items()]:
        answer = world.send(endpoint.method, endpoint.path(values), token, None)
        assert answer.status_code == 401, f"{name}: {answer.status_code} {answer.text}"
        assert answer.json()["code"] in ("INVALID_TOKEN", "PROOF_REQUIRED"), f"{name}: {answer.text}"
        assert answer.headers["www-authenticate"]


@pytest.mark.parametrize("endpoint", [each for each in GUARDED if each.authority.scope], ids=_name)
def test_without_the_scope_it_is_refused(world: World, endpoint: Endpoint) -> None:
    claims = _claims(world)
    scopes = [scope for scope in claims["scope"].split() if scope != endpoint.authority.scope]
    token = world.signed(claims | {"scope": " ".join(scopes)})
    values = {name: str(uuid4()) for name in _PARAMETER.findall(endpoint.template)} | {"chain": "neo-n3", "height": "1"}
    answer = world.send(endpoint.method, endpoint.path(values), token, None)
    assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE_MISSING"), answer.text


@pytest.mark.parametrize("endpoint", [each for each in GUARDED if each.authority.scope], ids=_name)
def test_a_token_says_more_than_its_holder_may_and_it_is_refused(world: World, endpoint: Endpoint) -> None:
    """Scopes in a token are a limit, and no authority: a person without a role may nothing, whatever a token says."""
    stranger = world.stranger.login().json()
    claims = claims_of(stranger["access_token"]) | {"tenant": world.tenant, "scope": " ".join(Scope)}
    values = {name: str(uuid4()) for name in _PARAMETER.findall(endpoint.template)} | {"chain": "neo-n3", "height": "1"}
    answer = world.send(endpoint.method, endpoint.path(values), world.signed(claims), None)
    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("endpoint", [each for each in GUARDED if each.call.own], ids=_name)
def test_another_tenants_thing_is_not_found(world: World, endpoint: Endpoint) -> None:
    values = endpoint.call.values(world)
    token = world.stranger.tokens["access_token"]
    answer = world.send(endpoint.method, endpoint.path(values), token, endpoint.call.json(world))
    assert answer.status_code == 404, answer.text


def test_another_tenant_by_query_and_by_body(world: World) -> None:
    token = world.stranger.tokens["access_token"]
    assert world.send("GET", f"/v1/clients?tenant_id={world.tenant}", token).status_code == 403
    body = {"name": "x", "scopes": ["keys:read"], "tenant_id": world.tenant}
    assert world.send("POST", "/v1/clients", token, body).status_code == 403
    assert world.send("POST", "/v1/auth/tenant", token, {"tenant_id": world.tenant}).status_code == 403
    pay = CALLS["createTransaction"].json(world)
    assert world.send("POST", "/v1/transactions", token, pay).json()["code"] == "KEY_NOT_FOUND"
    body = {"subject": world.member(), "scope": "keys:read", "resource": str(uuid4())}
    assert world.send("POST", "/v1/grants", token, body).status_code == 404
    body = {"to": world.member(), "scopes": ["keys:read"], "expires_at": "2100-01-01T00:00:00Z"}
    assert world.send("POST", "/v1/delegations", token, body).status_code == 404
    body = {"displayName": uuid4().hex, "members": [{"value": world.member()}]}
    assert world.send("POST", "/scim/v2/Groups", token, body).status_code == 404


@pytest.fixture(scope="module")
def ended(world: World) -> dict[str, str]:
    """Tokens that were good, and used, until something ended them; by what it was."""
    found = {}
    mail = world.live.state / "mail"

    def somebody() -> Any:
        person = register(world.live.base_url, mail)
        assert world.send("GET", "/v1/me", person.tokens["access_token"]).status_code == 200
        return person

    person = somebody()
    found["session ended"] = person.tokens["access_token"]
    world.send("DELETE", f"/v1/auth/sessions/{person.tokens['session_id']}", person.tokens["access_token"])
    person = somebody()
    found["account disabled"] = person.tokens["access_token"]
    me = world.send("GET", "/v1/me", person.tokens["access_token"]).json()
    world.as_platform("POST", f"/v1/accounts/{me['subject']}/disable")
    person = somebody()
    found["tenant suspended"] = person.tokens["access_token"]
    world.as_platform("POST", f"/v1/tenants/{person.tokens['tenant_id']}/suspend")
    person = somebody()
    made = world.send(
        "POST", "/v1/clients", person.tokens["access_token"], {"name": "c", "scopes": ["keys:read"]}
    ).json()
    form = {"grant_type": "client_credentials"}
    auth = (made["client_id"], made["client_secret"])
    url = f"{world.live.base_url}/oauth2"
    for name in ("token revoked", "client deleted"):
        found[name] = world.http.post(f"{url}/token", data=form, auth=auth).json()["access_token"]
        assert world.send("GET", "/v1/keys", found[name]).status_code == 200
    assert world.http.post(f"{url}/revoke", data={"token": found["token revoked"]}, auth=auth).status_code == 200
    world.send("DELETE", f"/v1/clients/{made['client_id']}", person.tokens["access_token"])
    token, kid = world.another_token_key()
    assert world.send("GET", "/v1/me", token).status_code == 200
    found["signing key withdrawn"] = token
    world.as_platform("DELETE", f"/v1/token-keys/{kid}")
    return found


@pytest.mark.parametrize("endpoint", GUARDED, ids=_name)
def test_what_was_ended_is_refused_everywhere(world: World, endpoint: Endpoint, ended: dict[str, str]) -> None:
    values = {name: str(uuid4()) for name in _PARAMETER.findall(endpoint.template)} | {"chain": "neo-n3", "height": "1"}
    for cause, token in ended.items():
        answer = world.send(endpoint.method, endpoint.path(values), token, None)
        assert answer.status_code == (403 if cause == "tenant suspended" else 401), f"{cause}: {answer.text}"
