"""ID tokens, userinfo, discovery, keys (OpenID Connect Core 1.0, Discovery 1.0)."""

import hashlib
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet

from tests.conformance.clauses import clause
from tests.support.oauth import App, Browser, Provider, b64, claims, part
from tests.support.people import Person


@clause("OpenID Core", "2", "iss, sub, aud, exp and iat are there; aud is the client, iss the issuer of discovery.")
@clause("OpenID Core", "3.1.3.7", "The signature is by a key of jwks_uri, with RS256.")
def test_an_id_token(provider: Provider, browser: Browser, app: App) -> None:
    token = browser.tokens(app)["id_token"]
    keys = KeySet.import_key_set(provider.http.get("/oauth2/jwks").json())
    said = jwt.decode(token, keys, algorithms=["RS256"]).claims
    assert (said["iss"], said["aud"]) == (provider.base_url, app.id)
    assert said["sub"] == claims(browser.person.tokens["access_token"])["sub"]
    assert said["iat"] - 5 <= time.time() < said["exp"] <= said["iat"] + 600
    assert said["auth_time"] <= said["iat"]
    assert part(token, 0)["kid"] in {key.kid for key in keys.keys}


@clause("OpenID Core", "3.1.2.1", "nonce comes back in the ID token, unchanged; without one there is none.")
def test_the_nonce(browser: Browser, app: App) -> None:
    assert claims(browser.tokens(app, nonce="n-0S6_WzA2Mj é")["id_token"])["nonce"] == "n-0S6_WzA2Mj é"
    assert "nonce" not in claims(browser.tokens(app, nonce=None)["id_token"])


@clause("OpenID Core", "3.1.3.6", "at_hash is the left half of the access token's SHA-256.")
def test_at_hash(browser: Browser, app: App) -> None:
    body = browser.tokens(app)
    half = hashlib.sha256(body["access_token"].encode()).digest()[:16]
    assert claims(body["id_token"])["at_hash"] == b64(half)


@clause("Back-Channel Logout", "2.1", "sid in the ID token is the session.")
@clause("OpenID Core", "2", "auth_time, acr and amr say when and how the person signed in.")
def test_the_session_in_the_id_token(browser: Browser, app: App) -> None:
    session = browser.sign_in()
    said = claims(browser.tokens(app)["id_token"])
    assert (said["sid"], said["acr"], said["amr"]) == (session, "aal1", ["pwd"])


@clause("OpenID Core", "3.1.2.1", "Without the scope openid there is no ID token.")
def test_without_openid(browser: Browser, app: App) -> None:
    assert "id_token" not in browser.tokens(app, scope="keys:read")


@clause("OpenID Core", "5.4", "The scopes profile and email say what is told of the person, and no more is.")
def test_what_is_told(provider: Provider, browser: Browser, app: App) -> None:
    less, more = browser.tokens(app, scope="openid"), browser.tokens(app, scope="openid email profile")
    for token in (claims(less["id_token"]), _userinfo(provider, less["access_token"])):
        assert not {"email", "name", "email_verified"} & set(token)
    for token in (claims(more["id_token"]), _userinfo(provider, more["access_token"])):
        assert (token["email"], token["email_verified"], token["name"]) == (browser.person.email, True, "Ada")


def _userinfo(provider: Provider, token: str) -> dict[str, object]:
    answer = provider.http.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@clause("OpenID Core", "5.3.2", "sub is always told by userinfo, and is the ID token's.")
@clause("OpenID Core", "5.3.1", "Userinfo takes GET and POST, with the token as Bearer.")
def test_userinfo(provider: Provider, browser: Browser, app: App) -> None:
    body = browser.tokens(app)
    assert _userinfo(provider, body["access_token"])["sub"] == claims(body["id_token"])["sub"]
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert provider.http.post("/oauth2/userinfo", headers=headers).json()["sub"] == claims(body["id_token"])["sub"]


@clause("OpenID Core", "5.3.3", "Userinfo without a token or with a bad one: 401 and WWW-Authenticate: Bearer.")
def test_userinfo_without_a_token(provider: Provider, browser: Browser, app: App) -> None:
    id_token = browser.tokens(app)["id_token"]
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {id_token}"}):
        answer = provider.http.get("/oauth2/userinfo", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


@clause("OpenID Core", "5.3", "Userinfo is for tokens of the scope openid: not a program's, nor one without it.")
def test_userinfo_without_openid(provider: Provider, browser: Browser, app: App, machine: App) -> None:
    for token in (browser.tokens(app, scope="keys:read"), machine.token("client_credentials").json()):
        answer = provider.http.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {token['access_token']}"})
        assert answer.status_code == 403


@clause("RFC 9068", "4", "An ID token is no access token.")
def test_an_id_token_in_place_of_an_access_token(provider: Provider, browser: Browser, app: App) -> None:
    assert provider.keys(browser.tokens(app)["id_token"]).status_code == 401


@clause("RFC 9068", "2.2.1", "auth_time, acr and amr are in a person's access token.")
@clause("RFC 9068", "3", "With a person, sub is the person.")
def test_a_persons_access_token(provider: Provider, browser: Browser, app: App) -> None:
    body = browser.tokens(app)
    said, of_id = claims(body["access_token"]), claims(body["id_token"])
    assert {said[name] == of_id[name] for name in ("sub", "auth_time", "acr", "amr", "sid")} == {True}
    assert (said["aud"], said["client_id"], part(body["access_token"], 0)["typ"]) == (
        provider.base_url, app.id, "at+jwt",
    )  # fmt: skip


@clause("OpenID Core", "3.1.2.2", "A token holds no more than the person may, whatever the client may.")
def test_scopes_that_the_person_does_not_hold(provider: Provider, carol: Person, app: App) -> None:
    body = provider.browser(carol).tokens(app, scope="openid keys:read users:read")
    assert set(body["scope"].split()) == {"openid", "keys:read"}
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert provider.http.get("/v1/users", headers=headers).status_code == 403


@clause("RFC 7517", "4", "The keys are public: no private part is in the set.")
@clause("OpenID Discovery", "3", "jwks_uri has the keys, each with a kid and for signatures.")
def test_the_key_set(provider: Provider) -> None:
    keys = provider.http.get("/oauth2/jwks").json()["keys"]
    assert keys
    for key in keys:
        assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert len({key["kid"] for key in keys}) == len(keys)


@clause("OpenID Discovery", "4.3", "issuer is exactly the address that the document was asked for at.")
@clause("OpenID Discovery", "3", "What is required is there: endpoints, response types, subject types, algorithms.")
@clause("RFC 9207", "3", "authorization_response_iss_parameter_supported is true.")
@clause("RFC 9700", "2.1.1", "code_challenge_methods_supported is told.")
def test_discovery(provider: Provider) -> None:
    answer = provider.http.get("/.well-known/openid-configuration")
    assert answer.headers["content-type"].startswith("application/json")
    told = answer.json()
    assert told["issuer"] == provider.base_url
    assert told["response_types_supported"] == ["code"]
    assert "RS256" in told["id_token_signing_alg_values_supported"]
    assert "none" not in told["id_token_signing_alg_values_supported"]
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert "openid" in told["scopes_supported"]
    assert {"public"} == set(told["subject_types_supported"])


@clause("OpenID Discovery", "3", "Every endpoint that the document names is there.")
def test_discovery_is_consistent(provider: Provider, machine: App) -> None:
    told = provider.http.get("/.well-known/openid-configuration").json()
    endpoints = {name: url for name, url in told.items() if name.endswith("_endpoint") or name == "jwks_uri"}
    assert len(endpoints) == 9
    for name, url in endpoints.items():
        assert url.startswith(provider.base_url)
        method = "GET" if name in ("jwks_uri", "authorization_endpoint", "end_session_endpoint") else "POST"
        assert provider.http.request(method, url).status_code not in (404, 405), name
    fields: dict[str, Any] = {
        "username": "x",
        "code": "x",
        "refresh_token": "x",
        "device_code": "x",
        "subject_token": "x",
    }
    for grant in told["grant_types_supported"]:
        assert machine.token(grant, **fields).json().get("error") != "unsupported_grant_type"


@clause("OpenID Core", "12.2", "After a refresh the ID token has the same iss, sub, aud and auth_time, and no nonce.")
def test_the_id_token_of_a_refresh(provider: Provider, ada: Person, app: App) -> None:
    first = provider.browser(ada, seconds_ago=30).tokens(app)
    second = app.refresh(first["refresh_token"]).json()
    before, after = claims(first["id_token"]), claims(second["id_token"])
    assert {before[name] == after[name] for name in ("iss", "sub", "aud", "auth_time", "sid")} == {True}
    assert "nonce" not in after
    assert after["iat"] >= before["iat"]
