"""Every test of the clients runs with both of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nsl_client import AsyncClient, Client
from nsl_client.calls import Call

type Runner = Callable[[str, Call[Any]], Awaitable[Any]]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Runner:
    """Carry out one call with a client of its own."""

    def sync(url: str, call: Call[Any]) -> Any:
        with Client(url, "id", "secret") as client:
            return client.run(call)

    async def run_sync(url: str, call: Call[Any]) -> Any:
        return await asyncio.to_thread(sync, url, call)

    async def run_async(url: str, call: Call[Any]) -> Any:
        async with AsyncClient(url, "id", "secret") as client:
            return await client.run(call)

    return run_sync if request.param == "sync" else run_async
