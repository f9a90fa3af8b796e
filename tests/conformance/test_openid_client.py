"""Whole flows by openid-client, which is a certified client library and checks every answer itself."""

import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import RSAKey

from tests.conformance.clauses import clause
from tests.support.javascript import ROOT, Oracle, OracleError
from tests.support.oauth import ACCESS_TOKEN, DEVICE, EXCHANGE, App, Browser, Provider, claims
from tests.support.people import Person
from tests.support.require import require

REDIRECT = "https://app.example.org/openid"
AFTER = "https://app.example.org/signed-out"
SCOPE = "openid profile email keys:read"


@pytest.fixture
def library() -> Generator[Oracle]:
    node = shutil.which("node")
    require(node, "Node.js is missing")
    require((ROOT / "node_modules" / "openid-client").is_dir(), "openid-client is missing: make install puts it there")
    command = [str(node), str(Path(__file__).with_name("openid_client.mjs"))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Oracle(process)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def client(provider: Provider, ada: Person) -> App:
    return provider.web_app(
        ada, redirect_uris=[REDIRECT], post_logout_redirect_uris=[AFTER], auth_method="client_secret_basic"
    )


def _discover(library: Oracle, app: App, **more: Any) -> Any:
    secret = app.secret if app.method in (None, "client_secret_basic") else None
    return library.ask("discover", issuer=app.provider.base_url, id=app.id, secret=secret, **more)


def _follow(browser: Browser, url: str) -> str:
    """Where the browser ends: the application's address with the answer. It is walked over the pages."""
    app = App(browser.provider, "", "", None, REDIRECT)
    fields = dict(parse_qsl(urlsplit(url).query))
    answer = browser.http.get("/oauth2/authorize", params=fields)
    while not answer.headers["location"].startswith(app.redirect_uri):
        location = answer.headers["location"]
        page = browser.http.get(location)
        if page.status_code == 303:
            answer = page
            continue
        form = dict(parse_qsl(urlsplit(location).query)) | {
            "email": browser.person.email, "password": browser.person.password, "decision": "allow",
        }  # fmt: skip
        answer = browser.submit(urlsplit(location).path, form)
        assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


@clause("OpenID Discovery", "4.3", "An independent client finds and accepts the provider's description.")
@clause("OpenID Core", "3.1.3.7", "An independent client validates the ID token: signature, iss, aud, nonce, times.")
@clause("RFC 7636", "4", "An independent client walks the flow with PKCE, over the pages, and refreshes.")
def test_code_refresh_userinfo_and_the_end(provider: Provider, ada: Person, client: App, library: Oracle) -> None:
    assert _discover(library, client)["issuer"] == provider.base_url
    url = library.ask("authorize", redirect=REDIRECT, scope=SCOPE)
    found = library.ask("callback", url=_follow(Browser(provider, ada), url))
    sub = found["claims"]["sub"]
    assert sub == claims(ada.tokens["access_token"])["sub"]
    assert library.ask("userinfo", sub=sub)["email"] == ada.email
    assert library.ask("refresh")["claims"]["sub"] == sub
    found = library.ask("introspect")
    assert (found["active"], found["sub"]) == (True, sub)
    assert library.ask("resource", url=provider.url("/v1/keys")) == 200
    library.ask("revoke")
    assert library.ask("introspect") == {"active": False}
    end = library.ask("end", after=AFTER)
    assert provider.http.get(end).headers["location"].startswith(AFTER)


@clause("RFC 9449", "5", "An independent client walks the flow with DPoP: code, refresh, userinfo, the API.")
@clause("RFC 9126", "2", "An independent client pushes its request, with a proof.")
def test_dpop_and_pushed_requests(provider: Provider, browser: Browser, client: App, library: Oracle) -> None:
    _discover(library, client)
    library.ask("dpop")
    url = library.ask("authorize", redirect=REDIRECT, scope=SCOPE, par=True)
    assert "request_uri=" in url
    assert "code_challenge" not in url
    found = library.ask("callback", url=_follow(browser, url))
    assert found["token_type"].lower() == "dpop"
    assert library.ask("userinfo", sub=found["claims"]["sub"])["email_verified"] is True
    assert library.ask("resource", url=provider.url("/v1/keys?limit=1")) == 200
    assert library.ask("refresh")["token_type"].lower() == "dpop"
    assert library.ask("resource", url=provider.url("/v1/keys")) == 200


@clause("RFC 6749", "4.4", "An independent client gets a token for itself.")
def test_client_credentials(provider: Provider, machine: App, library: Oracle) -> None:
    _discover(library, machine)
    found = library.ask("credentials", scope="keys:read")
    assert (found["scope"], found["token_type"].lower()) == ("keys:read", "bearer")
    assert library.ask("resource", url=provider.url("/v1/keys")) == 200
    with pytest.raises(OracleError, match="invalid_scope"):
        library.ask("credentials", scope="platform:admin")


@clause("RFC 7523", "2.2", "An independent client proves itself with its key.")
def test_private_key_jwt(provider: Provider, ada: Person, library: Oracle) -> None:
    key = RSAKey.generate_key(2048, parameters={"kid": "one", "alg": "RS256"})
    app = provider.app(ada, key=key)
    _discover(library, app, key=key.as_dict(private=True))
    library.ask("credentials", scope="keys:read")
    library.ask("dpop")
    assert library.ask("credentials", scope="keys:read")["token_type"].lower() == "dpop"
    assert library.ask("introspect")["active"] is True


@clause("RFC 8628", "3", "An independent client walks the device flow, and waits as it is told.")
def test_the_device_flow(provider: Provider, ada: Person, browser: Browser, library: Oracle) -> None:
    app = provider.app(ada, auth_method="none", grant_types=[DEVICE, "refresh_token"])
    _discover(library, app)
    device = library.ask("device", scope="openid keys:read")
    assert browser.decide(device["user_code"]).status_code == 200
    found = library.ask("poll")
    assert found["claims"]["aud"] == app.id
    assert library.ask("refresh")["scope"] == found["scope"]


@clause("RFC 8693", "2", "An independent client exchanges a token.")
def test_an_exchange(provider: Provider, ada: Person, browser: Browser, app: App, library: Oracle) -> None:
    exchanger = provider.app(ada, grant_types=[EXCHANGE])
    _discover(library, exchanger)
    subject = browser.tokens(app)["access_token"]
    found = library.ask("exchange", subject=subject, kind=ACCESS_TOKEN, scope="keys:read")
    assert (found["issued_token_type"], found["scope"]) == (ACCESS_TOKEN, "keys:read")


@clause("RFC 9207", "2.4", "An independent client refuses an answer that names another issuer.")
def test_an_answer_of_another_issuer(provider: Provider, browser: Browser, client: App, library: Oracle) -> None:
    _discover(library, client)
    url = _follow(browser, library.ask("authorize", redirect=REDIRECT, scope=SCOPE))
    from urllib.parse import quote_plus

    forged = url.replace(quote_plus(provider.base_url), quote_plus("https://evil.example"))
    assert forged != url
    with pytest.raises(OracleError, match="iss"):
        library.ask("callback", url=forged)
