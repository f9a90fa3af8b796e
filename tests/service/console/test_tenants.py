"""Who may do what on the console: across tenants, and a long time after the sign-in."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from nsl.cli.up.postgres import OWNER
from tests.service.console.visits import SignIn, app, authorize, browser
from tests.support.people import PASSWORD, Person, mailed_token, register
from tests.support.service import Service

REDIRECT = "https://app.example/back"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def mail(service: Service) -> Path:
    return Path(service.environment["NSL_MAIL_DIR"])


@pytest.fixture
def person(service: Service, mail: Path) -> Person:
    return register(service.base_url, mail)


@pytest.fixture
def other(service: Service, mail: Path) -> Person:
    return register(service.base_url, mail)


def invite(service: Service, mail: Path, host: Person, address: str, **form: str) -> httpx.Response:
    with host.client() as client:
        made = client.post("/v1/invitations", json={"email": address, "roles": ["tenant-admin"]})
    assert made.status_code == 201, made.text
    token = mailed_token(mail, address, "You are invited")
    with browser(service) as guest:
        return guest.post("/console/invitation", data={"token": token} | form)


def test_an_invitation_makes_an_account_and_is_good_once(
    service: Service, mail: Path, person: Person, sign_in: SignIn
) -> None:
    address = f"guest-of-{person.email}"
    answer = invite(service, mail, person, address, password=PASSWORD, display_name="Grace")
    assert answer.status_code == 200, answer.text
    client, _ = sign_in(Person(service.base_url, address, PASSWORD, {}))
    assert "Grace" in client.get("/console/account").text
    token = mailed_token(mail, address, "You are invited")
    assert client.post("/console/invitation", data={"token": token, "password": PASSWORD}).status_code == 422


def test_one_signs_in_to_the_tenant_whose_application_asks(
    service: Service, mail: Path, person: Person, other: Person, sign_in: SignIn
) -> None:
    assert invite(service, mail, other, person.email).status_code == 200
    client_id = app(other, "Theirs", REDIRECT)
    with browser(service) as client:
        address = authorize(client, client_id, REDIRECT).headers["location"]
        fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        form = fields | {"email": person.email, "password": person.password}
        onward = client.post("/console/login", data=form).headers["location"]
        shown = client.get(client.get(onward).headers["location"])
        assert "Allow Theirs?" in shown.text
        answer = client.post("/console/consent", data=fields | {"decision": "allow"})
        assert "code" in parse_qs(urlsplit(answer.headers["location"]).query)


def test_nobody_signs_in_to_an_application_of_a_tenant_that_is_not_theirs(
    service: Service, person: Person, other: Person
) -> None:
    client_id = app(other, "Theirs", REDIRECT)
    with browser(service) as client:
        address = authorize(client, client_id, REDIRECT).headers["location"]
        fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        form = fields | {"email": person.email, "password": person.password}
        answer = client.post("/console/login", data=form)
        assert answer.status_code == 403
        assert "You belong to no such tenant" in answer.text
        assert "set-cookie" not in answer.headers


def test_consent_is_for_ones_own_tenant(service: Service, person: Person, other: Person, sign_in: SignIn) -> None:
    client_id = app(other, "Theirs", REDIRECT)
    client, _ = sign_in(person)
    address = authorize(client, client_id, REDIRECT).headers["location"]
    assert address.startswith("/console/login")
    fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    answer = client.post("/console/consent", data=fields | {"decision": "allow"})
    assert answer.status_code == 400
    assert "another tenant" in answer.text


def test_a_device_of_another_tenants_application_is_not_let_in(
    service: Service, person: Person, other: Person, sign_in: SignIn
) -> None:
    client_id = app(other, "Theirs", REDIRECT, grant_types=[DEVICE_GRANT], redirect_uris=[])
    client, _ = sign_in(person)
    form = {"client_id": client_id, "scope": "keys:read"}
    begun = httpx.post(f"{service.base_url}/oauth2/device_authorization", data=form, trust_env=False).json()
    code = begun["user_code"]
    assert client.get("/console/device", params={"user_code": code}).status_code == 404
    assert client.post("/console/device", data={"user_code": code, "decision": "allow"}).status_code == 404
    form = {"grant_type": DEVICE_GRANT, "device_code": begun["device_code"], "client_id": client_id}
    answer = httpx.post(f"{service.base_url}/oauth2/token", data=form, trust_env=False)
    assert answer.json()["error"] == "authorization_pending"


def test_changes_to_the_sign_in_need_a_fresh_one(service: Service, person: Person, sign_in: SignIn) -> None:
    client, _ = sign_in(person)
    with psycopg.connect(service.postgres.url(OWNER)) as owner:
        # Row-level security holds for the owner too.
        owner.execute("SELECT set_config('app.current_tenant', %s, true)", (person.tokens["tenant_id"],))
        aged = owner.execute(
            "UPDATE sessions SET authenticated_at = authenticated_at - interval '16 minutes' "
            "WHERE cookie_sha256 IS NOT NULL"
        )
        assert aged.rowcount == 1
    nobody = "00000000-0000-7000-8000-000000000000"
    password = {"present_password": PASSWORD, "password": f"{PASSWORD}-2"}
    for path in ("totp", "totp/remove", f"passkeys/{nobody}/remove", "password"):
        answer = client.post(f"/console/account/{path}", data=password)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/login?next=%2Fconsole%2Faccount")
    answer = client.post("/console/account/passkeys/options")
    assert (answer.status_code, answer.json()["code"]) == (401, "STEP_UP_REQUIRED")
    answer = client.post("/console/account/passkeys", json={"credential": {}})
    assert (answer.status_code, answer.json()["code"]) == (401, "STEP_UP_REQUIRED")
    assert "sign in again" in client.get("/console/account").text
    assert person.login().status_code == 200
    form = {"email": person.email, "password": PASSWORD, "next": "/console/account"}
    assert client.post("/console/login", data=form).headers["location"] == "/console/account"
    assert client.post("/console/account/totp", data={"x": "y"}).status_code == 200
