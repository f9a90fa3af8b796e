"""Token exchange (RFC 8693): less scope, on behalf of; and delegations between people."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conformance.clauses import clause
from tests.support.oauth import ACCESS_TOKEN, COMMAND_LINE, EXCHANGE, App, Browser, ProofKey, Provider, claims
from tests.support.people import Person


@pytest.fixture(scope="module")
def exchanger(provider: Provider, ada: Person) -> App:
    """A service of Ada's tenant that acts for those who call it."""
    return provider.app(ada, grant_types=[EXCHANGE], scopes=["keys:read", "ledger:read"])


def _exchange(app: App, token: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    fields = {"subject_token": token, "subject_token_type": ACCESS_TOKEN} | more
    given = {name: value for name, value in fields.items() if value is not None}
    return app.token(EXCHANGE, headers, **given)


def _error(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


@clause("RFC 8693", "2.2.1", "access_token, issued_token_type and token_type are there; expires_in and scope too.")
@clause("RFC 8693", "4.1", "act names the client that acts; sub stays the person.")
def test_acting_for_somebody(provider: Provider, browser: Browser, app: App, exchanger: App) -> None:
    subject = browser.tokens(app, scope="openid keys:read keys:sign")["access_token"]
    answer = _exchange(exchanger, subject)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    body = answer.json()
    assert (body["issued_token_type"], body["token_type"]) == (ACCESS_TOKEN, "Bearer")
    said, before = claims(body["access_token"]), claims(subject)
    assert (said["sub"], said["act"], said["client_id"]) == (before["sub"], {"sub": exchanger.id}, exchanger.id)
    assert said["exp"] <= before["exp"]
    assert body["scope"] == "keys:read", "what both have"
    assert "refresh_token" not in body
    assert provider.keys(body["access_token"]).status_code == 200
    assert provider.introspect(exchanger, body["access_token"])["act"] == {"sub": exchanger.id}


@clause("RFC 8693", "2.2.2", "invalid_scope: more than the subject token has, or than the client.")
@pytest.mark.parametrize("scope", ["ledger:read", "keys:sign", "platform:admin", "openid"])
def test_more_scope(browser: Browser, app: App, exchanger: App, scope: str) -> None:
    subject = browser.tokens(app, scope="openid keys:read keys:sign")["access_token"]
    assert _error(_exchange(exchanger, subject, scope=scope)) == "invalid_scope"


@clause("RFC 8693", "2.1", "A smaller scope may be asked for.")
def test_less_scope(provider: Provider, browser: Browser, app: App, exchanger: App) -> None:
    subject = browser.tokens(app, scope="keys:read ledger:read")["access_token"]
    body = _exchange(exchanger, subject, scope="ledger:read").json()
    assert body["scope"] == "ledger:read"
    assert provider.keys(body["access_token"]).status_code == 403


@clause("RFC 8693", "4.1", "What was exchanged once is not exchanged again: there are no chains.")
def test_an_exchanged_token(browser: Browser, app: App, exchanger: App) -> None:
    subject = browser.tokens(app)["access_token"]
    once = _exchange(exchanger, subject).json()["access_token"]
    assert _error(_exchange(exchanger, once)) == "invalid_grant"


@clause("RFC 8693", "2.1", "subject_token and subject_token_type are needed, and of a kind that is taken.")
@pytest.mark.parametrize(
    "more",
    [
        {"subject_token_type": None}, {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN},
    ],
)  # fmt: skip
def test_requests_that_are_not_right(browser: Browser, app: App, exchanger: App, more: dict[str, Any]) -> None:
    subject = browser.tokens(app)["access_token"]
    assert _error(_exchange(exchanger, subject, **more)) == "invalid_request"


@clause("RFC 8693", "2.2.2", "A subject token that is bad, an ID token or a refresh token is refused.")
def test_bad_subject_tokens(browser: Browser, app: App, exchanger: App) -> None:
    body = browser.tokens(app)
    for token in ("x", body["id_token"], body["refresh_token"], None):
        assert _error(_exchange(exchanger, token)) in ("invalid_grant", "invalid_request")  # type: ignore[arg-type]  # left out


@clause("RFC 8693", "2.2.2", "invalid_target: an audience or resource that is not this API.")
@pytest.mark.parametrize("name", ["audience", "resource"])
def test_another_audience(browser: Browser, app: App, exchanger: App, name: str) -> None:
    subject = browser.tokens(app)["access_token"]
    more: dict[str, Any] = {name: "https://elsewhere.example"}
    assert _error(_exchange(exchanger, subject, None, **more)) == "invalid_target"


@clause("RFC 8693", "2.1", "A subject token of another tenant is refused.")
def test_another_tenant(provider: Provider, bob: Person, browser: Browser, app: App) -> None:
    theirs = provider.app(bob, grant_types=[EXCHANGE])
    assert _error(_exchange(theirs, browser.tokens(app)["access_token"])) == "invalid_grant"


@clause("RFC 8693", "5", "The client proves itself; one without the grant is refused.")
def test_other_clients(provider: Provider, browser: Browser, app: App, machine: App, exchanger: App) -> None:
    subject = browser.tokens(app)["access_token"]
    assert _error(_exchange(machine, subject)) == "unauthorized_client"
    fields = {"grant_type": EXCHANGE, "client_id": exchanger.id, "subject_token": subject,
              "subject_token_type": ACCESS_TOKEN}  # fmt: skip
    assert provider.http.post("/oauth2/token", data=fields).status_code == 401


@clause("RFC 9449", "5", "A bound subject token is exchanged with its key's proof alone.")
def test_a_bound_subject_token(provider: Provider, browser: Browser, app: App, exchanger: App) -> None:
    key, url = ProofKey(), provider.url("/oauth2/token")
    subject = browser.tokens(app, {"DPoP": key.proof("POST", url)})["access_token"]
    for headers in (None, {"DPoP": ProofKey().proof("POST", url)}):
        assert _error(_exchange(exchanger, subject, headers)) == "invalid_grant"
    answer = _exchange(exchanger, subject, {"DPoP": key.proof("POST", url)})
    assert answer.json()["token_type"] == "DPoP"


@clause("RFC 8693", "5", "An exchanged token ends with the session that it came of.")
def test_after_signing_out(provider: Provider, ada: Person, browser: Browser, app: App, exchanger: App) -> None:
    session = browser.sign_in()
    token = _exchange(exchanger, browser.tokens(app)["access_token"]).json()["access_token"]
    assert provider.keys(token).status_code == 200
    with ada.client() as http:
        http.delete(f"/v1/auth/sessions/{session}")
    assert provider.ended(token)


def _delegate(provider: Provider, giver: Person, taker: Person, *scopes: str) -> str:
    body = {
        "to": claims(taker.tokens["access_token"])["sub"],
        "scopes": scopes,
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    headers = {"Authorization": f"Bearer {giver.login().json()['access_token']}"}
    answer = provider.http.post("/v1/delegations", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _command_line(provider: Provider) -> App:
    return App(provider, COMMAND_LINE, "", "none")


@clause("RFC 8693", "1.1", "By a delegation somebody acts for another person: sub is the giver, act the one who acts.")
@clause("RFC 8693", "4.1", "A delegated token has the scopes of the delegation and no more.")
def test_a_delegation(provider: Provider, ada: Person, carol: Person) -> None:
    delegation = _delegate(provider, ada, carol, "users:read")
    token = carol.tokens["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert provider.http.get("/v1/users", headers=headers).status_code == 403, "not on her own"
    body = _exchange(_command_line(provider), token, delegation=delegation).json()
    said = claims(body["access_token"])
    assert (said["sub"], said["act"]) == (
        claims(ada.tokens["access_token"])["sub"], {"sub": claims(token)["sub"]},
    )  # fmt: skip
    assert body["scope"] == "users:read"
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert provider.http.get("/v1/users", headers=headers).status_code == 200
    assert provider.keys(body["access_token"]).status_code == 403
    assert _error(_exchange(_command_line(provider), body["access_token"], delegation=delegation)) == "invalid_grant"
    answer = _exchange(_command_line(provider), token, delegation=delegation, scope="users:admin")
    assert _error(answer) == "invalid_scope"


@clause("RFC 8693", "5", "A delegation that is ended ends what was issued by it, within a second.")
def test_an_ended_delegation(provider: Provider, ada: Person, carol: Person) -> None:
    delegation = _delegate(provider, ada, carol, "keys:read")
    token = _exchange(_command_line(provider), carol.tokens["access_token"], delegation=delegation).json()
    assert provider.keys(token["access_token"]).status_code == 200
    with ada.client() as http:
        assert http.delete(f"/v1/delegations/{delegation}").status_code == 204
    assert provider.ended(token["access_token"])
    answer = _exchange(_command_line(provider), carol.tokens["access_token"], delegation=delegation)
    assert _error(answer) == "invalid_grant"


@clause("RFC 8693", "5", "Nobody acts by a delegation to somebody else.")
def test_somebody_elses_delegation(provider: Provider, ada: Person, bob: Person, carol: Person) -> None:
    delegation = _delegate(provider, ada, carol, "keys:read")
    for token in (ada.tokens["access_token"], bob.tokens["access_token"]):
        assert _error(_exchange(_command_line(provider), token, delegation=delegation)) == "invalid_grant"


@clause("RFC 8693", "5", "An application gets by a delegation no more than the person let it have.")
def test_a_delegation_by_an_application_with_little_scope(
    provider: Provider, ada: Person, carol: Person, exchanger: App
) -> None:
    delegation = _delegate(provider, ada, carol, "keys:read")
    client = provider.web_app(ada)
    subject = provider.browser(carol).tokens(client, scope="openid")["access_token"]
    assert _error(_exchange(exchanger, subject, delegation=delegation)) == "invalid_grant"


@clause("RFC 8693", "5", "A client of another tenant uses no delegation.")
def test_a_delegation_by_a_client_of_another_tenant(
    provider: Provider, ada: Person, bob: Person, carol: Person
) -> None:
    theirs = provider.app(bob, grant_types=[EXCHANGE])
    delegation = _delegate(provider, ada, carol, "keys:read")
    assert _error(_exchange(theirs, carol.tokens["access_token"], delegation=delegation)) == "invalid_grant"
