"""What these tests share: the running API, and a layer on a key cluster of three."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from nsl.cli.up.stack import Stack, StackOptions
from nsl.identity.model import Scope
from nsl_client import AsyncClient
from tests.acceptance.key_cluster import leased, tenant_of
from tests.acceptance.malicious_host import MaliciousHost, malicious_host
from tests.support.service import service

__all__ = ["service"]


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Of three key enclaves, each a process. Whoever ends one starts it again."""
    options = StackOptions(state=tmp_path_factory.mktemp("cluster") / "state", port=0, kme_replicas=3)
    async with Stack(options) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def client(stack: Stack) -> AsyncIterator[AsyncClient]:
    """Of a tenant that keeps to no limit, with every scope that a tenant may have."""
    async with tenant_of(stack, [scope.value for scope in Scope if scope is not Scope.PLATFORM_ADMIN]) as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="package")
async def host(stack: Stack, client: AsyncClient) -> AsyncIterator[MaliciousHost]:
    """It is after the keys of ``client``'s tenant."""
    await leased(stack)
    async with malicious_host(stack, UUID((await client.me()).tenant)) as found:
        yield found
