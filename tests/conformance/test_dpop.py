"""Proof of possession by DPoP (RFC 9449)."""

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.conformance.clauses import clause
from tests.support.oauth import App, Browser, ProofKey, Provider, b64, claims
from tests.support.people import Person

TOKEN = "/oauth2/token"


@pytest.fixture(scope="module")
def key() -> ProofKey:
    return ProofKey()


def _bound(app: App, key: ProofKey, **more: Any) -> Any:
    proof = key.proof("POST", app.provider.url(TOKEN), **more)
    return app.token("client_credentials", {"DPoP": proof})


@clause("RFC 9449", "5", "With a proof the access token is bound to its key; token_type is DPoP.")
@clause("RFC 9449", "6.1", "cnf.jkt is the key's thumbprint (RFC 7638).")
@clause("RFC 9449", "7.1", "The token works with the scheme DPoP and a proof with ath.")
def test_a_bound_token(provider: Provider, machine: App, key: ProofKey) -> None:
    body = _bound(machine, key).json()
    assert body["token_type"] == "DPoP"
    token = body["access_token"]
    assert claims(token)["cnf"] == {"jkt": key.thumbprint}
    proof = key.proof("GET", provider.url("/v1/keys"), token)
    assert provider.keys(token, {"DPoP": proof}, "DPoP").status_code == 200


@clause("RFC 9449", "5", "invalid_dpop_proof, where the proof at the token endpoint is not right.")
@clause("RFC 9449", "4.3", "typ, alg, jwk, jti, htm, htu and iat are there and right; the signature is by the key.")
@pytest.mark.parametrize(
    "said",
    [
        {"htm": "GET"}, {"htm": None}, {"htm": "post"}, {"htu": "https://elsewhere.example/oauth2/token"},
        {"htu": None}, {"htu": 5}, {"jti": None}, {"jti": ""}, {"iat": None}, {"iat": "now"}, {"iat": 1},
        {"header": {"typ": "JWT"}}, {"header": {"jwk": None}}, {"header": {"jwk": "x"}},
        {"header": {"jwk": ProofKey().key.as_dict(private=False)}},
    ],
)  # fmt: skip
def test_a_proof_that_is_not_right(machine: App, key: ProofKey, said: dict[str, Any]) -> None:
    answer = _bound(machine, key, **said)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@clause("RFC 9449", "11.1", "A proof is of this moment: not older than a minute, not from the future.")
@pytest.mark.parametrize("seconds", [-62, 30, 3600])
def test_a_proof_of_another_time(machine: App, key: ProofKey, seconds: int) -> None:
    answer = _bound(machine, key, iat=int(time.time()) + seconds)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@clause("RFC 9449", "11.1", "A proof is used once.")
def test_a_proof_twice(machine: App, key: ProofKey) -> None:
    proof = key.proof("POST", machine.provider.url(TOKEN))
    assert machine.token("client_credentials", {"DPoP": proof}).status_code == 200
    answer = machine.token("client_credentials", {"DPoP": proof})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@clause("RFC 9449", "4.3", "htu is compared without query and fragment.")
def test_an_address_with_a_query(machine: App, key: ProofKey) -> None:
    proof = key.proof("POST", machine.provider.url(TOKEN) + "?a=b#c")
    assert machine.token("client_credentials", {"DPoP": proof}).status_code == 200


@clause("RFC 9449", "4.3", "A proof by a shared secret, by no key, or with a private key in it is refused.")
def test_other_keys(machine: App, key: ProofKey) -> None:
    url = machine.provider.url(TOKEN)
    said = {"htm": "POST", "htu": url, "iat": int(time.time()), "jti": "one-of-them"}
    secret = OctKey.import_key("a" * 32)
    shared = jwt.encode(
        {"typ": "dpop+jwt", "alg": "HS256", "jwk": secret.as_dict()}, said, secret, algorithms=["HS256"]
    )
    head, body, _ = key.proof("POST", url).split(".")
    none = b64(b'{"typ":"dpop+jwt","alg":"none"}')
    private = key.proof("POST", url, header={"jwk": key.key.as_dict(private=True)})
    for bad in (shared, f"{head}.{body}.", f"{none}.{body}.", private, "x", "", "a" * 5000):
        answer = machine.token("client_credentials", {"DPoP": bad})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), bad


@clause("RFC 9449", "4.3", "There is not more than one DPoP header.")
def test_two_proofs(machine: App, key: ProofKey) -> None:
    url = machine.provider.url(TOKEN)
    headers = [("DPoP", key.proof("POST", url)), ("DPoP", ProofKey().proof("POST", url))]
    answer = machine.provider.http.post(
        TOKEN, data={"grant_type": "client_credentials"}, auth=(machine.id, machine.secret), headers=headers
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@clause("RFC 9449", "7.2", "A bound token is not taken as Bearer: 401.")
@clause("RFC 9449", "7.1", "401 with WWW-Authenticate: DPoP and its algs, where the proof is missing or wrong.")
def test_a_bound_token_without_its_proof(provider: Provider, machine: App, key: ProofKey) -> None:
    token = _bound(machine, key).json()["access_token"]
    url = provider.url("/v1/keys")
    other = ProofKey()
    wrong: list[tuple[str, dict[str, str]]] = [
        ("Bearer", {}),
        ("Bearer", {"DPoP": key.proof("GET", url, token)}),
        ("DPoP", {}),
        ("DPoP", {"DPoP": other.proof("GET", url, token)}),
        ("DPoP", {"DPoP": key.proof("POST", url, token)}),
        ("DPoP", {"DPoP": key.proof("GET", provider.url("/v1/me"), token)}),
        ("DPoP", {"DPoP": key.proof("GET", url)}),
        ("DPoP", {"DPoP": key.proof("GET", url, token + "x")}),
        ("DPoP", {"DPoP": key.proof("GET", url, token, iat=int(time.time()) - 90)}),
    ]
    for scheme, headers in wrong:
        answer = provider.keys(token, headers, scheme)
        assert answer.status_code == 401, (scheme, headers)
        assert answer.headers["www-authenticate"].startswith("DPoP ")
        assert "algs=" in answer.headers["www-authenticate"]


@clause("RFC 9449", "11.1", "At the API too a proof is used once.")
def test_a_proof_twice_at_the_api(provider: Provider, machine: App, key: ProofKey) -> None:
    token = _bound(machine, key).json()["access_token"]
    headers = {"DPoP": key.proof("GET", provider.url("/v1/keys"), token)}
    assert provider.keys(token, headers, "DPoP").status_code == 200
    assert provider.keys(token, headers, "DPoP").status_code == 401


@clause("RFC 9449", "7.1", "A token that is not bound is not taken with the scheme DPoP.")
def test_an_unbound_token_with_a_proof(provider: Provider, machine: App, key: ProofKey) -> None:
    token = machine.token("client_credentials").json()["access_token"]
    proof = key.proof("GET", provider.url("/v1/keys"), token)
    assert provider.keys(token, {"DPoP": proof}, "DPoP").status_code == 401


@clause("RFC 9449", "5.2", "A client of require_dpop gets no token without a proof.")
def test_a_client_that_must_prove_its_key(provider: Provider, ada: Person, key: ProofKey) -> None:
    client = provider.app(ada, require_dpop=True)
    answer = client.token("client_credentials")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert _bound(client, key).json()["token_type"] == "DPoP"


@clause("RFC 9449", "5", "A refresh token is bound to the key that it was given for.")
def test_a_bound_refresh_token(provider: Provider, ada: Person, browser: Browser, key: ProofKey) -> None:
    client = provider.web_app(ada, auth_method="none")
    url = provider.url(TOKEN)
    body = browser.tokens(client, {"DPoP": key.proof("POST", url)})
    assert body["token_type"] == "DPoP"
    for headers in (None, {"DPoP": ProofKey().proof("POST", url)}):
        answer = client.refresh(body["refresh_token"], headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    again = client.refresh(body["refresh_token"], {"DPoP": key.proof("POST", url)})
    assert again.status_code == 200
    assert claims(again.json()["access_token"])["cnf"] == {"jkt": key.thumbprint}


@clause("RFC 9449", "10", "A code that was asked for with dpop_jkt is redeemed with that key alone.")
def test_a_bound_code(provider: Provider, browser: Browser, app: App, key: ProofKey) -> None:
    url = provider.url(TOKEN)
    for headers in (None, {"DPoP": ProofKey().proof("POST", url)}):
        answer = app.redeem(browser.code(app, dpop_jkt=key.thumbprint), headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    code = browser.code(app, dpop_jkt=key.thumbprint)
    assert app.redeem(code, {"DPoP": key.proof("POST", url)}).status_code == 200


@clause("RFC 9449", "10.1", "A proof at the pushed request binds the code to its key.")
@clause("RFC 9449", "10.1", "dpop_jkt and the proof of a pushed request name the same key, or it is refused.")
def test_a_proof_with_a_pushed_request(provider: Provider, browser: Browser, app: App, key: ProofKey) -> None:
    par, url = provider.url("/oauth2/par"), provider.url(TOKEN)
    provider.consent(browser.person, app, app.asks()["scope"])
    pushed = app.post("/oauth2/par", app.asks(), {"DPoP": key.proof("POST", par)})
    assert pushed.status_code == 201
    query = {"client_id": app.id, "request_uri": pushed.json()["request_uri"]}
    from tests.support.oauth import told

    code = told(browser.http.get("/oauth2/authorize", params=query), app.redirect_uri)["code"]
    assert app.redeem(code, {"DPoP": ProofKey().proof("POST", url)}).status_code == 400
    other = app.asks(dpop_jkt=ProofKey().thumbprint)
    answer = app.post("/oauth2/par", other, {"DPoP": key.proof("POST", par)})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    same = app.asks(dpop_jkt=key.thumbprint)
    assert app.post("/oauth2/par", same, {"DPoP": key.proof("POST", par)}).status_code == 201


@clause("RFC 9449", "6.2", "Introspection tells the key that a token is bound to.")
def test_introspection_of_a_bound_token(provider: Provider, machine: App, key: ProofKey) -> None:
    found = provider.introspect(machine, _bound(machine, key).json()["access_token"])
    assert (found["active"], found["token_type"], found["cnf"]) == (True, "DPoP", {"jkt": key.thumbprint})


@clause("RFC 9449", "5.1", "dpop_signing_alg_values_supported is told, and has asymmetric algorithms alone.")
def test_the_algorithms(provider: Provider) -> None:
    told = provider.http.get("/.well-known/openid-configuration").json()["dpop_signing_alg_values_supported"]
    assert "ES256" in told
    assert not {"none", "HS256", "HS384", "HS512"} & set(told)


@clause("OpenID Core", "5.3.1", "Userinfo takes a bound token with its proof.")
def test_userinfo(provider: Provider, browser: Browser, app: App, key: ProofKey) -> None:
    token = browser.tokens(app, {"DPoP": key.proof("POST", provider.url(TOKEN))})["access_token"]
    url = provider.url("/oauth2/userinfo")
    headers = {"Authorization": f"DPoP {token}", "DPoP": key.proof("GET", url, token)}
    assert provider.http.get(url, headers=headers).status_code == 200
    assert provider.http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 401
