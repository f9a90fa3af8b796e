"""The only place that builds objects: settings in, running parts out."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from nsl.adapters.enclave import EnclaveClient
from nsl.adapters.neo_n3 import NeoN3
from nsl.adapters.neo_x import NeoX
from nsl.adapters.networks import N3_NETWORKS, NEO_X_NETWORKS, chosen
from nsl.http.app import Layers, application
from nsl.http.gateway import Application
from nsl.http.health import Dependency, Health
from nsl.http.log import AccessLog
from nsl.identity.service import Idempotency, Tenancy, Tokens
from nsl.keys.service import Keys
from nsl.kit.db import Database
from nsl.kit.limits import RateLimiter
from nsl.kit.telemetry import configure_logs, serve_metrics
from nsl.ledger.model import ChainName
from nsl.ledger.service import Ledger
from nsl.settings import Settings, needed
from nsl.transactions.jobs import Pipeline
from nsl.transactions.service import Transactions
from nsl.worker import Worker

API_CONNECTIONS_MAX = 16
# Every step of both chains holds a connection while it works.
WORKER_CONNECTIONS_MAX = 12


@asynccontextmanager
async def chains(settings: Settings) -> AsyncIterator[Mapping[ChainName, NeoN3 | NeoX]]:
    """The chains that are configured, connected."""
    async with _n3(settings) as n3, _neo_x(settings) as neo_x:
        yield {chain.name: chain for chain in (n3, neo_x) if chain is not None}


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[Application]:
    """The HTTP application with everything it needs."""
    async with (
        Database(needed(settings.database_url, "NSL_DATABASE_URL"), connections_max=API_CONNECTIONS_MAX) as database,
        EnclaveClient(settings.kme_host, settings.kme_port, settings.tls_dir) as enclave,
        chains(settings) as found,
    ):
        tokens = Tokens(database, enclave, settings.issuer)
        keys = Keys(database, enclave)
        ledger = Ledger(found)
        dependencies = {"database": Dependency(database.check, True), "kme": Dependency(enclave.status, True)}
        dependencies |= {name.value: Dependency(chain.height, False) for name, chain in found.items()}
        services = {
            "tokens": tokens,
            "tenancy": Tenancy(database),
            "idempotency": Idempotency(database),
            "keys": keys,
            "ledger": ledger,
            "transactions": Transactions(database, found, ledger, keys),
            "health": Health(dependencies),
        }
        yield application(services, Layers(tokens, RateLimiter(), AccessLog()))


async def serve(settings: Settings) -> None:
    """``nsl serve``: the API until SIGTERM or SIGINT."""
    configure_logs(settings.log_level)
    async with api(settings) as asgi:
        serve_metrics(settings.metrics_port, settings.http_host)
        config = uvicorn.Config(
            asgi,
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        await uvicorn.Server(config).serve()


async def work(settings: Settings) -> None:
    """``nsl work``: the pipeline until SIGTERM or SIGINT."""
    configure_logs(settings.log_level)
    url = needed(settings.database_worker_url, "NSL_DATABASE_WORKER_URL")
    async with (
        Database(url, connections_max=WORKER_CONNECTIONS_MAX) as database,
        EnclaveClient(settings.kme_host, settings.kme_port, settings.tls_dir) as enclave,
        chains(settings) as found,
    ):
        worker = Worker(database, [Pipeline(database, chain, enclave) for chain in found.values()])
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        serve_metrics(settings.worker_metrics_port, settings.http_host)
        await worker.run()


async def bootstrap_admin(settings: Settings) -> dict[str, Any]:
    """``nsl admin bootstrap``: the first administrator's credentials, once. Raises AlreadyBootstrapped."""
    async with Database(needed(settings.database_owner_url, "NSL_DATABASE_OWNER_URL"), connections_max=1) as owner:
        made = await Tenancy(owner).bootstrap()
    return {
        "base_url": settings.issuer,
        "client_id": str(made.client.id),
        "client_secret": made.secret,
        "tenant_id": str(made.client.tenant),
        "scopes": [scope.value for scope in made.client.scopes],
    }


@asynccontextmanager
async def _n3(settings: Settings) -> AsyncIterator[NeoN3 | None]:
    if settings.n3 is None:
        yield None
        return
    network = chosen(N3_NETWORKS, settings.n3.network, settings.n3.rpc_urls, settings.n3.network_id)
    async with NeoN3(network.number, network.rpc_urls) as chain:
        yield chain


@asynccontextmanager
async def _neo_x(settings: Settings) -> AsyncIterator[NeoX | None]:
    if settings.neo_x is None:
        yield None
        return
    network = chosen(NEO_X_NETWORKS, settings.neo_x.network, settings.neo_x.rpc_urls, settings.neo_x.network_id)
    async with NeoX(network.number, network.rpc_urls) as chain:
        yield chain
