"""Signing out: by an application (RP-Initiated Logout 1.0), and telling applications (Back-Channel Logout 1.0)."""

import queue
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.conformance.clauses import clause
from tests.support.oauth import App, Browser, Provider, claims, part, told
from tests.support.people import Person

AFTER = "https://app.example.org/signed-out"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture(scope="module")
def client(provider: Provider, ada: Person) -> App:
    return provider.web_app(ada, post_logout_redirect_uris=[AFTER])


def _logout(browser: Browser, **fields: str) -> httpx.Response:
    return browser.http.get("/oauth2/logout", params=fields)


@clause("RP-Initiated Logout", "2", "With id_token_hint the session ends, and the browser goes on to the address.")
@clause("RP-Initiated Logout", "3", "state comes back.")
def test_signing_out(provider: Provider, browser: Browser, client: App) -> None:
    body = browser.tokens(client)
    answer = _logout(browser, id_token_hint=body["id_token"], post_logout_redirect_uri=AFTER, state="xyz &")
    assert answer.status_code == 303
    assert told(answer, AFTER) == {"state": "xyz &"}
    assert provider.ended(body["access_token"])
    assert client.refresh(body["refresh_token"]).status_code == 400
    assert browser.answer(client, prompt="none")["error"] == "login_required"


@clause("RP-Initiated Logout", "2", "GET and POST are both taken.")
def test_as_a_form(provider: Provider, browser: Browser, client: App) -> None:
    body = browser.tokens(client)
    answer = browser.http.post("/oauth2/logout", data={"id_token_hint": body["id_token"]})
    assert answer.status_code == 303
    assert provider.ended(body["access_token"])


@clause("RP-Initiated Logout", "3", "The browser is sent to no address that is not registered.")
@pytest.mark.parametrize("uri", ["https://evil.example", AFTER + "/", AFTER + "?x=1"])
def test_another_address(provider: Provider, browser: Browser, client: App, uri: str) -> None:
    body = browser.tokens(client)
    answer = _logout(browser, id_token_hint=body["id_token"], post_logout_redirect_uri=uri)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert _logout(browser, post_logout_redirect_uri=AFTER).status_code == 400, "nobody said whose address it is"


@clause("RP-Initiated Logout", "2", "client_id, where it is sent too, is the one that the ID token is for.")
def test_another_client(browser: Browser, client: App, app: App) -> None:
    body = browser.tokens(client)
    assert _logout(browser, id_token_hint=body["id_token"], client_id=app.id).status_code == 400


@clause("RP-Initiated Logout", "6", "Without a hint the person is asked: nobody is signed out by a link.")
def test_without_a_hint(provider: Provider, browser: Browser, client: App) -> None:
    body = browser.tokens(client)
    answer = _logout(browser)
    assert answer.headers["location"].startswith("/console/logout")
    time.sleep(0.2)
    assert provider.keys(body["access_token"]).status_code == 200


@clause("RP-Initiated Logout", "4", "A hint that is not an ID token of ours is refused.")
def test_bad_hints(provider: Provider, browser: Browser, client: App) -> None:
    body = browser.tokens(client)
    forged = client.assertion(RSAKey.generate_key(2048), **claims(body["id_token"]))
    for hint in ("x", body["access_token"], forged, body["id_token"][:-8] + "AAAAAAAA"):
        assert _logout(browser, id_token_hint=hint).status_code == 400
    time.sleep(0.2)
    assert provider.keys(body["access_token"]).status_code == 200


@pytest.fixture
def listener() -> Generator[tuple[str, "queue.Queue[dict[str, Any]]"]]:
    """An application that is told of logouts: its address, and what it was told."""
    told_of: queue.Queue[dict[str, Any]] = queue.Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            told_of.put({"type": self.headers["content-type"], "path": self.path} | parse_qs(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/logout", told_of
    server.shutdown()
    thread.join()
    server.server_close()


@clause(
    "Back-Channel Logout", "2.4", "The logout token has iss, aud, iat, exp, jti, events, sub and sid, and no nonce."
)
@clause("Back-Channel Logout", "2.4", "It is signed by a key of jwks_uri, typ logout+jwt, and is no ID token.")
@clause("Back-Channel Logout", "2.5", "It comes as a form in the field logout_token.")
def test_an_application_is_told(
    provider: Provider, ada: Person, listener: tuple[str, "queue.Queue[dict[str, Any]]"]
) -> None:
    uri, told_of = listener
    client = provider.web_app(ada, backchannel_logout_uri=uri)
    browser = Browser(provider, ada)
    session = browser.sign_in()
    body = browser.tokens(client)
    with ada.client() as http:
        assert http.delete(f"/v1/auth/sessions/{session}").status_code == 204
    found = told_of.get(timeout=20)
    assert (found["type"], found["path"]) == ("application/x-www-form-urlencoded", "/logout")
    token = found["logout_token"][0]
    keys = KeySet.import_key_set(provider.http.get("/oauth2/jwks").json())
    said = jwt.decode(token, keys, algorithms=["RS256"]).claims
    assert part(token, 0)["typ"] == "logout+jwt"
    assert (said["iss"], said["aud"], said["events"]) == (provider.base_url, client.id, {EVENT: {}})
    assert (said["sid"], said["sub"]) == (claims(body["id_token"])["sid"], claims(body["id_token"])["sub"])
    assert said["iat"] <= time.time() + 1 < said["exp"] <= said["iat"] + 120
    assert said["jti"]
    assert "nonce" not in said
    assert provider.keys(token).status_code == 401
