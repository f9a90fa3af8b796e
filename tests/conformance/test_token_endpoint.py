"""The token endpoint: its form, its errors, how clients prove themselves (RFC 6749, 7523, 9068)."""

import json
import time
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet, OctKey, RSAKey

from tests.conformance.clauses import clause
from tests.support.oauth import ASSERTION_TYPE, FORM, App, Provider, b64, claims, part
from tests.support.people import Person


@pytest.fixture(scope="module")
def signer(provider: Provider, ada: Person) -> App:
    """A client that proves itself with its own key."""
    return provider.app(ada, key=RSAKey.generate_key(2048, parameters={"kid": "one"}))


def _by_assertion(app: App, assertion: str, **more: str) -> tuple[int, str]:
    fields = {
        "grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion,
    } | more  # fmt: skip
    answer = app.provider.http.post("/oauth2/token", data=fields)
    return answer.status_code, answer.json().get("error", "")


@clause("RFC 6749", "5.1", "A token answer has access_token, token_type and expires_in, here of at most ten minutes.")
@clause("RFC 6749", "5.1", "Cache-Control: no-store is with every answer that holds tokens.")
def test_a_token_and_how_it_is_answered(machine: App) -> None:
    answer = machine.token("client_credentials")
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert 0 < body["expires_in"] <= 600
    assert body["scope"].split() == ["keys:read", "keys:sign", "ledger:read", "users:read"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("application/json")
    assert machine.provider.keys(body["access_token"]).status_code == 200


@clause("RFC 6749", "4.4.3", "A refresh token is not given with client credentials.")
def test_client_credentials_give_no_refresh_token(machine: App) -> None:
    assert "refresh_token" not in machine.token("client_credentials").json()


@clause("RFC 6749", "3.3", "The scope asked for is given, and named in the answer.")
def test_a_smaller_scope(machine: App) -> None:
    body = machine.token("client_credentials", scope="keys:read").json()
    assert body["scope"] == "keys:read"
    assert claims(body["access_token"])["scope"] == "keys:read"


@clause("RFC 6749", "5.2", "invalid_scope: a scope that is unknown or more than the client has.")
@pytest.mark.parametrize("scope", ["platform:admin", "clients:admin", "nothing"])
def test_more_scope_than_the_client_has(machine: App, scope: str) -> None:
    answer = machine.token("client_credentials", scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@clause("RFC 6749", "5.2", "invalid_client is 401 with WWW-Authenticate of the scheme that the client used.")
@clause("RFC 6749", "5.2", "Errors are not kept by caches either.")
def test_a_wrong_secret(machine: App) -> None:
    answer = machine.provider.http.post(
        "/oauth2/token", data={"grant_type": "client_credentials"}, auth=(machine.id, "wrong")
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "realm=" in answer.headers["www-authenticate"], "RFC 7617 section 2"
    assert answer.headers["cache-control"] == "no-store"


@clause("RFC 6749", "2.3.1", "An unknown client is told the same as a wrong secret.")
def test_an_unknown_client(machine: App) -> None:
    http = machine.provider.http
    wrong = http.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=(machine.id, "wrong"))
    nobody = "00000000-0000-7000-8000-000000000001"
    unknown = http.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=(nobody, "wrong"))
    assert (unknown.status_code, unknown.json()) == (wrong.status_code, wrong.json())


@clause("RFC 6749", "2.3", "A client uses no more than one method of authentication in a request.")
def test_two_proofs_at_once(machine: App) -> None:
    fields: dict[str, Any] = {"client_id": machine.id, "client_secret": machine.secret}
    answer = machine.token("client_credentials", **fields)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@clause("OpenID Core", "9", "A client uses the one method that it is registered for: Basic is not post.")
@pytest.mark.parametrize(("registered", "other"), [
    ("client_secret_basic", "client_secret_post"), ("client_secret_post", "client_secret_basic"),
])  # fmt: skip
def test_the_registered_method_alone(provider: Provider, ada: Person, registered: str, other: str) -> None:
    client = provider.app(ada, auth_method=registered)
    assert client.token("client_credentials").status_code == 200
    client.method = other
    answer = client.token("client_credentials")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@clause("RFC 6749", "3.2", "The token endpoint takes POST alone.")
def test_get_is_refused(machine: App) -> None:
    assert machine.provider.http.get("/oauth2/token").status_code == 405


@clause("RFC 6749", "3.2", "The parameters are a form; anything else is refused.")
def test_json_is_refused(machine: App) -> None:
    answer = machine.provider.http.post(
        "/oauth2/token", json={"grant_type": "client_credentials"}, auth=(machine.id, machine.secret)
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@clause("RFC 6749", "3.2", "A parameter that stands twice is refused.")
def test_a_parameter_twice(machine: App) -> None:
    body = "grant_type=client_credentials&scope=keys%3Aread&scope=keys%3Asign"
    answer = machine.provider.http.post("/oauth2/token", content=body, headers=FORM, auth=(machine.id, machine.secret))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@clause("RFC 6749", "3.2", "A parameter without a value is like one that is not there; unknown ones are ignored.")
def test_empty_and_unknown_parameters(machine: App) -> None:
    answer = machine.token("client_credentials", scope="", something="else")
    assert answer.status_code == 200
    assert "keys:sign" in answer.json()["scope"]


@clause("RFC 6749", "3.2", "Secrets do not come in the address.")
def test_parameters_in_the_address_do_not_count(machine: App) -> None:
    query = {"grant_type": "client_credentials", "client_id": machine.id, "client_secret": machine.secret}
    answer = machine.provider.http.post("/oauth2/token", params=query, data={"a": "b"})
    assert answer.status_code == 400


@clause("RFC 6749", "5.2", "invalid_request: grant_type is missing.")
@clause("RFC 6749", "5.2", "unsupported_grant_type: there is no such grant.")
@clause("RFC 9700", "2.4", "The resource owner password grant is not there.")
@pytest.mark.parametrize(("grant", "error"), [
    ("", "invalid_request"), ("implicit", "unsupported_grant_type"), ("password", "unsupported_grant_type"),
])  # fmt: skip
def test_unknown_grants(machine: App, grant: str, error: str) -> None:
    answer = machine.token(grant, username="ada", password="ada")
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@clause("RFC 6749", "5.2", "unauthorized_client: the grant is not this client's.")
def test_a_grant_that_the_client_is_not_registered_for(machine: App, app: App) -> None:
    for client, grant in ((app, "client_credentials"), (machine, "authorization_code"), (machine, "refresh_token")):
        answer = client.token(grant, code="x", refresh_token="x")
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@clause("RFC 6749", "4.4", "Client credentials are for confidential clients alone.")
def test_a_public_client_gets_no_client_credentials(provider: Provider, ada: Person) -> None:
    body = {"name": "public", "scopes": ["keys:read"], "auth_method": "none", "grant_types": ["client_credentials"]}
    answer = provider.http.post("/v1/clients", json=body, headers=ada.headers)
    assert answer.status_code == 422


@clause("RFC 8707", "2", "invalid_target: a resource that is not this API.")
def test_a_resource_of_somebody_else(machine: App) -> None:
    answer = machine.token("client_credentials", resource="https://elsewhere.example")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert machine.token("client_credentials", resource=machine.provider.base_url).status_code == 200


@clause("RFC 9068", "2.1", "The header says typ at+jwt and an algorithm other than none.")
@clause("RFC 9068", "2.2", "iss, exp, aud, sub, client_id, iat and jti are there.")
@clause("RFC 9068", "3", "Without a person, sub is the client; the audience is the resource.")
def test_an_access_token_is_a_jwt_of_the_profile(machine: App) -> None:
    token = machine.token("client_credentials").json()["access_token"]
    header, said = part(token, 0), claims(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")
    issuer = machine.provider.base_url
    assert (said["iss"], said["aud"], said["sub"], said["client_id"]) == (issuer, issuer, machine.id, machine.id)
    assert said["iat"] <= time.time() < said["exp"] <= said["iat"] + 600
    assert said["jti"] != claims(machine.token("client_credentials").json()["access_token"])["jti"]
    assert "auth_time" not in said
    keys = KeySet.import_key_set(machine.provider.http.get("/oauth2/jwks").json())
    jws.deserialize_compact(token, keys, algorithms=["RS256"])


@clause("RFC 9068", "4", "An access token whose signature, typ or algorithm is not ours is refused with 401.")
def test_altered_access_tokens(machine: App) -> None:
    token = machine.token("client_credentials").json()["access_token"]
    head, body, signature = token.split(".")
    said = claims(token)
    none = b64(b'{"alg":"none","typ":"at+jwt"}')
    forged = RSAKey.generate_key(2048)
    kid = part(token, 0)["kid"]
    other = machine.assertion(forged, **said)
    more = b64(json.dumps(said | {"scope": "platform:admin"}).encode())
    own = jws.serialize_compact(
        {"alg": "RS256", "typ": "at+jwt", "kid": kid}, json.dumps(said), forged, algorithms=["RS256"]
    )
    for bad in (f"{none}.{body}.", f"{head}.{more}.{signature}", f"{head}.{body}.", other, own, "x", "a.b.c"):
        answer = machine.provider.keys(bad)
        assert answer.status_code == 401, bad
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@clause("RFC 6750", "2.3", "An access token in the address does not count.")
def test_a_token_in_the_address(machine: App) -> None:
    token = machine.token("client_credentials").json()["access_token"]
    assert machine.provider.http.get("/v1/keys", params={"access_token": token}).status_code == 401


@clause("RFC 7523", "3", "A client's assertion, signed by its key, for this issuer, proves it.")
def test_an_assertion(signer: App) -> None:
    assert signer.token("client_credentials").status_code == 200
    assert _by_assertion(signer, signer.assertion(aud=[signer.provider.base_url])) == (200, "")


@clause("RFC 7523", "3", "iss and sub are the client, aud is this issuer, exp is not past: else it is refused.")
@pytest.mark.parametrize(
    "said",
    [
        {"aud": "https://elsewhere.example"}, {"aud": None}, {"iss": "somebody"}, {"sub": "somebody"}, {"iss": None},
        {"sub": None}, {"exp": 1}, {"exp": None}, {"exp": "soon"}, {"jti": None}, {"jti": ""},
    ],
)  # fmt: skip
def test_an_assertion_that_says_something_else(signer: App, said: dict[str, Any]) -> None:
    assert _by_assertion(signer, signer.assertion(**said)) == (401, "invalid_client")


@clause("RFC 7523", "3", "An assertion before its nbf is refused.")
def test_an_assertion_too_early(signer: App) -> None:
    assert _by_assertion(signer, signer.assertion(nbf=int(time.time()) + 60)) == (401, "invalid_client")


@clause("RFC 7523", "3", "An assertion of unreasonable lifetime is refused.")
def test_an_assertion_that_lives_long(signer: App) -> None:
    assert _by_assertion(signer, signer.assertion(exp=int(time.time()) + 3600)) == (401, "invalid_client")


@clause("RFC 9700", "2.5", "The audience of an assertion is the issuer, and not an endpoint that another server names.")
def test_an_assertion_for_an_endpoint(signer: App) -> None:
    url = signer.provider.url("/oauth2/token")
    assert _by_assertion(signer, signer.assertion(aud=url)) == (401, "invalid_client")
    assert _by_assertion(signer, signer.assertion(aud=[signer.provider.base_url, "x"])) == (401, "invalid_client")


@clause("OpenID Core", "9", "jti: an assertion is used once.")
def test_an_assertion_twice(signer: App) -> None:
    assertion = signer.assertion()
    assert _by_assertion(signer, assertion) == (200, "")
    assert _by_assertion(signer, assertion) == (401, "invalid_client")


@clause("RFC 7523", "3", "An assertion by another key, by no key or by a shared secret is refused.")
def test_an_assertion_by_somebody_else(signer: App, machine: App) -> None:
    other = RSAKey.generate_key(2048, parameters={"kid": "one"})
    assert _by_assertion(signer, signer.assertion(other)) == (401, "invalid_client")
    head, body, _ = signer.assertion().split(".")
    none = b64(b'{"alg":"none"}')
    assert _by_assertion(signer, f"{none}.{body}.") == (401, "invalid_client")
    assert _by_assertion(signer, f"{head}.{body}.") == (401, "invalid_client")
    secret = OctKey.import_key(signer.secret)
    assert _by_assertion(signer, signer.assertion(secret, "HS256")) == (401, "invalid_client")
    assert _by_assertion(signer, machine.assertion(signer.key)) == (401, "invalid_client")


@clause("RFC 7521", "4.2", "client_id, where it is sent too, is the client that the assertion names.")
def test_an_assertion_with_another_client_id(signer: App, machine: App) -> None:
    assert _by_assertion(signer, signer.assertion(), client_id=machine.id) == (401, "invalid_client")
    assert _by_assertion(signer, signer.assertion(), client_id=signer.id) == (200, "")


@clause("RFC 7521", "4.2", "client_assertion_type is the one of RFC 7523.")
def test_another_assertion_type(signer: App) -> None:
    assert _by_assertion(signer, signer.assertion(), client_assertion_type="saml") == (400, "invalid_request")


@clause("OpenID Core", "9", "A client of private_key_jwt has no secret that would do as well.")
def test_a_secret_in_place_of_an_assertion(signer: App) -> None:
    answer = signer.provider.http.post(
        "/oauth2/token", data={"grant_type": "client_credentials"}, auth=(signer.id, signer.secret or "x")
    )
    assert answer.status_code == 401
