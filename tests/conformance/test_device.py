"""The device flow (RFC 8628)."""

import hashlib
import time

import httpx
import pytest

from tests.conformance.clauses import clause
from tests.support.oauth import DEVICE, App, Browser, Provider, claims
from tests.support.people import Person

INTERVAL = 3.1


@pytest.fixture(scope="module")
def television(provider: Provider, ada: Person) -> App:
    return provider.app(ada, auth_method="none", grant_types=[DEVICE, "refresh_token"])


def _begin(app: App, **more: str) -> dict[str, str]:
    answer = app.post("/oauth2/device_authorization", {"scope": "openid keys:read"} | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def _poll(app: App, device_code: str) -> httpx.Response:
    return app.token(DEVICE, device_code=device_code)


def _error(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


@clause("RFC 8628", "3.2", "device_code, user_code, verification_uri and expires_in are there; no cache keeps them.")
@clause("RFC 8628", "6.1", "The user code has letters that are not taken for others, and is short.")
def test_the_codes(provider: Provider, television: App) -> None:
    answer = television.post("/oauth2/device_authorization", {"scope": "openid"})
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["verification_uri"] == provider.url("/console/device")
    assert body["verification_uri_complete"].endswith(f"?user_code={body['user_code']}")
    assert (0 < body["expires_in"] <= 1800, body["interval"]) == (True, 3)
    assert set(body["user_code"].replace("-", "")) <= set("BCDFGHJKLMNPQRSTVWXZ")
    assert len(body["device_code"]) >= 32


@clause("RFC 8628", "3.5", "authorization_pending, until the person has decided.")
@clause("RFC 8628", "3.5", "slow_down, when it is asked more often than every interval.")
@clause("RFC 8628", "3.3", "The person types the code in, says yes, and the device gets its tokens.")
@clause("RFC 8628", "3.4", "A device code gives tokens once.")
def test_allowed(provider: Provider, browser: Browser, television: App) -> None:
    body = _begin(television)
    assert _error(_poll(television, body["device_code"])) == "authorization_pending"
    assert _error(_poll(television, body["device_code"])) == "slow_down"
    typed = body["user_code"].lower().replace("-", " ")
    assert browser.decide(typed).status_code == 200
    time.sleep(INTERVAL)
    answer = _poll(television, body["device_code"])
    assert answer.status_code == 200
    found = answer.json()
    assert set(found["scope"].split()) == {"openid", "keys:read"}
    assert claims(found["id_token"])["aud"] == television.id
    assert provider.keys(found["access_token"]).status_code == 200
    assert television.refresh(found["refresh_token"]).status_code == 200
    time.sleep(INTERVAL)
    assert _error(_poll(television, body["device_code"])) in ("expired_token", "invalid_grant")


@clause("RFC 8628", "3.5", "access_denied, when the person says no.")
def test_denied(browser: Browser, television: App) -> None:
    body = _begin(television)
    assert browser.decide(body["user_code"], "deny").status_code == 200
    assert _error(_poll(television, body["device_code"])) == "access_denied"


@clause("RFC 8628", "3.5", "expired_token, when the codes are too old.")
def test_too_old(provider: Provider, television: App) -> None:
    body = _begin(television)
    nobody = "00000000-0000-0000-0000-000000000000"
    for code in (body["device_code"], body["user_code"].replace("-", "")):
        provider.owner(
            nobody,
            nobody,
            "UPDATE one_time SET expires_at = now() - interval '1 second' WHERE sha256 = %s",
            hashlib.sha256(code.encode()).digest(),
        )
    assert _error(_poll(television, body["device_code"])) == "expired_token"


@clause("RFC 8628", "5.2", "A device code is for the client that began.")
def test_another_client(provider: Provider, ada: Person, browser: Browser, television: App) -> None:
    other = provider.app(ada, auth_method="none", grant_types=[DEVICE])
    body = _begin(television)
    browser.decide(body["user_code"])
    assert _error(_poll(other, body["device_code"])) in ("expired_token", "invalid_grant")
    assert _poll(television, body["device_code"]).status_code == 200


@clause("RFC 8628", "3.1", "A client that is not registered for the flow does not begin one.")
def test_a_client_without_the_grant(app: App) -> None:
    answer = app.post("/oauth2/device_authorization", {"scope": "openid"})
    assert _error(answer) == "unauthorized_client"


@clause("RFC 8628", "3.1", "A confidential client proves itself when it begins.")
def test_without_the_clients_secret(provider: Provider, ada: Person) -> None:
    client = provider.app(ada, grant_types=[DEVICE])
    answer = provider.http.post("/oauth2/device_authorization", data={"client_id": client.id})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@clause("RFC 8628", "3.1", "A scope that the client cannot have is refused at once.")
def test_more_scope(television: App) -> None:
    answer = television.post("/oauth2/device_authorization", {"scope": "platform:admin"})
    assert _error(answer) == "invalid_scope"


@clause("RFC 8628", "5.4", "A decision that another site sends counts for nothing.")
def test_a_decision_of_another_site(browser: Browser, television: App) -> None:
    body = _begin(television)
    fields = {"user_code": body["user_code"], "decision": "allow"}
    answer = browser.http.post("/console/device", data=fields, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert _error(_poll(television, body["device_code"])) == "authorization_pending"


@clause("RFC 8628", "5.4", "Nobody of another tenant is asked for a tenant's device.")
def test_a_person_of_another_tenant(provider: Provider, bob: Person, television: App) -> None:
    body = _begin(television)
    assert provider.browser(bob).decide(body["user_code"]).status_code == 404
    assert _error(_poll(television, body["device_code"])) == "authorization_pending"
