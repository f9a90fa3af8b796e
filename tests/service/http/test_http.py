"""What the layers in front of the router promise, on the running layer."""

import base64
import json
import re
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from nsl_client import ApiError, Client
from tests.support.live import Live


@pytest.fixture(scope="module")
def tenant(live: Live) -> Any:
    """A client of a tenant of its own, and its credentials."""
    with Client.from_credentials(live.credentials) as platform:
        made = platform.clients.create(
            "http-tests",
            ["keys:create", "keys:read", "keys:sign", "ledger:read", "transactions:create", "transactions:read"],
            tenant_id=platform.tenants.create("http tests").id,
        )
    with Client(live.base_url, made.client_id, made.client_secret) as client:
        yield client, made


def grant(live: Live, form: dict[str, str], **options: Any) -> httpx.Response:
    return httpx.post(f"{live.base_url}/oauth2/token", data=form, **options)


def test_a_token_is_an_rfc_9068_jwt_that_our_own_keys_verify(live: Live, tenant: Any) -> None:
    _, made = tenant
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    answer = grant(live, form)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    keys = KeySet.import_key_set(httpx.get(f"{live.base_url}/oauth2/jwks").json())
    read = jwt.decode(body["access_token"], keys, algorithms=["RS256"])
    assert read.header["typ"] == "at+jwt"
    names = {"sub", "tenant", "scope", "roles", "client_id", "sid", "jti", "iat", "exp", "iss", "aud"}
    assert names <= set(read.claims)
    assert read.claims["exp"] - read.claims["iat"] <= 600
    assert read.claims["iss"] == httpx.get(f"{live.base_url}/.well-known/openid-configuration").json()["issuer"]


def test_http_basic_works_and_both_at_once_do_not(live: Live, tenant: Any) -> None:
    _, made = tenant
    basic = base64.b64encode(f"{made.client_id}:{made.client_secret}".encode()).decode()
    headers = {"authorization": f"Basic {basic}"}
    assert grant(live, {"grant_type": "client_credentials"}, headers=headers).status_code == 200
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    assert grant(live, form, headers=headers).json()["error"] == "invalid_request"


def test_fewer_scopes_can_be_asked_for_and_more_cannot(live: Live, tenant: Any) -> None:
    _, made = tenant
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    assert grant(live, form | {"scope": "keys:read"}).json()["scope"] == "keys:read"
    assert grant(live, form | {"scope": "platform:admin"}).json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": str(uuid4())}, 401, "invalid_client"),
        ({"client_id": "no uuid"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_bad_token_request_is_an_oauth_error(
    live: Live, tenant: Any, change: dict[str, str], status: int, error: str
) -> None:
    _, made = tenant
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    answer = grant(live, form | change)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_an_unknown_client_and_a_wrong_secret_answer_alike(live: Live, tenant: Any) -> None:
    _, made = tenant
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": "wrong"}
    assert grant(live, form).json() == grant(live, form | {"client_id": str(uuid4())}).json()


def test_limits_are_told_and_kept_and_a_batch_counts_each(live: Live) -> None:
    with Client.from_credentials(live.credentials) as platform:
        tenant_id = platform.tenants.create("limited").id
        made = platform.clients.create("limited", ["keys:create", "keys:read", "keys:sign"], tenant_id=tenant_id)
    with Client(live.base_url, made.client_id, made.client_secret) as client:
        key = client.keys.create("limited", "ed25519")
        client.keys.sign_batch(key.id, [{"kind": "message", "payload": {"text": str(n)}} for n in range(90)])
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    headers = {"authorization": f"Bearer {grant(live, form).json()['access_token']}"}
    statuses = []
    for _ in range(12):
        answer = httpx.get(f"{live.base_url}/v1/keys", headers=headers)
        statuses.append(answer.status_code)
        assert answer.headers["ratelimit-limit"] == "100"
    assert statuses == [200] * 9 + [429] * 3
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["code"] == "RATE_LIMITED"
    # Other paths have a limit of their own.
    assert httpx.get(f"{live.base_url}/v1/me", headers=headers).status_code == 200


def test_a_tenants_plan_is_raised_by_the_platform(live: Live) -> None:
    with Client.from_credentials(live.credentials) as platform:
        tenant_id = platform.tenants.create("raised").id
        made = platform.clients.create("raised", ["keys:read"], tenant_id=tenant_id)
    credentials = json.loads(live.credentials.read_text(encoding="utf-8"))
    form = {"grant_type": "client_credentials"}
    admin = grant(
        live, form | {"client_id": credentials["client_id"], "client_secret": credentials["client_secret"]}
    ).json()["access_token"]
    plan = {"requests_per_minute": 5000, "key_requests_per_minute": 4000}
    answer = httpx.put(
        f"{live.base_url}/v1/tenants/{tenant_id}/plan", json=plan, headers={"authorization": f"Bearer {admin}"}
    )
    assert answer.json()["plan"] == plan
    form |= {"client_id": made.client_id, "client_secret": made.client_secret}
    headers = {"authorization": f"Bearer {grant(live, form).json()['access_token']}"}
    assert httpx.get(f"{live.base_url}/v1/keys", headers=headers).headers["ratelimit-limit"] == "4000"


def test_the_same_key_and_body_get_the_same_answer(tenant: Any) -> None:
    client, _ = tenant
    name = uuid4().hex
    first = client.keys.create("twice", "secp256r1", idempotency_key=name)
    assert client.keys.create("twice", "secp256r1", idempotency_key=name) == first
    with pytest.raises(ApiError) as refused:
        client.keys.create("other", "secp256r1", idempotency_key=name)
    assert (refused.value.status, refused.value.code) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_a_transaction_needs_its_idempotency_key(live: Live, tenant: Any) -> None:
    client, made = tenant
    key = client.keys.create("payer", "secp256r1")
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    headers = {"authorization": f"Bearer {grant(live, form).json()['access_token']}"}
    body = {
        "kind": "transfer", "chain": "neo-n3", "from_key": key.id, "asset": "GAS",
        "to": "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK", "amount": "1",
    }  # fmt: skip
    answer = httpx.post(f"{live.base_url}/v1/transactions", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    for change, status, code in (
        ({}, 422, "INSUFFICIENT_FUNDS"),
        ({"amount": "-1"}, 422, "INVALID_AMOUNT"),
        ({"amount": "0.000000001"}, 422, "INVALID_AMOUNT"),
        ({"to": "0x" + "11" * 20}, 422, "INVALID_ADDRESS"),
        ({"asset": "DOGE"}, 422, "UNKNOWN_ASSET"),
        ({"chain": "neo-x"}, 422, "KEY_NOT_USABLE"),
        ({"kind": "invoke"}, 400, "MALFORMED"),
    ):
        answer = httpx.post(
            f"{live.base_url}/v1/transactions", json=body | change, headers=headers | {"idempotency-key": uuid4().hex}
        )
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_keys_are_paged_and_none_is_lost(live: Live) -> None:
    with Client.from_credentials(live.credentials) as platform:
        made = platform.clients.create(
            "pages", ["keys:create", "keys:read"], tenant_id=platform.tenants.create("pages").id
        )
    with Client(live.base_url, made.client_id, made.client_secret) as client:
        ids = [client.keys.create(f"key {number}", "ed25519").id for number in range(7)]
        assert [key.id for key in client.every(client.keys.list, limit=3)] == ids


def test_a_request_id_is_taken_over_when_it_is_plain(live: Live) -> None:
    given = httpx.get(f"{live.base_url}/health/live", headers={"x-request-id": "order-66"})
    assert given.headers["x-request-id"] == "order-66"
    for odd in ("two words", "x" * 200, "semi;colon"):
        answer = httpx.get(f"{live.base_url}/health/live", headers={"x-request-id": odd})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


def test_health_names_each_dependency_and_its_latency(live: Live) -> None:
    body = httpx.get(f"{live.base_url}/health/ready").json()
    assert body["status"] == "ready"
    assert {"attestation", "database", "kme", "neo-n3", "neo-x"} == set(body["checks"])
    assert all(check["ok"] and check["latency_ms"] >= 0 for check in body["checks"].values())


def test_the_documentation_page_needs_nothing_from_elsewhere(live: Live) -> None:
    page = httpx.get(f"{live.base_url}/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "/v1/transactions" in page.text
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.text)
    assert httpx.get(f"{live.base_url}/openapi.json").json()["openapi"].startswith("3.1")


def test_logs_hold_no_secret(live: Live, tenant: Any) -> None:
    client, made = tenant
    key = client.keys.create("logged", "secp256k1")
    client.keys.sign(key.id, "message", {"text": "a very private message"})
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    token = grant(live, form).json()["access_token"]
    httpx.get(f"{live.base_url}/v1/me", headers={"authorization": f"Bearer {token}"})
    time.sleep(0.2)
    log = (live.state / "logs" / "api.log").read_text(encoding="utf-8")
    assert '"http.route":"/v1/me"' in log
    for secret in (made.client_secret, token, "a very private message"):
        assert secret not in log
