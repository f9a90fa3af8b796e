"""One server of ``bench.api``, in a process of its own: ours with all layers, ours without, and an empty FastAPI."""

import os
import sys
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import uvicorn
import uvloop
from fastapi import FastAPI

from nsl import wiring
from nsl.http.app import SERVICES, Layers, application, router
from nsl.http.gateway import Policy
from nsl.http.log import AccessLog
from nsl.identity.model import DEFAULT_PLAN, Caller, Scope
from nsl.identity.service import Keyring, Proofs, Revocations, Tokens
from nsl.keys.service import Keys, Lifecycle
from nsl.kit.db import Database
from nsl.kit.limits import LocalLimiter
from nsl.kit.replicas import LocalBus, LocalSingleUse
from nsl.kit.telemetry import configure_logs
from nsl.settings import Settings, needed

ISSUER = "http://bench"
MODES = ("layers", "layers-uncached", "no-layers", "fastapi")


def fastapi() -> Any:
    """The peer: one route, nothing else."""
    app = FastAPI()

    @app.get("/")
    async def root() -> dict[str, str]:
        return {"hello": "world"}

    return app


def without_layers(services: Mapping[str, object], tenant: UUID) -> Any:
    """The router alone; a fixed caller stands where the token's would."""
    inner = router(services)
    caller = Caller("bench", tenant, tenant, frozenset(Scope), DEFAULT_PLAN)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["nsl.caller"] = caller
        await inner(scope, receive, send)

    return app


async def serve(app: Any, port: int) -> None:
    """Exactly as ``nsl serve`` does."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off", server_header=False
    )
    await uvicorn.Server(config).serve()


async def main(mode: str, port: int, tenant: UUID) -> None:
    if mode == "fastapi":
        await serve(fastapi(), port)
        return
    settings = Settings.from_environment(os.environ)
    configure_logs("warning")
    if mode == "layers":
        async with wiring.api(settings) as application_as_served:
            await serve(application_as_served, port)
        return
    async with (
        Database(needed(settings.database_url, "NSL_DATABASE_URL"), connections_max=16) as database,
        wiring.key_enclave(settings, database) as enclave,
    ):
        revocations = Revocations(database, LocalBus())
        tokens = Tokens(database, Keyring(database, enclave), revocations, ISSUER)
        keys = Keys(database, enclave, Lifecycle(database, enclave), cached=mode == "no-layers")
        services = dict.fromkeys(SERVICES, object()) | {"tokens": tokens, "keys": keys}
        services.pop("description")
        if mode == "no-layers":
            await serve(without_layers(services, tenant), port)
        else:
            layers = Layers(tokens, Proofs(LocalSingleUse(), ISSUER), LocalLimiter(), AccessLog(), Policy())
            async with revocations.watching():
                await serve(application(services, layers), port)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), UUID(sys.argv[3])))
