"""Refresh tokens (RFC 6749 section 6, RFC 9700 section 4.14)."""

import hashlib
from typing import Any

import pytest

from tests.conformance.clauses import clause
from tests.support.oauth import App, Browser, Provider, claims
from tests.support.people import Person


def _used_long_ago(provider: Provider, token: str, access_token: str) -> None:
    """As if the grace for a lost answer were over."""
    said = claims(access_token)
    provider.owner(
        said["tenant"],
        said["sub"],
        "UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE sha256 = %s",
        hashlib.sha256(token.encode()).digest(),
    )


def _refused(answer: Any) -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@clause("RFC 6749", "6", "A refresh token gives a new access token.")
@clause("RFC 9700", "4.14.2", "With each use a new refresh token comes, and the old one is spent.")
def test_a_refresh(provider: Provider, browser: Browser, app: App) -> None:
    first = browser.tokens(app)
    second = app.refresh(first["refresh_token"])
    assert second.status_code == 200
    assert second.headers["cache-control"] == "no-store"
    body = second.json()
    assert body["refresh_token"] != first["refresh_token"]
    assert body["expires_in"] <= 600
    assert body["scope"] == first["scope"]
    assert provider.keys(body["access_token"]).status_code == 200


@clause("RFC 9700", "4.14.2", "A spent refresh token that comes again ends the whole family.")
def test_a_refresh_token_twice(provider: Provider, browser: Browser, app: App) -> None:
    first = browser.tokens(app)
    second = app.refresh(first["refresh_token"]).json()
    _used_long_ago(provider, first["refresh_token"], first["access_token"])
    _refused(app.refresh(first["refresh_token"]))
    _refused(app.refresh(second["refresh_token"]))
    assert provider.ended(second["access_token"])


@clause("RFC 9700", "4.14.2", "An answer that was lost may be asked for once more within 10 seconds.")
def test_a_lost_answer(provider: Provider, browser: Browser, app: App) -> None:
    first = browser.tokens(app)
    lost = app.refresh(first["refresh_token"]).json()
    again = app.refresh(first["refresh_token"])
    assert again.status_code == 200
    body = again.json()
    assert body["refresh_token"] != lost["refresh_token"]
    assert app.refresh(body["refresh_token"]).status_code == 200


@clause("RFC 9700", "4.14.2", "Once what came of it was used, a spent token is no lost answer, whatever the time.")
def test_no_grace_after_use(provider: Provider, browser: Browser, app: App) -> None:
    first = browser.tokens(app)
    second = app.refresh(first["refresh_token"]).json()
    third = app.refresh(second["refresh_token"]).json()
    _refused(app.refresh(first["refresh_token"]))
    _refused(app.refresh(third["refresh_token"]))
    assert provider.ended(third["access_token"])


@clause("RFC 6749", "6", "A refresh may ask for less scope, and the next one for all again.")
def test_less_scope(provider: Provider, browser: Browser, app: App) -> None:
    first = browser.tokens(app, scope="openid keys:read ledger:read")
    second = app.refresh(first["refresh_token"], scope="keys:read").json()
    assert second["scope"] == "keys:read"
    assert claims(second["access_token"])["scope"] == "keys:read"
    third = app.refresh(second["refresh_token"]).json()
    assert set(third["scope"].split()) == {"openid", "keys:read", "ledger:read"}


@clause("RFC 6749", "6", "A refresh never gives a scope that was not granted.")
@pytest.mark.parametrize("scope", ["keys:read keys:sign", "platform:admin", "email"])
def test_more_scope(browser: Browser, app: App, scope: str) -> None:
    first = browser.tokens(app, scope="openid keys:read")
    answer = app.refresh(first["refresh_token"], scope=scope)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_scope", "invalid_grant")
    assert app.refresh(first["refresh_token"]).status_code == 200, "the family goes on"


@clause("RFC 6749", "6", "A refresh token is for the client that it was given to.")
def test_another_client(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    first = browser.tokens(app)
    _refused(provider.web_app(ada).refresh(first["refresh_token"]))
    assert app.refresh(first["refresh_token"]).status_code == 200


@clause("RFC 6749", "6", "A confidential client proves itself with its refresh token.")
def test_without_the_clients_secret(browser: Browser, app: App) -> None:
    first = browser.tokens(app)
    fields = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": app.id}
    answer = browser.provider.http.post("/oauth2/token", data=fields)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@clause("RFC 6749", "5.2", "invalid_grant: a refresh token that is unknown, or missing.")
@pytest.mark.parametrize("token", ["x", "", "é"])
def test_an_unknown_refresh_token(app: App, token: str) -> None:
    _refused(app.refresh(token))


@clause("RFC 9700", "4.14.2", "Refresh tokens end with the session that they are of.")
def test_after_signing_out(ada: Person, browser: Browser, app: App) -> None:
    session = browser.sign_in()
    first = browser.tokens(app)
    with ada.client() as http:
        assert http.delete(f"/v1/auth/sessions/{session}").status_code == 204
    _refused(app.refresh(first["refresh_token"]))


@clause("OpenID Core", "11", "With offline_access the refresh token goes on when the browser's session has ended.")
def test_offline_access(ada: Person, browser: Browser, app: App) -> None:
    session = browser.sign_in()
    first = browser.tokens(app, scope="openid offline_access keys:read")
    with ada.client() as http:
        assert http.delete(f"/v1/auth/sessions/{session}").status_code == 204
    assert app.refresh(first["refresh_token"]).status_code == 200


@clause("RFC 6749", "1.5", "A client without the refresh grant gets no refresh token.")
def test_a_client_without_the_grant(provider: Provider, ada: Person, browser: Browser) -> None:
    client = provider.web_app(ada, grant_types=["authorization_code"])
    assert "refresh_token" not in browser.tokens(client)


@clause("RFC 6749", "10.4", "A refresh token is no access token.")
def test_in_place_of_an_access_token(provider: Provider, browser: Browser, app: App) -> None:
    assert provider.keys(browser.tokens(app)["refresh_token"]).status_code == 401
