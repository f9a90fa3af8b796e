"""The provider with a person and the applications that most tests use."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.oauth import App, Browser, Provider
from tests.support.people import PASSWORD, Person, mailed_token, register
from tests.support.service import Service, service

__all__ = ["service"]


@pytest.fixture(scope="session")
def provider(service: Service) -> Generator[Provider]:
    found = Provider(service)
    yield found
    found.http.close()


@pytest.fixture(scope="session")
def ada(provider: Provider) -> Person:
    """Somebody with a tenant of her own."""
    return register(provider.base_url, Path(provider.service.environment["NSL_MAIL_DIR"]))


@pytest.fixture(scope="session")
def bob(provider: Provider) -> Person:
    """Somebody with another tenant."""
    return register(provider.base_url, Path(provider.service.environment["NSL_MAIL_DIR"]))


@pytest.fixture(scope="session")
def carol(provider: Provider, ada: Person) -> Person:
    """Somebody whom Ada invited into her tenant, and who may do little there."""
    address = "carol@conformance.example"
    with ada.client() as http:
        answer = http.post("/v1/invitations", json={"email": address, "roles": ["trader"]})
        assert answer.status_code == 201, answer.text
    folder = Path(provider.service.environment["NSL_MAIL_DIR"])
    token = mailed_token(folder, address, "You are invited")
    body = {"token": token, "password": PASSWORD, "display_name": "Carol"}
    assert provider.http.post("/v1/auth/invitations/accept", json=body).status_code == 200
    person = Person(provider.base_url, address, PASSWORD, {})
    person.tokens = person.login().json()
    return person


@pytest.fixture(scope="session")
def app(provider: Provider, ada: Person) -> App:
    """A web application of Ada's tenant: code and refresh, the secret sent as HTTP Basic."""
    return provider.web_app(ada, auth_method="client_secret_basic")


@pytest.fixture(scope="session")
def machine(provider: Provider, ada: Person) -> App:
    """A program of Ada's tenant that acts on its own."""
    return provider.app(ada)


@pytest.fixture
def browser(provider: Provider, ada: Person) -> Browser:
    """Ada's browser, signed in just now."""
    return provider.browser(ada)
