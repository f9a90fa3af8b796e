"""Every endpoint of the API under attack, generated from its own description: an endpoint that is added is attacked."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from nsl.http.app import ENDPOINTS
from nsl.http.authority import stated
from nsl.identity.model import Public, Requires, Scope
from nsl_client import Client
from tests.support.live import Live

ALL = [scope.value for scope in Scope if scope is not Scope.PLATFORM_ADMIN]
BODIES: dict[str, Any] = {
    "/v1/tenants": {"name": "x"},
    "/v1/tenants/{id}/plan": {"requests_per_minute": 1000, "key_requests_per_minute": 100},
    "/v1/clients": {"name": "x", "scopes": ["keys:read"]},
    "/v1/clients/{id}/plan": {"requests_per_minute": 1000, "key_requests_per_minute": 100},
    "/v1/keys": {"name": "x", "curve": "secp256r1"},
    "/v1/keys/{id}/sign": {"kind": "message", "payload": {"text": "x"}},
    "/v1/keys/{id}/sign-batch": {"items": [{"kind": "message", "payload": {"text": "x"}}]},
    "/v1/transactions": {
        "kind": "transfer", "chain": "neo-n3", "from_key": str(uuid4()), "asset": "GAS",
        "to": "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK", "amount": "1",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Endpoint:
    """One method of one path; ``template`` has ``{id}`` where a thing of a tenant is named."""

    method: str
    template: str
    authority: Requires | Public

    def path(self, identifier: str) -> str:
        chain = self.template.replace("{chain}", "neo-n3").replace("{height}", "latest")
        chain = chain.replace("{transaction}", "0x" + "11" * 32).replace(
            "{address}", "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"
        )
        return chain.replace("{id}", identifier)


def _endpoints() -> list[Endpoint]:
    found = []
    for handler in ENDPOINTS:
        for path in handler.paths:
            template = path.replace(":str", "")
            for name in ("key_id", "tenant_id", "client_id", "transaction_id"):
                template = template.replace(f"{{{name}:uuid}}", "{id}")
            found += [Endpoint(str(method), template, stated(handler.fn)) for method in handler.http_methods]
    return [each for each in found if each.method != "OPTIONS"]


ENDPOINTS_FOUND = _endpoints()
GUARDED = [each for each in ENDPOINTS_FOUND if isinstance(each.authority, Requires)]
SCOPED = [each for each in GUARDED if isinstance(each.authority, Requires) and each.authority.scope is not None]
WITH_BODY = [each for each in GUARDED if each.method in ("POST", "PUT")]
# The platform's administrator works in every tenant.
OF_A_TENANT = [each for each in SCOPED if "{id}" in each.template and each.authority != Requires(Scope.PLATFORM_ADMIN)]


def _name(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.template}"


@dataclass
class Attacker:
    """HTTP without the SDK's help."""

    base_url: str
    http: httpx.Client
    tokens: dict[str, str]
    clients: dict[str, str]

    def send(self, endpoint: Endpoint, token: str | None, identifier: str = "", **options: Any) -> httpx.Response:
        headers = {"idempotency-key": uuid4().hex, **options.pop("headers", {})}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        path = endpoint.path(identifier or str(uuid4()))
        return self.http.request(endpoint.method, self.base_url + path, headers=headers, **options)


def _token(base_url: str, client_id: str, secret: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answer = httpx.post(f"{base_url}/oauth2/token", data=form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


@pytest.fixture(scope="module")
def attacker(live: Live) -> Any:
    credentials = json.loads(live.credentials.read_text(encoding="utf-8"))
    tokens = {"platform": _token(live.base_url, credentials["client_id"], credentials["client_secret"])}
    clients = {}
    with Client.from_credentials(live.credentials) as platform:
        for tenant_name in ("victim", "other"):
            tenant = platform.tenants.create(tenant_name)
            for name, scopes in ((tenant_name, ALL), (f"{tenant_name}-keys", ["keys:read"])):
                made = platform.clients.create(name, scopes, tenant_id=tenant.id)
                tokens[name] = _token(live.base_url, made.client_id, made.client_secret)
                clients[name] = made.client_id
        ledger = platform.clients.create("ledger", ["ledger:read"])
        tokens["ledger"] = _token(live.base_url, ledger.client_id, ledger.client_secret)
    with httpx.Client(timeout=30) as http:
        yield Attacker(live.base_url, http, tokens, clients)


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id", "errors"} <= set(body)
    assert body["status"] == status
    assert body["detail"]
    assert answer.headers["x-request-id"] == body["request_id"]
    return body


def test_every_endpoint_is_attacked() -> None:
    """What is public is listed here by hand: nothing becomes public unseen."""
    public = {_name(each) for each in ENDPOINTS_FOUND if isinstance(each.authority, Public)}
    assert public == {
        "POST /oauth2/token", "GET /oauth2/jwks", "GET /.well-known/openid-configuration",
        "GET /health/live", "GET /health/ready", "GET /openapi.json", "GET /docs",
    }  # fmt: skip
    assert {each.template for each in WITH_BODY} == set(BODIES)
    assert len(GUARDED) + len(public) == len(ENDPOINTS_FOUND)


@pytest.mark.parametrize("endpoint", GUARDED, ids=_name)
def test_without_a_token_401(attacker: Attacker, endpoint: Endpoint) -> None:
    body = _problem(attacker.send(endpoint, None, json=BODIES.get(endpoint.template)), 401)
    assert body["code"] == "INVALID_TOKEN"


@pytest.mark.parametrize("endpoint", GUARDED, ids=_name)
def test_with_a_forged_token_401(attacker: Attacker, endpoint: Endpoint) -> None:
    header, payload, signature = attacker.tokens["victim"].split(".")
    forged = ("junk", f"{header}.{payload}.{signature[:-4]}AAAA", f"eyJhbGciOiJub25lIn0.{payload}.", "Ω")
    for token in forged[:1] if endpoint.method != "GET" else forged[:3]:
        answer = attacker.send(endpoint, token, json=BODIES.get(endpoint.template))
        assert _problem(answer, 401)["code"] == "INVALID_TOKEN"


@pytest.mark.parametrize("endpoint", SCOPED, ids=_name)
def test_with_the_wrong_scope_403(attacker: Attacker, endpoint: Endpoint) -> None:
    assert isinstance(endpoint.authority, Requires)
    token = "other-keys" if endpoint.authority.scope is Scope.LEDGER_READ else "ledger"
    body = _problem(attacker.send(endpoint, attacker.tokens[token], json=BODIES.get(endpoint.template)), 403)
    assert body["code"] == "SCOPE_MISSING"
    assert str(endpoint.authority.scope) in body["detail"]


def _token_for(attacker: Attacker, endpoint: Endpoint) -> str:
    assert isinstance(endpoint.authority, Requires)
    return attacker.tokens["platform" if endpoint.authority.scope is Scope.PLATFORM_ADMIN else "victim"]


@pytest.mark.parametrize("endpoint", OF_A_TENANT, ids=_name)
def test_another_tenants_id_404(attacker: Attacker, endpoint: Endpoint) -> None:
    keys = Endpoint("POST", "/v1/keys", Requires(Scope.KEYS_CREATE))
    made = attacker.send(keys, attacker.tokens["victim"], json=BODIES["/v1/keys"])
    assert made.status_code == 201, made.text
    theirs = attacker.clients["victim-keys"] if "/clients/" in endpoint.template else made.json()["id"]
    for identifier in (theirs, str(uuid4())):
        answer = attacker.send(endpoint, attacker.tokens["other"], identifier, json=BODIES.get(endpoint.template))
        _problem(answer, 404)


def test_another_tenants_key_pays_nothing(attacker: Attacker) -> None:
    keys = Endpoint("POST", "/v1/keys", Requires(Scope.KEYS_CREATE))
    theirs = attacker.send(keys, attacker.tokens["victim"], json=BODIES["/v1/keys"]).json()["id"]
    pay = Endpoint("POST", "/v1/transactions", Requires(Scope.TRANSACTIONS_CREATE))
    answer = attacker.send(pay, attacker.tokens["other"], json=BODIES["/v1/transactions"] | {"from_key": theirs})
    assert _problem(answer, 404)["code"] == "KEY_NOT_FOUND"


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"a":1}trailing'], ids=repr)
def test_malformed_json_400(attacker: Attacker, endpoint: Endpoint, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = attacker.send(endpoint, _token_for(attacker, endpoint), content=content, headers=headers)
    _problem(answer, 400)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
def test_an_unknown_field_400_with_the_field_named(attacker: Attacker, endpoint: Endpoint) -> None:
    body = BODIES[endpoint.template] | {"surprise": 1}
    problem = _problem(attacker.send(endpoint, _token_for(attacker, endpoint), json=body), 400)
    assert "surprise" in problem["errors"][0]["field"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
def test_each_missing_field_400_with_the_field_named(attacker: Attacker, endpoint: Endpoint) -> None:
    for field in BODIES[endpoint.template]:
        body = {name: value for name, value in BODIES[endpoint.template].items() if name != field}
        problem = _problem(attacker.send(endpoint, _token_for(attacker, endpoint), json=body), 400)
        assert field in problem["errors"][0]["field"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
def test_a_field_of_another_type_400_with_the_field_named(attacker: Attacker, endpoint: Endpoint) -> None:
    field = next(iter(BODIES[endpoint.template]))
    body = BODIES[endpoint.template] | {field: {"an": "object"}}
    problem = _problem(attacker.send(endpoint, _token_for(attacker, endpoint), json=body), 400)
    assert field in problem["errors"][0]["field"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "streamed"])
def test_a_body_over_one_mebibyte_413(attacker: Attacker, endpoint: Endpoint, declared: bool) -> None:
    size = (1 << 20) + 1
    content: Any = b"x" * size if declared else iter([b"x" * 65536] * 17)
    headers = {"content-type": "application/json"}
    answer = attacker.send(endpoint, _token_for(attacker, endpoint), content=content, headers=headers)
    assert _problem(answer, 413)["code"] == "TOO_LARGE"


@pytest.mark.parametrize("identifier", ["1", "../etc/passwd", "%00", "' OR 1=1 --", "0" * 500])
def test_an_id_that_is_none_is_not_found(attacker: Attacker, identifier: str) -> None:
    get = Endpoint("GET", "/v1/keys/{id}", Requires(Scope.KEYS_READ))
    answer = attacker.send(get, attacker.tokens["victim"], identifier)
    assert answer.status_code in (400, 404)


def test_an_unknown_path_and_method_are_problems_too(attacker: Attacker) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", "/v1/keys", 405)):
        endpoint = Endpoint(method, path, Requires(None))
        _problem(attacker.send(endpoint, attacker.tokens["victim"]), status)
