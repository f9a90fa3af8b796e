"""A tenant of a module's own, and its client."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.service import Service, Tenant


@pytest.fixture(scope="module")
def tenant(service: Service) -> Tenant:
    return service.tenant()


@pytest.fixture(scope="module")
def api(tenant: Tenant) -> Iterator[httpx.Client]:
    with tenant.client() as client:
        yield client
