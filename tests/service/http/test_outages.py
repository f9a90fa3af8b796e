"""What callers are told while a dependency is down, and that nothing needs a restart afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.service import Service, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
MESSAGE = {"kind": "message", "payload": {"text": "hello"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """An API of this module's own, whose parts may be killed."""
    folder: Path = tmp_path_factory.mktemp("own")
    async with serving(folder) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(own: Service) -> AsyncIterator[httpx.AsyncClient]:
    tenant = await asyncio.to_thread(own.tenant)
    token = await asyncio.to_thread(own.token, tenant.credentials)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=own.base_url, headers=headers, timeout=20, trust_env=False) as client:
        yield client


async def _until(api: httpx.AsyncClient, status: int) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (answer := await api.get("/health/ready")).status_code != status:
            await asyncio.sleep(0.05)
    checks: dict[str, Any] = answer.json()["checks"]
    return checks


async def test_without_the_enclave_nothing_is_signed_and_the_rest_works(own: Service, api: httpx.AsyncClient) -> None:
    key = (await api.post("/v1/keys", json={"name": "a", "curve": "secp256r1"})).json()
    await own.supervisor.kill("kme")
    checks = await _until(api, 503)
    assert (checks["kme"]["ok"], checks["database"]["ok"]) == (False, True)
    refused = await api.post(f"/v1/keys/{key['id']}/sign", json=MESSAGE)
    assert (refused.status_code, refused.json()["code"]) == (503, "ENCLAVE_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await api.get(f"/v1/keys/{key['id']}")).json() == key
    await own.supervisor.start(own.supervisor.child("kme").spec)
    await _until(api, 200)
    assert (await api.post(f"/v1/keys/{key['id']}/sign", json=MESSAGE)).status_code == 200


async def test_without_the_database_every_call_is_503_and_the_process_lives(
    own: Service, api: httpx.AsyncClient
) -> None:
    assert (await api.get("/v1/me")).status_code == 200
    await own.supervisor.kill("postgres")
    # Side by side: each waits five seconds for a connection.
    checks, live, refused = await asyncio.gather(_until(api, 503), api.get("/health/live"), api.get("/v1/keys"))
    assert (checks["kme"]["ok"], checks["database"]["ok"]) == (True, False)
    assert live.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    await own.supervisor.start(own.supervisor.child("postgres").spec)
    await _until(api, 200)
    assert (await api.get("/v1/keys")).status_code == 200


async def test_equal_requests_at_once_make_one_thing(own: Service, api: httpx.AsyncClient) -> None:
    before = len((await api.get("/v1/keys")).json()["items"])
    headers = {"idempotency-key": "at once"}
    body = {"name": "once", "curve": "secp256k1"}
    answers = await asyncio.gather(*(api.post("/v1/keys", json=body, headers=headers) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await api.get("/v1/keys")).json()["items"]) == before + 1
