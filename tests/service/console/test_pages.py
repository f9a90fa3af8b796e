"""What the console's pages promise to whoever asks without a browser, or with bad intentions."""

import html
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import httpx
import pytest

from nsl.http import console as pages
from tests.service.console.visits import SignIn, app, authorize, browser
from tests.support.people import PASSWORD, Person, mailed_token, register
from tests.support.service import Service

POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
OPEN_PAGES = ("login", "logout", "register", "verify-email", "reset-password", "invitation", "forgot-password")
EVIL_NAME = "<script>alert(1)</script>\"'&"
ID = "01920000-0000-7000-8000-000000000000"
POSTS = [
    path.replace("{session_id:uuid}", ID).replace("{passkey_id:uuid}", ID)
    for handler in pages.HANDLERS
    for path in sorted(handler.paths)
    if "POST" in handler.http_methods
]


@pytest.fixture(scope="module")
def person(service: Service) -> Person:
    return register(service.base_url, Path(service.environment["NSL_MAIL_DIR"]))


def policy(answer: httpx.Response) -> dict[str, str]:
    directives = answer.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (each.partition(" ") for each in directives)}


def check_headers(answer: httpx.Response, **policy_changes: str) -> None:
    assert policy(answer) == POLICY | {name.replace("_", "-"): value for name, value in policy_changes.items()}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("name", OPEN_PAGES)
def test_every_open_page_carries_the_strict_headers_and_one_heading(service: Service, name: str) -> None:
    with browser(service) as client:
        answer = client.get(f"/console/{name}")
    assert answer.status_code == 200
    check_headers(answer)
    assert answer.text.count("<h1>") == 1
    assert '<html lang="en">' in answer.text
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", answer.text)


def test_the_pages_of_somebody_who_is_signed_in_carry_them_too(
    service: Service, person: Person, sign_in: SignIn
) -> None:
    client, _ = sign_in(person)
    for path in ("account", "account/password", "device", "device?user_code=BCDFGHJK", "logout"):
        check_headers(client.get(f"/console/{path}"))
    check_headers(client.post("/console/account/totp/confirm", data={"code": "1"}))


def test_static_files_are_two_and_no_path_leads_elsewhere(service: Service) -> None:
    with browser(service) as client:
        for name, kind in (("console.css", "text/css"), ("console.js", "text/javascript")):
            answer = client.get(f"/console/static/{name}")
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(kind)
            assert "max-age" in answer.headers["cache-control"]
        for name in ("pages.py", "..%2fpages.py", "%2e%2e/pages.py"):
            assert client.get(f"/console/static/{name}").status_code == 404


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    ],
    ids=str,
)
def test_a_form_that_is_not_from_a_page_of_ours_is_refused(
    service: Service, path: str, headers: dict[str, str]
) -> None:
    script = path in ("/console/login/passkey", "/console/account/passkeys")
    body: dict[str, Any] = {"json": {"credential": {}}} if script else {"data": {"email": "a@example.org"}}
    answer = httpx.post(f"{service.base_url}{path}", headers=headers, trust_env=False, **body)
    assert (answer.status_code, answer.json()["code"]) == (403, "FOREIGN_ORIGIN")
    assert "set-cookie" not in answer.headers


def test_without_an_origin_the_browsers_word_that_it_is_ours_will_do(service: Service, person: Person) -> None:
    for headers in ({"sec-fetch-site": "same-origin"}, {"origin": "null", "sec-fetch-site": "same-origin"}):
        form = {"email": person.email, "password": person.password}
        answer = httpx.post(f"{service.base_url}/console/login", data=form, headers=headers, trust_env=False)
        assert answer.status_code == 303


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/console/\\evil.example",
        "/console//evil.example",
        "/console/../oauth2/logout",
        "/console/%2e%2e/oauth2/logout",
        "/console/account\r\nset-cookie: a=b",
        "javascript:alert(1)",
        "/consoleevil",
        "/oauth2/logout",
    ],
)
def test_nobody_is_sent_to_a_page_that_is_not_ours(
    service: Service, person: Person, wanted: str, sign_in: SignIn
) -> None:
    _, answer = sign_in(person, next=wanted)
    assert answer.headers["location"] == "/console/account"
    assert wanted not in html.unescape(httpx.get(f"{service.base_url}/console/login", params={"next": wanted}).text)


def test_a_page_of_ours_is_where_somebody_goes_on(service: Service, person: Person, sign_in: SignIn) -> None:
    wanted = "/console/device?user_code=BCDF-GHJK"
    client, answer = sign_in(person, next=wanted)
    assert answer.headers["location"] == wanted
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert client.get("/console").headers["location"] == "/console/account"


def test_a_logout_that_names_an_address_elsewhere_goes_nowhere(
    service: Service, person: Person, sign_in: SignIn
) -> None:
    client, _ = sign_in(person)
    asked = client.get("/console/logout", params={"next": "https://evil.example/"})
    assert "evil" not in asked.text
    answer = client.post("/console/logout", data={"next": "https://evil.example/"})
    assert answer.status_code == 200
    assert "evil" not in answer.text
    assert client.get("/console/account").headers["location"] == "/console/login?next=%2Fconsole%2Faccount"


def test_known_and_unknown_people_read_the_same(service: Service, person: Person) -> None:
    texts = []
    for email in (person.email, "nobody@example.org"):
        with browser(service) as client:
            answer = client.post("/console/login", data={"email": email, "password": "not-the-password"})
        assert answer.status_code == 401
        texts.append(answer.text.replace(email, "EMAIL"))
    assert texts[0] == texts[1]
    assert "The address or the password is not right." in texts[0]


def test_forgetting_and_registering_tell_nothing_of_who_has_an_account(service: Service, person: Person) -> None:
    for path in ("forgot-password", "register"):
        texts = set()
        for email in (person.email, f"{uuid4().hex}@example.org"):
            with browser(service) as client:
                answer = client.post(f"/console/{path}", data={"email": email, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            texts.add(answer.text)
        assert len(texts) == 1


def test_what_people_typed_is_text_and_never_markup(service: Service) -> None:
    evil = '"><script>alert(1)</script>'
    with browser(service) as client:
        for path in ("login", "register", "forgot-password"):
            answer = client.post(f"/console/{path}", data={"email": evil, "password": "short", "token": evil})
            assert answer.status_code >= 400
            assert "<script>alert" not in answer.text
            assert html.escape(evil, quote=False).replace('"', "&#34;") in answer.text
        for path in ("verify-email", "reset-password", "invitation"):
            answer = client.post(f"/console/{path}", data={"token": evil, "password": PASSWORD})
            assert answer.status_code == 422
            assert "<script>alert" not in answer.text


def test_an_applications_name_is_text_on_the_pages_that_show_it(
    service: Service, person: Person, sign_in: SignIn
) -> None:
    redirect_uri = "https://app.example/back"
    client_id = app(person, EVIL_NAME, redirect_uri)
    client, _ = sign_in(person)
    with browser(service) as stranger:
        consent = client.get(authorize(client, client_id, redirect_uri).headers["location"])
        login = stranger.get(authorize(stranger, client_id, redirect_uri).headers["location"])
    for answer in (consent, login):
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
        check_headers(answer, form_action="'self' https://app.example")


def test_consent_in_words_then_a_code_and_denial_an_error(service: Service, person: Person, sign_in: SignIn) -> None:
    redirect_uri = "https://app.example/back"
    client_id = app(person, "Reader", redirect_uri)
    client, _ = sign_in(person)
    for decision, expected in (("deny", "error"), ("allow", "code")):
        address = authorize(client, client_id, redirect_uri).headers["location"]
        shown = client.get(address)
        assert "See keys and their addresses" in shown.text
        fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        answer = client.post("/console/consent", data=fields | {"decision": decision})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(redirect_uri)
        assert expected in parse_qs(urlsplit(answer.headers["location"]).query)
    assert client.post("/console/consent", data=fields | {"decision": "perhaps"}).status_code == 400


def test_an_application_that_wants_a_new_sign_in_gets_the_form_again(
    service: Service, person: Person, sign_in: SignIn
) -> None:
    redirect_uri = "https://app.example/back"
    client_id = app(person, "Careful", redirect_uri)
    client, _ = sign_in(person)
    time.sleep(1.1)  # requests are dated in whole seconds, and a sign-in within the same one is not before them
    address = authorize(client, client_id, redirect_uri, prompt="login").headers["location"]
    shown = client.get(address)
    assert shown.status_code == 200
    assert "Careful" in shown.text
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    form = {"email": person.email, "password": person.password} | query
    onward = client.post("/console/login", data=form).headers["location"]
    assert onward == f"/oauth2/authorize?{urlencode({name: query[name] for name in ('client_id', 'request_uri')})}"
    assert client.get(onward).headers["location"].startswith("/console/consent")


def test_a_request_that_nobody_made_is_a_page_that_says_so(service: Service) -> None:
    with browser(service) as client:
        answer = client.get("/console/login", params={"client_id": str(uuid4()), "request_uri": "urn:x"})
        twice = client.get("/console/login?next=a&next=b")
    assert (answer.status_code, twice.status_code) == (400, 400)
    check_headers(answer)
    assert 'role="alert"' in answer.text


def test_only_somebody_signed_in_comes_to_the_account(service: Service) -> None:
    with browser(service) as client:
        assert client.get("/console").headers["location"] == "/console/login"
        for path in ("account", "account/password", "account/totp"):
            assert client.get(f"/console/{path}").headers["location"] == "/console/login?next=%2Fconsole%2Faccount"
        device = client.get("/console/device?user_code=BCDF-GHJK")
        assert device.headers["location"] == "/console/login?next=%2Fconsole%2Fdevice%3Fuser_code%3DBCDF-GHJK"
        answer = client.post("/console/account/passkeys/options")
        assert answer.status_code == 401


def test_nobody_ends_somebody_elses_session(service: Service, person: Person, sign_in: SignIn) -> None:
    other = register(service.base_url, Path(service.environment["NSL_MAIL_DIR"]))
    client, _ = sign_in(other)
    answer = client.post(f"/console/account/sessions/{person.tokens['session_id']}/end", data={"x": "y"})
    assert answer.status_code == 404
    with person.client() as api:
        assert api.get("/v1/me").status_code == 200


def test_a_session_is_ended_and_ones_own_end_signs_out(service: Service, person: Person, sign_in: SignIn) -> None:
    client, _ = sign_in(person)
    second, _ = sign_in(person)
    present = re.search(r"This browser.*?/sessions/([\w-]+)/end", second.get("/console/account").text, re.DOTALL)
    assert present is not None
    answer = client.post(f"/console/account/sessions/{present[1]}/end", data={"x": "y"})
    assert answer.headers["location"] == "/console/account"
    assert second.get("/console/account").status_code == 303


def test_a_password_is_changed_with_the_present_one_and_reset_with_a_mailed_link(
    service: Service, sign_in: SignIn
) -> None:
    mail = Path(service.environment["NSL_MAIL_DIR"])
    person = register(service.base_url, mail)
    client, _ = sign_in(person)
    form = {"present_password": "wrong", "password": f"{PASSWORD}-2"}
    assert client.post("/console/account/password", data=form).status_code == 401
    weak = {"present_password": PASSWORD, "password": "password1"}
    assert client.post("/console/account/password", data=weak).status_code == 422
    form["present_password"] = PASSWORD
    assert client.post("/console/account/password", data=form).status_code == 200
    assert client.get("/console/account").status_code == 200
    assert client.post("/console/forgot-password", data={"email": person.email}).status_code == 200
    token = mailed_token(mail, person.email, "Reset your password")
    reset = {"token": token, "password": f"{PASSWORD}-3"}
    assert client.post("/console/reset-password", data=reset).status_code == 200
    assert client.post("/console/reset-password", data=reset).status_code == 422
    assert client.get("/console/account").status_code == 303
    sign_in(Person(person.base_url, person.email, reset["password"], {}))
