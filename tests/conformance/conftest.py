"""The provider with a person and the applications that most tests use."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.oauth import App, Browser, Provider
from tests.support.people import Person, register
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
