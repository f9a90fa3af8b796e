"""The API as `nsl serve` runs it, on a real PostgreSQL and a real key enclave, with both chains' nodes down."""

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from nsl import wiring
from nsl.cli.up.kme import Kme, development_cluster, establish, start_cluster
from nsl.cli.up.postgres import APP, OWNER, WORKER, Postgres
from nsl.cli.up.process import Child, ProcessSpec, console_script, free_port, listens
from nsl.cli.up.supervisor import Supervisor
from nsl.identity.model import Scope
from nsl.kit import migrate
from nsl.settings import Settings
from tests.support.drivers import running

DEAD_NODE = "http://127.0.0.1:9"
NO_LIMIT = {"requests_per_minute": 10_000_000, "key_requests_per_minute": 10_000_000}


@dataclass
class Service:
    """A running API. ``admin`` is the platform administrator's credentials."""

    supervisor: Supervisor
    postgres: Postgres
    environment: dict[str, str]
    admin: dict[str, Any]

    @property
    def base_url(self) -> str:
        return self.environment["NSL_ISSUER"]

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.environment['NSL_METRICS_PORT']}/metrics"

    @property
    def log(self) -> str:
        """What the API has written."""
        return self.supervisor.child("api").output()

    def client(self, token: str | None = None) -> httpx.Client:
        """A plain HTTP client, with a bearer token where one is given."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=20, trust_env=False)

    def token(self, credentials: dict[str, Any], scope: str | None = None) -> str:
        """An access token by the client credentials grant."""
        form = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope})
        with self.client() as client:
            answer = client.post(
                "/oauth2/token", data=form, auth=(credentials["client_id"], credentials["client_secret"])
            )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def tenant(self, plan: dict[str, int] | None = NO_LIMIT) -> "Tenant":
        """A fresh tenant and a client of it that holds every scope a tenant may have."""
        with self.client(self.token(self.admin)) as admin:
            body = {"name": "test"} | ({} if plan is None else {"plan": plan})
            made = admin.post("/v1/tenants", json=body)
            made.raise_for_status()
            scopes = [scope.value for scope in Scope if scope is not Scope.PLATFORM_ADMIN]
            body = {"tenant_id": made.json()["id"], "name": "test", "scopes": scopes}
            credentials = admin.post("/v1/clients", json=body)
            credentials.raise_for_status()
        return Tenant(self, made.json()["id"], credentials.json())


@dataclass
class Tenant:
    """A tenant with one client."""

    service: Service
    id: str
    credentials: dict[str, Any]

    def client(self, scopes: Sequence[str] | None = None) -> httpx.Client:
        """An HTTP client with a token of these scopes, or of all."""
        return self.service.client(self.service.token(self.credentials, None if scopes is None else " ".join(scopes)))


@asynccontextmanager
async def serving(directory: Path, more: Mapping[str, str] | None = None) -> AsyncIterator[Service]:
    """Start PostgreSQL, the enclave and the API, migrated and bootstrapped; ``more``: settings beside the usual."""
    async with running(directory) as (state, supervisor):
        cluster = development_cluster(state)
        server, kme = Postgres.at(state), Kme.at(state, cluster)
        await server.prepare()
        await supervisor.start(server.spec())
        await start_cluster(supervisor, cluster, [kme])
        await server.provision()
        for phase in migrate.PHASES:
            await migrate.apply(server.url(OWNER), phase)
        await establish(cluster, [kme], server.url(OWNER), may_found=True)
        port, metrics = free_port(), free_port()
        environment = {
            "NSL_DATABASE_URL": server.url(APP),
            "NSL_DATABASE_WORKER_URL": server.url(WORKER),
            "NSL_DATABASE_OWNER_URL": server.url(OWNER),
            "NSL_KME_ADDRESS": kme.address,
            **cluster.environment(),
            "NSL_N3_RPC_URLS": DEAD_NODE,
            "NSL_N3_MAGIC": "1951352142",
            "NSL_NEOX_RPC_URLS": DEAD_NODE,
            "NSL_NEOX_CHAIN_ID": "12227332",
            "NSL_HTTP_PORT": str(port),
            "NSL_METRICS_PORT": str(metrics),
            "NSL_ISSUER": f"http://127.0.0.1:{port}",
            "NSL_MAIL_DIR": str(directory / "mail"),
            "NSL_WORKER_METRICS_PORT": str(free_port()),
            # Tests sign in far more often from one address than people do.
            "NSL_SIGN_INS_PER_MINUTE": "100000",
            "NSL_ADDRESS_REQUESTS_PER_MINUTE": "1000000",
            **(more or {}),
        }
        admin = await wiring.bootstrap_admin(Settings.from_environment(environment))

        async def ready(_: Child) -> bool:
            return await listens(port)

        async def worker_ready(_: Child) -> bool:
            return await listens(int(environment["NSL_WORKER_METRICS_PORT"]))

        # The API never gets the owner's URL.
        own = {name: value for name, value in environment.items() if name != "NSL_DATABASE_OWNER_URL"}
        command = (console_script("nsl"), "serve")
        await supervisor.start(ProcessSpec(name="api", command=command, environment=own, ready=ready, advice=""))
        await supervisor.start(
            ProcessSpec(
                name="worker", command=(console_script("nsl"), "work"), environment=own, ready=worker_ready, advice=""
            )
        )
        yield Service(supervisor, server, environment, admin)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Generator[Service]:
    """One API for all tests of a session that only use it: they make tenants of their own."""
    directory = tmp_path_factory.mktemp("service")
    with asyncio.Runner() as runner:
        context = serving(directory)
        try:
            yield runner.run(context.__aenter__())
        finally:
            runner.run(context.__aexit__(None, None, None))
