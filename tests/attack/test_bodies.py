"""Every endpoint with a body, and every public one, with what it must not take: each answer a problem that explains."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints
from uuid import uuid4

import httpx
import msgspec
import pytest

from nsl.http.app import ENDPOINTS
from nsl.http.authority import stated
from nsl.identity.model import Public, Requires, Scope
from tests.attack.calls import CALLS
from tests.attack.world import World
from tests.support.live import Live

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
PUBLIC_BODIES: dict[str, Any] = {
    "register": {"email": "a@example.org", "password": "p"},
    "verifyEmail": {"token": "t"},
    "login": {"email": "a@example.org", "password": "p"},
    "refresh": {"refresh_token": "t"},
    "challenge": {"chain": "neo-n3", "address": "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"},
    "wallet": {"message": "m", "signature": "00"},
    "passkeyLogin": {"credential": {}},
    "forgotPassword": {"email": "a@example.org"},
    "resetPassword": {"token": "t", "password": "p"},
    "acceptInvitation": {"token": "t"},
}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint with a JSON body; ``strict``: a field that is not its own is refused."""

    operation: str
    method: str
    template: str
    authority: Requires | Public
    fields: tuple[msgspec.inspect.Field, ...]
    strict: bool

    def path(self) -> str:
        values = {"chain": "neo-n3", "name": "a-role"}
        return _PARAMETER.sub(lambda found: values.get(found[1], str(uuid4())), self.template)


def _endpoints() -> list[Endpoint]:
    found = []
    for handler in ENDPOINTS:
        hint = get_type_hints(handler.fn, include_extras=True).get("data")
        # The console's pages have tests of their own: what comes there is a browser with a cookie.
        if hint is None or min(handler.paths).startswith("/console"):
            continue
        described = msgspec.inspect.type_info(get_args(hint)[0])
        structs = described.types if isinstance(described, msgspec.inspect.UnionType) else (described,)
        body = structs[0]
        assert isinstance(body, msgspec.inspect.StructType)
        method = next(str(each) for each in handler.http_methods if each != "OPTIONS")
        found.append(
            Endpoint(
                str(handler.operation_id),
                method,
                min(handler.paths),
                stated(handler.fn),
                body.fields,
                body.forbid_unknown_fields,
            )
        )
    return found


WITH_BODY = _endpoints()


def _name(endpoint: Endpoint) -> str:
    return endpoint.operation


@pytest.fixture(scope="module")
def world(live: Live) -> Generator[World]:
    with httpx.Client(timeout=30, trust_env=False) as http:
        yield World.of(live, http)


def _send(world: World, endpoint: Endpoint, content: Any, **headers: str) -> httpx.Response:
    token = None
    if isinstance(endpoint.authority, Requires):
        platform = endpoint.authority.scope is Scope.PLATFORM_ADMIN
        token = world.platform if platform else world.person.tokens["access_token"]
    headers = {"content-type": "application/json", **headers}
    headers |= {} if token is None else {"authorization": f"Bearer {token}"}
    return world.http.request(
        endpoint.method,
        world.live.base_url + endpoint.path(),
        content=content,
        headers=headers | {"idempotency-key": uuid4().hex},
    )


def _body(world: World, endpoint: Endpoint) -> dict[str, Any]:
    if isinstance(endpoint.authority, Public):
        return dict(PUBLIC_BODIES[endpoint.operation])
    return dict(CALLS[endpoint.operation].json(world))


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id", "errors"} <= set(body)
    assert body["status"] == status
    assert body["detail"]
    assert answer.headers["x-request-id"] == body["request_id"]
    return body


def test_what_is_public_is_listed_here() -> None:
    """By hand: nothing becomes public unseen."""
    handlers = [each for each in ENDPOINTS if isinstance(stated(each.fn), Public)]
    pages = {min(each.paths) for each in handlers if each.operation_id is None}
    assert all(page == "/console" or page.startswith("/console/") for page in pages)
    public = {each.operation_id for each in handlers} - {None}
    assert public == set(PUBLIC_BODIES) | {
        "token", "pushAuthorizationRequest", "introspect", "revoke", "deviceAuthorization", "jwks", "discovery",
        "authorize", "postAuthorize", "federate", "federationCallback", "endSessionByApplication",
        "postEndSessionByApplication", "passkeyChallenge", "live", "ready", "openapi", "docs",
    }  # fmt: skip


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"a":1}trailing'], ids=repr)
def test_malformed_json_400(world: World, endpoint: Endpoint, content: bytes) -> None:
    _problem(_send(world, endpoint, content), 400)


@pytest.mark.parametrize("endpoint", [each for each in WITH_BODY if each.strict], ids=_name)
def test_an_unknown_field_400_with_the_field_named(world: World, endpoint: Endpoint) -> None:
    body = _body(world, endpoint) | {"surprise": 1}
    problem = _problem(_send(world, endpoint, msgspec.json.encode(body)), 400)
    assert "surprise" in problem["errors"][0]["field"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
def test_each_missing_field_400_with_the_field_named(world: World, endpoint: Endpoint) -> None:
    whole = _body(world, endpoint)
    for field in endpoint.fields:
        if field.required:
            body = {name: value for name, value in whole.items() if name != field.encode_name}
            problem = _problem(_send(world, endpoint, msgspec.json.encode(body)), 400)
            assert field.encode_name in problem["errors"][0]["field"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
def test_a_field_of_another_type_400_with_the_field_named(world: World, endpoint: Endpoint) -> None:
    whole = _body(world, endpoint)
    for field in endpoint.fields:
        if field.encode_name in whole:
            wrong = [[["an array"]]] if isinstance(whole[field.encode_name], dict) else {"an": "object"}
            problem = _problem(_send(world, endpoint, msgspec.json.encode(whole | {field.encode_name: wrong})), 400)
            assert field.encode_name in problem["errors"][0]["field"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "streamed"])
def test_a_body_over_one_mebibyte_413(world: World, endpoint: Endpoint, declared: bool) -> None:
    size = (1 << 20) + 1
    content: Any = b"x" * size if declared else iter([b"x" * 65536] * 17)
    assert _problem(_send(world, endpoint, content), 413)["code"] == "TOO_LARGE"


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=_name)
def test_text_that_databases_and_terminals_take_ill_is_no_defect(world: World, endpoint: Endpoint) -> None:
    """NUL, half a surrogate pair, a right-to-left override: refused or kept, never a 500."""
    whole = _body(world, endpoint)
    for field in endpoint.fields:
        if isinstance(whole.get(field.encode_name), str):
            for text in ("a\x00b", "\u202eevil", "x" * 5000):
                body = whole | {field.encode_name: text}
                answer = _send(world, endpoint, msgspec.json.encode(body))
                assert answer.status_code < 500, f"{field.encode_name}={text[:10]!r}: {answer.text}"


@pytest.mark.parametrize("identifier", ["1", "../etc/passwd", "%00", "' OR 1=1 --", "0" * 500])
def test_an_id_that_is_none_is_not_found(world: World, identifier: str) -> None:
    answer = world.send("GET", f"/v1/keys/{identifier}", world.person.tokens["access_token"])
    assert answer.status_code in (400, 404)


def test_an_unknown_path_and_method_are_problems_too(world: World) -> None:
    token = world.person.tokens["access_token"]
    for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", "/v1/keys", 405)):
        _problem(world.send(method, path, token), status)


@pytest.mark.parametrize("path", ["token", "par", "introspect", "revoke", "device_authorization"])
@pytest.mark.parametrize(
    "form", [b"", b"a=1&a=2", b"grant_type=%00", b"grant_type=" + b"x" * 9000, b"\xff\xfe", b"&".join([b"a=1"] * 200)],
    ids=lambda form: repr(form[:20]),
)  # fmt: skip
def test_a_form_that_is_none_is_refused_in_the_words_of_the_rfc(world: World, path: str, form: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = world.http.post(f"{world.live.base_url}/oauth2/{path}", content=form, headers=headers)
    assert answer.status_code in (400, 401), answer.text
    assert answer.json()["error"] in ("invalid_request", "invalid_client", "unsupported_grant_type"), answer.text
    assert answer.headers["cache-control"] == "no-store"
