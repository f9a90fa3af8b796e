"""Introspection (RFC 7662), revocation (RFC 7009), step-up (RFC 9470)."""

import time

import httpx
import pytest

from tests.conformance.clauses import clause
from tests.support.oauth import App, Browser, Provider, claims
from tests.support.people import Person


@clause("RFC 7662", "2.2", "active, scope, client_id, exp, iat, sub, aud, iss, jti and token_type of a good token.")
@clause("RFC 7662", "2.2", "What introspection says is what the token says.")
def test_an_active_token(provider: Provider, browser: Browser, app: App, machine: App) -> None:
    token = browser.tokens(app)["access_token"]
    found, said = provider.introspect(machine, token), claims(token)
    assert found["active"] is True
    for name in ("client_id", "exp", "iat", "sub", "aud", "iss", "jti", "acr", "auth_time"):
        assert found[name] == said[name], name
    assert set(found["scope"].split()) == set(said["scope"].split())
    assert found["token_type"] == "Bearer"


@clause("RFC 7662", "2.1", "Only a client that proves itself may ask.")
@clause("RFC 7662", "4", "A public client may not ask.")
def test_who_may_ask(provider: Provider, ada: Person, machine: App) -> None:
    token = machine.token("client_credentials").json()["access_token"]
    public = provider.web_app(ada, auth_method="none")
    for client_id, basic in ((public.id, None), (machine.id, None), (None, (machine.id, "wrong")), (None, None)):
        form = {"token": token} | ({} if client_id is None else {"client_id": client_id})
        answer = provider.http.post("/oauth2/introspect", data=form, auth=basic or httpx.USE_CLIENT_DEFAULT)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@clause("RFC 7662", "2.2", "Of a token that is unknown or altered nothing is said but active: false; it is no error.")
def test_unknown_tokens(provider: Provider, machine: App) -> None:
    token = machine.token("client_credentials").json()["access_token"]
    for bad in ("x", token[:-8] + "AAAAAAAA", "é", "a.b.c"):
        assert provider.introspect(machine, bad) == {"active": False}


@clause("RFC 7662", "2.2", "Of another tenant's token nothing is said but active: false.")
@clause("RFC 7662", "4", "Tokens cannot be tried out by those whom they do not concern.")
def test_tokens_of_another_tenant(provider: Provider, bob: Person, browser: Browser, app: App) -> None:
    theirs = provider.app(bob)
    body = browser.tokens(app)
    assert provider.introspect(theirs, body["access_token"]) == {"active": False}
    assert provider.introspect(theirs, body["refresh_token"]) == {"active": False}


@clause("RFC 7662", "2.1", "A refresh token may be asked about by its client; token_type_hint is no more than a hint.")
def test_a_refresh_token(provider: Provider, browser: Browser, app: App, machine: App) -> None:
    token = browser.tokens(app)["refresh_token"]
    found = app.post("/oauth2/introspect", {"token": token, "token_type_hint": "access_token"}).json()
    assert (found["active"], found["client_id"]) == (True, app.id)
    assert provider.introspect(machine, token) == {"active": False}
    app.refresh(token)
    assert provider.introspect(app, token) == {"active": False}


@clause("RFC 7662", "2.1", "Without token: invalid_request.")
def test_no_token(machine: App) -> None:
    for path in ("/oauth2/introspect", "/oauth2/revoke"):
        answer = machine.post(path, {"token_type_hint": "access_token"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@clause("RFC 7009", "2.1", "A revoked access token is worth nothing: 401 within a second, and inactive.")
@clause("RFC 7009", "2.2", "200 says that it is revoked.")
def test_a_revoked_access_token(provider: Provider, machine: App) -> None:
    token = machine.token("client_credentials").json()["access_token"]
    assert provider.keys(token).status_code == 200
    assert machine.post("/oauth2/revoke", {"token": token}).status_code == 200
    assert provider.ended(token)
    assert provider.introspect(machine, token) == {"active": False}


@clause("RFC 7009", "2.1", "With a refresh token the grant ends: no refresh any more.")
def test_a_revoked_refresh_token(provider: Provider, browser: Browser, app: App) -> None:
    body = browser.tokens(app)
    answer = app.post("/oauth2/revoke", {"token": body["refresh_token"], "token_type_hint": "refresh_token"})
    assert answer.status_code == 200
    assert app.refresh(body["refresh_token"]).json()["error"] == "invalid_grant"
    assert provider.introspect(app, body["refresh_token"]) == {"active": False}


@clause("RFC 7009", "2.1", "With the refresh token of an offline session its access tokens end as well.")
def test_a_revoked_offline_refresh_token(provider: Provider, browser: Browser, app: App) -> None:
    body = browser.tokens(app, scope="openid offline_access keys:read")
    assert app.post("/oauth2/revoke", {"token": body["refresh_token"]}).status_code == 200
    assert provider.ended(body["access_token"])


@clause("RFC 7009", "2.2", "An unknown token is answered with 200; a wrong hint changes nothing.")
def test_unknown_tokens_are_revoked_already(provider: Provider, machine: App) -> None:
    for token in ("x", "a.b.c", "é"):
        assert machine.post("/oauth2/revoke", {"token": token}).status_code == 200
    token = machine.token("client_credentials").json()["access_token"]
    for hint in ("refresh_token", "nothing"):
        fields = {"token": token, "token_type_hint": hint}
        assert machine.post("/oauth2/revoke", fields).status_code == 200
    assert provider.ended(token)


@clause("RFC 7009", "2.1", "A token of another client is not ended.")
def test_a_token_of_another_client(provider: Provider, browser: Browser, app: App, machine: App) -> None:
    body = browser.tokens(app)
    for token in (body["access_token"], body["refresh_token"]):
        machine.post("/oauth2/revoke", {"token": token})
    time.sleep(0.2)
    assert provider.keys(body["access_token"]).status_code == 200
    assert app.refresh(body["refresh_token"]).status_code == 200


@clause("RFC 7009", "2.1", "A client proves itself as at the token endpoint; a public one by its id.")
def test_who_may_revoke(provider: Provider, ada: Person, browser: Browser, machine: App) -> None:
    token = machine.token("client_credentials").json()["access_token"]
    answer = provider.http.post("/oauth2/revoke", data={"token": token, "client_id": machine.id})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    public = provider.web_app(ada, auth_method="none")
    own = browser.tokens(public)["access_token"]
    assert public.post("/oauth2/revoke", {"token": own}).status_code == 200
    assert provider.ended(own)


@clause("RFC 9470", "3", "401 insufficient_user_authentication with max_age, where the sign-in was too long ago.")
@clause("RFC 9470", "4", "After signing in again the same request is let through.")
def test_step_up(provider: Provider, ada: Person) -> None:
    answer = ada.login()
    token, said = answer.json()["access_token"], claims(answer.json()["access_token"])
    provider.owner(
        said["tenant"],
        said["sub"],
        "UPDATE sessions SET authenticated_at = now() - interval '1 hour' WHERE id = %s",
        said["sid"],
    )
    old = provider.http.post("/v1/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]}).json()
    body = {"name": "x", "issuer": "https://id.example.org", "client_id": "x", "client_secret": "x"}
    headers = {"Authorization": f"Bearer {old['access_token']}"}
    refused = provider.http.post("/v1/identity-providers", json=body, headers=headers)
    assert refused.status_code == 401
    challenge = refused.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_user_authentication"' in challenge
    assert "max_age=" in challenge
    assert token
    again = {"Authorization": f"Bearer {ada.login().json()['access_token']}"}
    answer = provider.http.post("/v1/identity-providers", json=body, headers=again)
    assert answer.status_code not in (401, 403), answer.text


@clause("RFC 6750", "3", "401 with WWW-Authenticate: Bearer, where the token is missing or bad.")
@pytest.mark.parametrize("header", [None, "Bearer x", "Bearer", "Basic eDp4", "Digest x"])
def test_without_a_good_token(provider: Provider, header: str | None) -> None:
    answer = provider.http.get("/v1/keys", headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@clause("RFC 6750", "3.1", "403, where the token lacks the scope.")
def test_a_token_without_the_scope(provider: Provider, machine: App) -> None:
    token = machine.token("client_credentials", scope="ledger:read").json()["access_token"]
    assert provider.keys(token).status_code == 403
