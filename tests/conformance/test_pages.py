"""The flow as a person walks it: the sign-in page, the consent page, and back to the application."""

from tests.conformance.clauses import clause
from tests.support.oauth import App, Browser, Provider
from tests.support.people import Person

LOGIN, CONSENT = "/console/login", "/console/consent"


@clause("OpenID Core", "3.1.1", "The person is asked who they are, then what the application may, then goes back.")
@clause("OpenID Core", "3.1.2.4", "What was agreed to is not asked again; the answer of a second request is silent.")
def test_sign_in_and_consent(provider: Provider, ada: Person) -> None:
    client, browser = provider.web_app(ada), Browser(provider, ada)
    found, seen = browser.walk(client)
    assert seen == [LOGIN, CONSENT]
    assert (found["state"], found["iss"]) == (client.asks()["state"], provider.base_url)
    assert client.redeem(found["code"]).status_code == 200
    assert browser.walk(client)[1] == []


@clause("RFC 6749", "4.1.2.1", "access_denied, when the person says no; no code is given.")
def test_the_person_says_no(provider: Provider, ada: Person) -> None:
    client, browser = provider.web_app(ada), Browser(provider, ada)
    found, _ = browser.walk(client, decision="deny")
    assert (found["error"], found["state"], found["iss"]) == (
        "access_denied", client.asks()["state"], provider.base_url,
    )  # fmt: skip
    assert "code" not in found


@clause("OpenID Core", "3.1.2.3", "After prompt=login and a new sign-in the request goes on.")
def test_signing_in_again(provider: Provider, ada: Person, app: App) -> None:
    browser = provider.browser(ada, seconds_ago=30)
    provider.consent(ada, app, app.asks()["scope"])
    found, seen = browser.walk(app, prompt="login")
    assert (seen, "code" in found) == ([LOGIN], True)


@clause("OpenID Core", "3.1.2.4", "After prompt=consent and the person's yes the request goes on.")
def test_consenting_again(provider: Provider, ada: Person, browser: Browser, app: App) -> None:
    provider.consent(ada, app, app.asks()["scope"])
    found, seen = browser.walk(app, prompt="consent")
    assert (seen, "code" in found) == ([CONSENT], True)


@clause("RFC 6749", "10.12", "A decision that another site sends counts for nothing (CSRF).")
def test_a_form_of_somebody_else(provider: Provider, ada: Person, browser: Browser) -> None:
    from urllib.parse import parse_qsl, urlsplit

    fresh = provider.web_app(ada)
    query = dict(parse_qsl(urlsplit(browser.authorize(fresh).headers["location"]).query))
    for headers in ({"Origin": "https://evil.example"}, {}, {"Origin": "null"}):
        answer = browser.http.post(CONSENT, data=query | {"decision": "allow"}, headers=headers)
        assert answer.status_code == 403
    assert browser.answer(fresh, prompt="none")["error"] == "consent_required"


@clause("RFC 9700", "4.16", "The pages are shown in no frame (clickjacking).")
def test_no_frames(browser: Browser) -> None:
    for page in (LOGIN, "/console/device"):
        answer = browser.http.get(page)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
