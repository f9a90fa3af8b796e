"""Signing in through another OpenID provider: a second instance of our own, with a database and people of its own."""

import asyncio
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.people import Person, register
from tests.support.service import Service, serving


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Generator[Service]:
    """The provider that people come from."""
    with asyncio.Runner() as runner:
        context = serving(tmp_path_factory.mktemp("other"))
        service = runner.run(context.__aenter__())
        try:
            yield service
        finally:
            runner.run(context.__aexit__(None, None, None))


def _mail(service: Service) -> Path:
    return Path(service.environment["NSL_MAIL_DIR"])


def _trust(service: Service, admin: Person, other: Service, owner: Person, roles: list[str]) -> str:
    """Register us with the other one, and it with us: where people begin."""
    with owner.client() as http:
        body = {
            "name": "layer",
            "scopes": ["keys:read"],
            "grant_types": ["authorization_code"],
            "redirect_uris": [f"{service.base_url}/oauth2/callback"],
        }
        client = http.post("/v1/clients", json=body).json()
    with admin.client() as http:
        body = {
            "name": "Other",
            "issuer": other.base_url,
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            "roles": roles,
        }
        made = http.post("/v1/identity-providers", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["sign_in"])


def _come(service: Service, other: Service, person: Person, begin: str) -> tuple[httpx.Client, httpx.Response]:
    """A browser that signs in at the other one and comes back: its client with our cookies, and our last answer."""
    ours = httpx.Client(base_url=service.base_url, trust_env=False, timeout=20)
    theirs = httpx.Client(base_url=other.base_url, headers={"Origin": other.base_url}, trust_env=False, timeout=20)
    with theirs:
        at = ours.get(begin).headers["location"]
        login = dict(httpx.URL(theirs.get(at).headers["location"]).params)
        form = {"email": person.email, "password": person.password, **login}
        answer = theirs.post("/console/login", data=form)
        while (at := answer.headers.get("location", "")) and not at.startswith(service.base_url):
            if urlsplit(at).path == "/console/consent":
                answer = theirs.post("/console/consent", data={**dict(httpx.URL(at).params), "decision": "allow"})
            else:
                answer = theirs.get(at)
    return ours, ours.get(at)


def test_a_newcomer_comes_in_with_the_roles_that_the_provider_gives(service: Service, other: Service) -> None:
    admin, owner = register(service.base_url, _mail(service)), register(other.base_url, _mail(other))
    begin = _trust(service, admin, other, owner, ["analyst"])
    for _ in range(2):  # the second time they are known
        browser, answer = _come(service, other, owner, begin)
        with closing(browser):
            assert answer.status_code == 303, answer.text
            assert answer.headers["location"] == "/console/account"
            assert owner.email in browser.get("/console/account").text
    with admin.client() as http:
        found = [each for each in http.get("/v1/users").json()["items"] if each["email"] == owner.email]
    assert [each["roles"] for each in found] == [["analyst"]]


def test_without_roles_only_members_come_in(service: Service, other: Service) -> None:
    admin, owner = register(service.base_url, _mail(service)), register(other.base_url, _mail(other))
    begin = _trust(service, admin, other, owner, [])
    browser, answer = _come(service, other, owner, begin)
    with closing(browser):
        assert answer.status_code == 403, answer.text


def test_an_account_whose_address_is_not_verified_here_is_not_taken_over(service: Service, other: Service) -> None:
    """Somebody registered the address here and never proved it: the account stays as it is, and nobody comes in."""
    admin, owner = register(service.base_url, _mail(service)), register(other.base_url, _mail(other))
    begin = _trust(service, admin, other, owner, ["analyst"])
    body = {"email": owner.email, "password": "another-horse-battery-77"}
    assert httpx.post(f"{service.base_url}/v1/auth/register", json=body, timeout=20).status_code == 202
    browser, answer = _come(service, other, owner, begin)
    with closing(browser):
        assert answer.status_code == 403, answer.text


def test_an_answer_is_for_the_browser_that_asked_and_once(service: Service, other: Service) -> None:
    admin, owner = register(service.base_url, _mail(service)), register(other.base_url, _mail(other))
    begin = _trust(service, admin, other, owner, ["analyst"])
    with httpx.Client(base_url=service.base_url, trust_env=False) as one:
        state = dict(httpx.URL(one.get(begin).headers["location"]).params)["state"]
        with httpx.Client(base_url=service.base_url, trust_env=False) as thief:
            answer = thief.get("/oauth2/callback", params={"state": state, "code": "x"})
            assert answer.status_code == 422, answer.text
        answer = one.get("/oauth2/callback", params={"state": state, "code": "x"})
        assert answer.status_code == 422, answer.text
