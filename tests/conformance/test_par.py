"""Pushed authorization requests (RFC 9126)."""

import hashlib
from typing import Any

import httpx
import pytest

from tests.conformance.clauses import clause
from tests.support.oauth import FORM, App, Browser, Provider, told
from tests.support.people import Person


def _push(app: App, **more: Any) -> httpx.Response:
    return app.post("/oauth2/par", app.asks(**more))


def _go(browser: Browser, app: App, request_uri: str, **more: Any) -> httpx.Response:
    return browser.http.get("/oauth2/authorize", params={"client_id": app.id, "request_uri": request_uri} | more)


@clause("RFC 9126", "2.2", "201 with request_uri and expires_in; no cache keeps it.")
@clause("RFC 9126", "4", "The request_uri with client_id begins the flow.")
def test_a_pushed_request(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    answer = _push(app, state="pushed")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    body = answer.json()
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 5 <= body["expires_in"] <= 600
    found = told(_go(browser, app, body["request_uri"]), app.redirect_uri)
    assert found["state"] == "pushed"
    assert app.redeem(found["code"]).status_code == 200


@clause("RFC 9126", "2.2", "The request_uri cannot be guessed: two are never alike.")
def test_two_are_different(app: App) -> None:
    first, second = (_push(app).json()["request_uri"] for _ in range(2))
    assert first != second
    assert len(first.rpartition(":")[2]) >= 32


@clause("RFC 9126", "2.1", "The client proves itself as at the token endpoint.")
def test_without_the_clients_secret(app: App) -> None:
    answer = app.provider.http.post("/oauth2/par", data=app.asks())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@clause("RFC 9126", "2.1", "A pushed request holds no request_uri.")
def test_a_request_uri_in_a_pushed_request(app: App) -> None:
    answer = _push(app, request_uri="urn:ietf:params:oauth:request_uri:x")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@clause("RFC 9126", "2.3", "A pushed request is checked as one at the authorization endpoint is; errors are JSON.")
@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"redirect_uri": "https://evil.example"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "platform:admin"}, "invalid_scope"),
    ],
)
def test_a_pushed_request_that_is_not_right(app: App, asked: dict[str, str], error: str) -> None:
    answer = _push(app, **asked)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@clause("RFC 9126", "2.3", "405 for other methods than POST.")
def test_get(app: App) -> None:
    assert app.provider.http.get("/oauth2/par").status_code == 405


@clause("RFC 9126", "2.1", "client_id in the form is the client that proved itself.")
def test_another_client_id(app: App, machine: App) -> None:
    answer = _push(app, client_id=machine.id)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@clause("RFC 9126", "4", "A request_uri is for the client that pushed it.")
def test_another_client(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    other = provider.web_app(ada)
    assert _go(browser, other, _push(app).json()["request_uri"]).status_code == 400


@clause("RFC 9126", "7.3", "A request_uri gives one code.")
def test_a_request_uri_twice(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    uri = _push(app).json()["request_uri"]
    assert "code" in told(_go(browser, app, uri), app.redirect_uri)
    assert _go(browser, app, uri).status_code == 400


@clause("RFC 9126", "4", "A request_uri that is too old is refused.")
def test_an_old_request_uri(provider: Provider, browser: Browser, app: App) -> None:
    uri = _push(app).json()["request_uri"]
    nobody = "00000000-0000-0000-0000-000000000000"
    provider.owner(
        nobody,
        nobody,
        "UPDATE one_time SET expires_at = expires_at - interval '61 seconds' WHERE sha256 = %s",
        hashlib.sha256(uri.rpartition(":")[2].encode()).digest(),
    )
    assert _go(browser, app, uri).status_code == 400


@clause("RFC 9126", "4", "What the browser adds to a pushed request changes nothing of it.")
def test_parameters_beside_a_request_uri(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    uri = _push(app, state="pushed").json()["request_uri"]
    answer = _go(browser, app, uri, state="added", redirect_uri="https://evil.example", scope="openid keys:sign")
    found = told(answer, app.redirect_uri)
    assert found["state"] == "pushed"
    assert "keys:sign" not in app.redeem(found["code"]).json()["scope"]


@clause("RFC 9126", "6", "A client of require_pushed_requests is refused without one.")
def test_a_client_that_must_push(provider: Provider, ada: Person, browser: Browser) -> None:
    client = provider.web_app(ada, require_pushed_requests=True)
    provider.consent(ada, client, client.asks()["scope"])
    assert browser.answer(client)["error"] == "invalid_request"
    uri = _push(client).json()["request_uri"]
    assert "code" in told(_go(browser, client, uri), client.redirect_uri)


@clause("RFC 9126", "2.1", "A parameter that stands twice is refused.")
def test_a_parameter_twice(app: App) -> None:
    answer = app.provider.http.post(
        "/oauth2/par", content="client_id=a&scope=x&scope=y", headers=FORM, auth=(app.id, app.secret)
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
