"""Authorization requests and codes: RFC 6749 section 4.1, 7636, 9207, 9700, OpenID Connect Core section 3.1."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance.clauses import clause
from tests.support.oauth import CHALLENGE, OTHER_REDIRECT, REDIRECT, VERIFIER, App, Browser, Provider, claims, told
from tests.support.people import Person


def _stays(provider: Provider, browser: Browser, app: App, **more: Any) -> None:
    """The request is refused to the person's face: the browser is sent nowhere."""
    answer = browser.authorize(app, **more)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@clause("RFC 6749", "4.1", "A person signs in, the application gets a code, and the code gives tokens that work.")
@clause(
    "OpenID Core", "3.1.3.3", "With the scope openid an ID token comes with the access token; token_type is Bearer."
)
def test_the_whole_flow(provider: Provider, browser: Browser, app: App) -> None:
    body = browser.tokens(app)
    assert body["token_type"] == "Bearer"
    assert {"access_token", "refresh_token", "id_token"} <= set(body)
    assert provider.keys(body["access_token"]).status_code == 200


@clause("RFC 6749", "3.1", "The authorization endpoint takes GET, and POST too.")
@clause("OpenID Core", "3.1.2.1", "Authorization servers support both GET and POST.")
def test_the_request_as_a_form(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    assert "code" in browser.answer(app, method="POST")


@clause("RFC 6749", "4.1.2", "state comes back exactly as it was sent.")
@clause("RFC 9207", "2", "iss, this issuer, is in the answer with the code.")
@clause("RFC 6749", "3.1.2", "The query of a registered redirect_uri is kept.")
def test_state_and_issuer(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    found = browser.answer(app, state="xyz&=+%/# é")
    assert found.keys() == {"code", "state", "iss"}
    assert (found["state"], found["iss"]) == ("xyz&=+%/# é", provider.base_url)
    assert "state" not in browser.answer(app, state=None)


@clause("RFC 9207", "2", "iss is in an error's answer too.")
@clause("RFC 6749", "4.1.2.1", "state is in an error's answer too.")
def test_an_error_has_state_and_issuer(provider: Provider, browser: Browser, app: App) -> None:
    found = browser.answer(app, scope="platform:admin")
    assert (found["error"], found["state"], found["iss"]) == ("invalid_scope", app.asks()["state"], provider.base_url)
    assert "code" not in found


@clause("RFC 9700", "4.12", "The redirect with the code is 303, so that a form is not sent on.")
@clause("RFC 9700", "4.2.4", "The redirect with the code is kept by no cache.")
def test_the_redirect_itself(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    answer = browser.authorize(app)
    assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")


@clause("RFC 9700", "2.1", "redirect_uri is compared as text: anything else than a registered one is refused.")
@clause("RFC 6749", "3.1.2.4", "With a redirect_uri that is not registered, the browser is not sent there.")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/callback", REDIRECT + "&more=1", REDIRECT.replace("?tenant=one", ""), REDIRECT + "/",
        REDIRECT.upper(), REDIRECT.replace("https", "http"), "https://app.example.org.evil.example/callback?tenant=one",
        "https://app.example.org@evil.example/callback?tenant=one", REDIRECT + "#fragment",
        "https://app.example.org/callback/../callback?tenant=one", "https://app.example.org:443/callback?tenant=one",
        "javascript:alert(1)", "//evil.example", "https://app.example.org/%63allback?tenant=one",
    ],
)  # fmt: skip
def test_another_redirect_uri(provider: Provider, browser: Browser, app: App, uri: str) -> None:
    _stays(provider, browser, app, redirect_uri=uri)


@clause("RFC 6749", "3.1.2.3", "With several registered addresses, redirect_uri is needed.")
def test_no_redirect_uri(provider: Provider, browser: Browser, app: App) -> None:
    _stays(provider, browser, app, redirect_uri=None)


@clause("RFC 8252", "7.3", "On loopback the port may be any; nothing else may differ.")
def test_a_loopback_address(provider: Provider, ada: Person, browser: Browser) -> None:
    known = "http://127.0.0.1/callback"
    native = provider.web_app(ada, auth_method="none", redirect_uris=[known])
    provider.consent(ada, native, native.asks()["scope"])
    uri = "http://127.0.0.1:51004/callback"
    code = told(browser.authorize(native, redirect_uri=uri), uri)["code"]
    assert native.redeem(code, redirect_uri=uri).status_code == 200
    for bad in ("http://localhost:51004/callback", "http://127.0.0.1:51004/other", "http://x@127.0.0.1:5/callback",
                "http://127.0.0.1:51004/callback?x=1", "http://127.0.0.2:51004/callback"):  # fmt: skip
        _stays(provider, browser, native, redirect_uri=bad)


@clause("RFC 9700", "2.6", "Redirect addresses are https, or http on loopback; without a fragment.")
@pytest.mark.parametrize("uri", ["http://app.example.org/cb", "https://app.example.org/#x", "app:/cb", "https:///cb"])
def test_an_address_that_cannot_be_registered(provider: Provider, ada: Person, uri: str) -> None:
    body = {"name": "x", "scopes": ["keys:read"], "grant_types": ["authorization_code"], "redirect_uris": [uri]}
    assert provider.http.post("/v1/clients", json=body, headers=ada.headers).status_code == 422


@clause("RFC 6749", "4.1.2.1", "With an unknown client the browser is sent nowhere.")
def test_an_unknown_client(provider: Provider, browser: Browser, app: App) -> None:
    for client in ("00000000-0000-7000-8000-000000000001", "x", None):
        _stays(provider, browser, app, client_id=client)


@clause("RFC 6749", "3.1", "A parameter that stands twice is refused.")
def test_a_parameter_twice(browser: Browser, app: App) -> None:
    answer = browser.http.get("/oauth2/authorize", params=[*app.asks().items(), ("state", "another")])
    assert answer.status_code == 400
    assert "location" not in answer.headers


@clause("RFC 6749", "3.1", "Unknown parameters are ignored; one without a value is like one that is not there.")
def test_unknown_and_empty_parameters(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    found = browser.answer(app, unknown="x", prompt="", max_age="", state="")
    assert found.keys() == {"code", "iss"}


@clause("RFC 6749", "3.1.1", "A response_type that is missing or unknown is an error for the application.")
@clause("RFC 9700", "2.1.2", "The implicit grant is not there.")
@pytest.mark.parametrize("kind", [None, "token", "id_token", "code token", "id_token token", "none"])
def test_other_response_types(browser: Browser, app: App, kind: str | None) -> None:
    found = browser.answer(app, response_type=kind)
    assert found["error"] in ("unsupported_response_type", "invalid_request")
    assert "access_token" not in found


@clause("RFC 6749", "4.1.2.1", "invalid_scope, where the scope is missing or none that the client may have.")
@pytest.mark.parametrize("scope", [None, "platform:admin", "openid nothing", "users:admin"])
def test_scopes_that_cannot_be(browser: Browser, app: App, scope: str | None) -> None:
    assert browser.answer(app, scope=scope)["error"] == "invalid_scope"


@clause("RFC 7636", "4.4.1", "A request without code_challenge is refused with invalid_request.")
@clause("RFC 9700", "2.1.1", "PKCE is required of every client, confidential ones too; plain is refused.")
@pytest.mark.parametrize(
    "asked",
    [
        {"code_challenge": None, "code_challenge_method": None}, {"code_challenge_method": "plain"},
        {"code_challenge_method": None}, {"code_challenge": None}, {"code_challenge": "short"},
        {"code_challenge": CHALLENGE + "="}, {"code_challenge": CHALLENGE[:-1] + "!"},
    ],
)  # fmt: skip
def test_without_pkce(browser: Browser, app: App, asked: dict[str, Any]) -> None:
    found = browser.answer(app, **asked)
    assert (found["error"], "code" in found) == ("invalid_request", False)


@clause("RFC 7636", "4.6", "A wrong code_verifier gives invalid_grant, and one that is missing too.")
@clause("RFC 9700", "2.1.1", "A code that was asked for with a challenge is not redeemed without a verifier.")
@pytest.mark.parametrize("verifier", [None, "x" * 43, CHALLENGE, VERIFIER[:-1], VERIFIER + "x", "é" * 43])
def test_a_wrong_verifier(browser: Browser, app: App, verifier: str | None) -> None:
    answer = app.redeem(browser.code(app), code_verifier=verifier)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@clause("RFC 7636", "4.1", "A code_verifier has 43 to 128 characters of the unreserved ones.")
def test_a_verifier_that_is_too_short(browser: Browser, app: App) -> None:
    import hashlib

    from tests.support.oauth import b64

    for verifier, status in (("x" * 42, 400), ("x" * 129, 400), ("x" * 128, 200), ("-._~" * 11, 200)):
        code = browser.code(app, code_challenge=b64(hashlib.sha256(verifier.encode()).digest()))
        assert app.redeem(code, code_verifier=verifier).status_code == status


@clause("RFC 6749", "4.1.3", "A code is for the client that it was given to.")
def test_another_client_with_the_code(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    other = provider.web_app(ada)
    answer = other.redeem(browser.code(app))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@clause("RFC 6749", "4.1.3", "redirect_uri at the token endpoint is the one of the request.")
@pytest.mark.parametrize("uri", [OTHER_REDIRECT, "https://evil.example", REDIRECT + "/", None])
def test_another_redirect_uri_with_the_code(browser: Browser, app: App, uri: str | None) -> None:
    answer = app.redeem(browser.code(app), redirect_uri=uri)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@clause("RFC 6749", "4.1.3", "The token endpoint authenticates the client of a code.")
def test_a_code_without_the_clients_secret(browser: Browser, app: App) -> None:
    fields = {"grant_type": "authorization_code", "client_id": app.id, "code": browser.code(app),
              "redirect_uri": REDIRECT, "code_verifier": VERIFIER}  # fmt: skip
    answer = browser.provider.http.post("/oauth2/token", data=fields)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@clause("RFC 6749", "4.1.2", "A code is used once; when it comes again, what it gave ends.")
@clause("RFC 9700", "2.1.1", "A code that was used is refused.")
def test_a_code_twice(provider: Provider, browser: Browser, app: App) -> None:
    code = browser.code(app)
    body = app.redeem(code).json()
    assert provider.keys(body["access_token"]).status_code == 200
    answer = app.redeem(code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert provider.ended(body["access_token"])
    assert app.refresh(body["refresh_token"]).status_code == 400


@clause("RFC 6749", "4.1.2", "What an offline session got by the code ends too when the code comes again.")
def test_a_code_twice_offline(provider: Provider, browser: Browser, app: App) -> None:
    code = browser.code(app, scope="openid offline_access keys:read")
    body = app.redeem(code).json()
    assert app.redeem(code).status_code == 400
    assert provider.ended(body["access_token"])
    assert app.refresh(body["refresh_token"]).status_code == 400


@clause("RFC 6749", "10.5", "Of requests at the same moment, one code gives tokens once.")
def test_a_code_many_times_at_once(browser: Browser, app: App) -> None:
    code = browser.code(app)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: app.redeem(code).status_code, range(8)))
    assert sorted(answers) == [200] + [400] * 7


@clause("RFC 6749", "4.1.2", "A code lives for a minute at most.")
def test_an_old_code(provider: Provider, browser: Browser, app: App) -> None:
    import hashlib

    code = browser.code(app)
    provider.owner(
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-0000-000000000000",
        "UPDATE one_time SET expires_at = expires_at - interval '61 seconds' WHERE sha256 = %s",
        hashlib.sha256(code.encode()).digest(),
    )
    assert app.redeem(code).json()["error"] == "invalid_grant"


@clause("RFC 6749", "4.1.2", "A code is worth nothing once the person has signed out.")
def test_a_code_after_signing_out(ada: Person, browser: Browser, app: App) -> None:
    session = browser.sign_in()
    code = browser.code(app)
    with ada.client() as http:
        assert http.delete(f"/v1/auth/sessions/{session}").status_code == 204
    assert app.redeem(code).json()["error"] == "invalid_grant"


@clause("OpenID Core", "3.1.2.3", "Who is not signed in is sent to sign in.")
def test_somebody_who_is_not_signed_in(provider: Provider, ada: Person, app: App) -> None:
    answer = Browser(provider, ada).authorize(app)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/login?")


@clause("OpenID Core", "3.1.2.4", "Nothing is given to an application before the person consents.")
def test_without_consent(provider: Provider, ada: Person, browser: Browser) -> None:
    fresh = provider.web_app(ada)
    answer = browser.authorize(fresh)
    assert answer.headers["location"].startswith("/console/consent?")
    provider.consent(ada, fresh, "openid")
    assert browser.authorize(fresh).headers["location"].startswith("/console/consent?"), "more than agreed to"
    assert "code" in browser.answer(fresh, scope="openid")


@clause("OpenID Core", "3.1.2.1", "prompt=none: login_required, where nobody is signed in.")
@clause("OpenID Core", "3.1.2.6", "With prompt=none no page is shown.")
def test_prompt_none_without_a_session(provider: Provider, ada: Person, app: App) -> None:
    assert Browser(provider, ada).answer(app, prompt="none")["error"] == "login_required"


@clause("OpenID Core", "3.1.2.6", "prompt=none: consent_required, where the person has not agreed.")
def test_prompt_none_without_consent(provider: Provider, ada: Person, browser: Browser) -> None:
    assert browser.answer(provider.web_app(ada), prompt="none")["error"] == "consent_required"


@clause("OpenID Core", "3.1.2.1", "prompt=none gives a code where nothing has to be asked.")
def test_prompt_none(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    assert "code" in browser.answer(app, prompt="none")


@clause("OpenID Core", "3.1.2.1", "prompt=none with another value is an error.")
@pytest.mark.parametrize("prompt", ["none login", "none consent", "create"])
def test_prompts_that_cannot_be(browser: Browser, app: App, prompt: str) -> None:
    assert browser.answer(app, prompt=prompt)["error"] == "invalid_request"


@clause("OpenID Core", "3.1.2.1", "prompt=login asks for a sign-in though there is a session.")
@clause("OpenID Core", "3.1.2.1", "prompt=consent asks though the person agreed before.")
def test_prompts(provider: Provider, ada: Person, app: App) -> None:
    browser = provider.browser(ada, seconds_ago=5)
    provider.consent(ada, app, app.asks()["scope"])
    assert browser.authorize(app, prompt="login").headers["location"].startswith("/console/login?")
    assert browser.authorize(app, prompt="select_account").headers["location"].startswith("/console/login?")
    assert browser.authorize(app, prompt="consent").headers["location"].startswith("/console/consent?")


@clause("OpenID Core", "3.1.2.1", "max_age: who signed in longer ago signs in again.")
def test_max_age(provider: Provider, ada: Person, app: App) -> None:
    browser = provider.browser(ada, seconds_ago=100)
    provider.consent(ada, app, app.asks()["scope"])
    assert browser.authorize(app, max_age="60").headers["location"].startswith("/console/login?")
    assert browser.answer(app, max_age="60", prompt="none")["error"] == "login_required"
    code = browser.answer(app, max_age="200")["code"]
    said = claims(app.redeem(code).json()["id_token"])
    assert abs(time.time() - 100 - said["auth_time"]) < 10
    assert browser.answer(app, max_age="-1")["error"] == "invalid_request"


@clause("OpenID Core", "3.1.2.1", "request objects by value: request_not_supported.")
def test_a_request_object(browser: Browser, app: App) -> None:
    assert browser.answer(app, request="e30.e30.")["error"] == "request_not_supported"


@clause("RFC 9700", "4.10.2", "request_uri of anybody else is not fetched.")
def test_a_request_uri_elsewhere(browser: Browser, app: App) -> None:
    answer = browser.authorize(app, request_uri="https://evil.example/request.jwt")
    assert answer.status_code == 400
    assert "location" not in answer.headers


@clause("OpenID Core", "5.5.1.1", "acr_values: a person without a second factor does not pass for one with it.")
def test_acr_values(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    found = browser.answer(app, acr_values="aal2", prompt="none")
    assert found["error"] == "unmet_authentication_requirements"
    assert "code" in browser.answer(app, acr_values="aal1", prompt="none")


@clause("RFC 9700", "4.4", "An application of another tenant gets no code for a session of this one.")
def test_an_application_of_another_tenant(provider: Provider, bob: Person, browser: Browser) -> None:
    theirs = provider.web_app(bob)
    assert browser.answer(theirs, prompt="none")["error"] == "login_required"


@clause("RFC 6749", "10.12", "A request waits under an id that belongs to one client.")
def test_a_waiting_request_of_another_client(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    fresh = provider.web_app(ada)
    from urllib.parse import parse_qs, urlsplit

    query = parse_qs(urlsplit(browser.authorize(fresh).headers["location"]).query)
    answer = browser.http.get("/oauth2/authorize", params={"client_id": app.id, "request_uri": query["request_uri"][0]})
    assert answer.status_code == 400
