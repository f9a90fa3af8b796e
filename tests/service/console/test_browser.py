"""The console in a real browser: what people do there, from registering to a passkey."""

import base64
import hashlib
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.service.console.conftest import Application
from tests.support.people import PASSWORD, Person, mailed_token, register
from tests.support.service import Service

type Open = Callable[..., Page]

#: every control has a name that a screen reader can say, and the page a language, one heading and one main part
FAULTS = """() => {
  const faults = [];
  for (const each of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    const named = each.labels.length > 0 && [...each.labels].some((label) => label.textContent.trim());
    if (!named) faults.push("no label: " + each.name);
    const hint = each.getAttribute("aria-describedby");
    if (hint && !document.getElementById(hint)) faults.push("no hint: " + hint);
  }
  for (const each of document.querySelectorAll("button, a[href]")) {
    if (!(each.getAttribute("aria-label") || each.textContent).trim()) faults.push("no name: " + each.outerHTML);
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
  if (document.documentElement.lang !== "en") faults.push("no lang");
  if (!document.title.trim()) faults.push("no title");
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice");
  if (document.documentElement.scrollWidth > innerWidth) {
    faults.push("wider than the window: " + document.documentElement.scrollWidth);
  }
  return faults;
}"""
#: the least contrast of any text on the page with what is behind it (WCAG 2)
CONTRAST = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((each) => each / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = numbers(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  let least = 21;
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !each.checkVisibility()) continue;
    const [a, b] = [light(numbers(getComputedStyle(each).color).slice(0, 3)), light(behind(each))];
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least;
}"""


@pytest.fixture
def mail(service: Service) -> Path:
    return Path(service.environment["NSL_MAIL_DIR"])


@pytest.fixture
def person(console: str, mail: Path) -> Person:
    return register(console, mail)


@pytest.fixture
def open_page(chromium: Browser, console: str) -> Generator[Open]:
    """Pages of fresh browsers; a script's error or a broken policy on any of them fails the test."""
    complaints: list[str] = []
    with ExitStack() as opened:

        def make(**options: object) -> Page:
            context = opened.enter_context(chromium.new_context(base_url=console, **options))
            context.set_default_timeout(10_000)
            page = context.new_page()
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            return page

        yield make
    # The browser notes an answer that refuses as an error too; that one is meant.
    assert [each for each in complaints if "the server responded with a status of 4" not in each] == []


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/console/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.goto("/console/account")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signed out")


def expect_account(page: Page, email: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    expect(page.get_by_text(email)).to_be_visible()


def test_register_verify_sign_in(open_page: Open, console: str, mail: Path) -> None:
    page, email = open_page(), f"{uuid4().hex[:12]}@example.org"
    page.goto("/console/register")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("status")).to_contain_text("a mail is on its way")
    sign_in(page, email)
    expect(page.get_by_role("alert").first).to_contain_text("Verify your address first")
    token = mailed_token(mail, email, "Verify your address")
    page.goto(f"{console}/console/verify-email#token={token}")
    assert "#" not in page.url
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Address verified")
    sign_in(page, email)
    expect_account(page, email)
    expect(page.locator("dl").get_by_text("Ada Lovelace").first).to_be_visible()


def test_a_link_without_its_token_says_so_and_so_does_a_browser_without_scripts(open_page: Open) -> None:
    page = open_page()
    page.goto("/console/reset-password")
    expect(page.get_by_role("alert")).to_contain_text("Open the link of the mail again")
    plain = open_page(java_script_enabled=False)
    plain.goto("/console/reset-password#token=abc")
    expect(plain.get_by_role("alert")).to_contain_text("Allow JavaScript")


def test_without_scripts_one_signs_in_and_out(open_page: Open, person: Person) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, person.email)
    expect_account(page, person.email)
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
    sign_out(page)


def test_one_time_passwords(open_page: Open, person: Person) -> None:
    page = open_page()
    sign_in(page, person.email)
    page.get_by_role("button", name="Set up").click()
    secret = page.locator("#secret").inner_text()
    recovery = page.locator(".codes code").first.inner_text()
    page.get_by_label("One-time password").fill("000000")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert")).to_contain_text("not right")
    page.get_by_label("One-time password").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("status")).to_contain_text("From now on")
    sign_out(page)
    sign_in(page, person.email)
    expect(page.get_by_role("alert").first).to_contain_text("one-time password")
    expect(page.get_by_label("E-mail")).to_have_value(person.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    # The code that confirmed is used up; the next step's is taken already.
    page.get_by_label("One-time password").fill(pyotp.TOTP(secret).at(time.time() + 30))
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect_account(page, person.email)
    sign_out(page)
    sign_in(page, person.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("One-time password").fill(recovery)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect_account(page, person.email)
    page.get_by_role("button", name="Remove one-time passwords").click()
    sign_out(page)
    sign_in(page, person.email)
    expect_account(page, person.email)


def add_authenticator(page: Page) -> None:
    """A passkey provider in the browser that says yes to everything."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_is_added_signs_in_and_is_removed(open_page: Open, person: Person) -> None:
    page = open_page()
    add_authenticator(page)
    sign_in(page, person.email)
    page.get_by_label("Name of a new passkey").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("button", name="Remove passkey Laptop")).to_be_visible()
    # The same authenticator holds one passkey per person.
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("holds a passkey of yours already")
    sign_out(page)
    page.goto("/console/login")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect_account(page, person.email)
    page.get_by_role("button", name="Remove passkey Laptop").click()
    expect(page.get_by_text("You have none.")).to_be_visible()
    sign_out(page)
    page.goto("/console/login")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")


def test_under_an_ip_address_the_page_says_why_there_are_no_passkeys(service: Service, open_page: Open) -> None:
    page = open_page()
    add_authenticator(page)
    page.goto(f"{service.base_url}/console/login")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("a name of its own")


def make_client(person: Person, **more: object) -> str:
    body = {"name": "Portfolio", "scopes": ["keys:read"], "auth_method": "none"} | more
    with person.client() as client:
        made = client.post("/v1/clients", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["client_id"])


def authorization_url(console: str, client_id: str, redirect_uri: str, verifier: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid keys:read",
        "state": "xyz",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{console}/oauth2/authorize?{urlencode(query)}"


def test_an_application_gets_its_code_after_sign_in_and_consent(
    open_page: Open, console: str, person: Person, application: Application
) -> None:
    grants = {"grant_types": ["authorization_code"], "redirect_uris": [application.address]}
    client_id, verifier = make_client(person, **grants), "v" * 43
    url = authorization_url(console, client_id, application.address, verifier)
    page = open_page()
    page.goto(url)
    expect(page.get_by_text("to go on to Portfolio")).to_be_visible()
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill("wrong-password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("not right")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Allow Portfolio?")
    expect(page.get_by_text("See keys and their addresses")).to_be_visible()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("Arrived")).to_be_visible()
    assert application.answers[-1]["error"] == "access_denied"
    page.goto(url)
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Arrived")).to_be_visible()
    answer = application.answers[-1]
    assert (answer["state"], answer["iss"]) == ("xyz", console)
    form = {"grant_type": "authorization_code", "code": answer["code"], "code_verifier": verifier}
    form |= {"client_id": client_id, "redirect_uri": application.address}
    tokens = httpx.post(f"{console}/oauth2/token", data=form, trust_env=False)
    assert tokens.status_code == 200, tokens.text
    # Asked once is asked for good: the form of the sign-in leads through to the application.
    fresh = open_page()
    fresh.goto(url)
    fresh.get_by_label("E-mail").fill(person.email)
    fresh.get_by_label("Password").fill(PASSWORD)
    fresh.get_by_role("button", name="Sign in", exact=True).click()
    expect(fresh.get_by_text("Arrived")).to_be_visible()
    assert "code" in application.answers[-1]


def test_a_passkey_signs_in_for_an_application(
    open_page: Open, console: str, person: Person, application: Application
) -> None:
    client_id = make_client(person, grant_types=["authorization_code"], redirect_uris=[application.address])
    page = open_page()
    add_authenticator(page)
    sign_in(page, person.email)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("button", name="Remove passkey Passkey")).to_be_visible()
    sign_out(page)
    page.goto(authorization_url(console, client_id, application.address, "v" * 43))
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Arrived")).to_be_visible()
    assert "code" in application.answers[-1]


@pytest.mark.parametrize(
    ("button", "said", "error"), [("Allow", "Device signed in", None), ("Deny", "Device refused", "access_denied")]
)
def test_a_device_is_told_what_the_person_decided(
    open_page: Open, console: str, person: Person, button: str, said: str, error: str | None
) -> None:
    client_id = make_client(person, grant_types=["urn:ietf:params:oauth:grant-type:device_code"])
    with httpx.Client(base_url=console, trust_env=False, timeout=20) as device:
        form = {"client_id": client_id, "scope": "keys:read"}
        begun = device.post("/oauth2/device_authorization", data=form)
        assert begun.status_code == 200, begun.text
        page = open_page()
        page.goto("/console/device")
        page.get_by_label("E-mail").fill(person.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_label("Code that the device shows").fill("XXXX-XXXX")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alert")).to_contain_text("unknown")
        page.get_by_label("Code that the device shows").fill(begun.json()["user_code"].lower())
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("See keys and their addresses")).to_be_visible()
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(said)
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": begun.json()["device_code"],
            "client_id": client_id,
        }
        answer = device.post("/oauth2/token", data=form)
    assert answer.json().get("error") == error, answer.text
    assert ("access_token" in answer.json()) is (error is None)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_named_narrow_and_readable(open_page: Open, person: Person, scheme: str) -> None:
    page = open_page(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    paths = ["login", "register", "forgot-password", "verify-email", "reset-password", "invitation", "logout"]

    def check(path: str) -> None:
        assert page.evaluate(FAULTS) == [], path
        assert page.evaluate(CONTRAST) >= 4.5, path

    for path in paths:
        page.goto(f"/console/{path}")
        check(path)
    sign_in(page, person.email, "wrong")
    check("login refused")
    sign_in(page, person.email)
    for path in ("account", "account/password", "device", "logout", "device?user_code=X"):
        page.goto(f"/console/{path}")
        check(path)
    page.goto("/console/account")
    page.get_by_role("button", name="Set up").click()
    expect(page.locator("#secret")).to_be_visible()
    check("totp")


def test_the_keyboard_is_enough_to_sign_in_and_focus_is_seen(open_page: Open, person: Person) -> None:
    page = open_page()
    page.goto("/console/login")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(person.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Sign in", exact=True)
    expect(button).to_be_focused()
    assert button.evaluate("each => parseFloat(getComputedStyle(each).outlineWidth)") >= 2
    page.keyboard.press("Enter")
    expect_account(page, person.email)
