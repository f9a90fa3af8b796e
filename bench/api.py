"""``GET /v1/keys/{id}`` with every layer on, the same route without them, and an empty FastAPI application.

Layers: request id, body limit, bearer token, tenant, rate limit, metrics, access log. All servers run uvicorn alike,
one process each, asked in turns; medians over the rounds.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from statistics import median
from uuid import UUID

import httpx

from bench.api_server import ISSUER, MODES
from bench.figures import Figure, report, say, wants_json
from bench.load import Load, load
from nsl.adapters.enclave import EnclaveClient, PostgresRegister
from nsl.cli.up.kme import Kme, development_cluster, establish, start_cluster
from nsl.cli.up.postgres import APP, OWNER, Postgres
from nsl.cli.up.process import Child, ProcessSpec, listens
from nsl.cli.up.state import StateFolder
from nsl.cli.up.supervisor import Supervisor
from nsl.identity.model import DEFAULT_PLAN, Caller, ClientDraft, Plan, Scope
from nsl.identity.service import Revocations, Tenancy
from nsl.keys.model import Labels, Usage
from nsl.keys.service import Keys, Lifecycle
from nsl.kit import migrate
from nsl.kit.db import Database
from nsl.kit.replicas import LocalBus
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.policy.document import Policy

ROUNDS = 5
SECONDS = 2.0
# A plan that the load cannot exhaust: the limiter works, and never refuses.
PLAN = Plan(10_000_000, 10_000_000)


async def _ready(port: int, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(30):
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"a server of the benchmark ended with {process.returncode}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def _parts() -> AsyncIterator[tuple[dict[str, str], UUID, str, tuple[str, str]]]:
    """PostgreSQL and the enclave; the environment, the tenant, a key's id, a client's id and secret."""
    with tempfile.TemporaryDirectory() as folder, StateFolder(Path(folder) / "state") as state:
        async with Supervisor(state, say) as supervisor:
            cluster = development_cluster(state)
            server, kme = Postgres.at(state), Kme.at(state, cluster)
            await server.prepare()
            await supervisor.start(server.spec())
            await start_cluster(supervisor, cluster, [kme])
            await server.provision()
            for phase in migrate.PHASES:
                await migrate.apply(server.url(OWNER), phase)
            await establish(cluster, [kme], server.url(OWNER), may_found=True)
            addresses, database = [("127.0.0.1", kme.port)], Database(server.url(APP))
            known = EnclaveClient(addresses, cluster.trust(), cluster.identity(), PostgresRegister(database))
            async with database, known as enclave:
                tenancy = Tenancy(database, Revocations(database, LocalBus()))
                tenant = await tenancy.create_tenant("bench", PLAN)
                caller = Caller("bench", tenant.id, tenant.id, frozenset(Scope), DEFAULT_PLAN)
                draft = ClientDraft(name="bench", scopes=frozenset({Scope.KEYS_READ}))
                client = await tenancy.create_client(caller, None, draft)
                key = await Keys(database, enclave, Lifecycle(database, enclave)).create(
                    caller,
                    labels=Labels("bench"),
                    curve=Curve.SECP256R1,
                    usages=(Usage.SIGN,),
                    policy=Policy(),
                    rotation_days=90,
                )
            redis = await _redis(state, supervisor)
            environment = {
                "NSL_DATABASE_URL": server.url(APP),
                "NSL_KME_ADDRESS": kme.address,
                **cluster.environment(),
                "NSL_ISSUER": ISSUER,
                "NSL_ADDRESS_REQUESTS_PER_MINUTE": "10000000",
                "NSL_SIGN_INS_PER_MINUTE": "10000000",
                **({} if redis is None else {"NSL_REDIS_URL": redis}),
            }
            yield environment, tenant.id, str(key.id), (str(client.client.id), client.secret)


async def _redis(state: StateFolder, supervisor: Supervisor) -> str | None:
    """The Redis that limits are shared by; without the program, they are the process's own."""
    if shutil.which("redis-server") is None:
        say("redis-server is not installed: limits are taken from the process itself")
        return None
    port = state.port("redis")
    command = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(state.path))
    ready = partial(_listens, port)
    await supervisor.start(ProcessSpec(name="redis", command=command, ready=ready, advice=""))
    return f"redis://127.0.0.1:{port}/0"


async def _listens(port: int, _: Child) -> bool:
    return await listens(port)


async def measure() -> dict[str, list[Load]]:
    """Every server in turn, round after round."""
    ports = {mode: _free_port() for mode in MODES}
    results: dict[str, list[Load]] = {mode: [] for mode in MODES}
    async with _parts() as (environment, tenant, key, (client_id, secret)):
        with contextlib.ExitStack() as stack:
            servers = {}
            for mode, port in ports.items():
                servers[mode] = subprocess.Popen(
                    [sys.executable, "-m", "bench.api_server", mode, str(port), str(tenant)],
                    env=os.environ | environment,
                    stderr=subprocess.DEVNULL,
                )
                stack.callback(servers[mode].wait)
                stack.callback(servers[mode].terminate)
                await _ready(port, servers[mode])
            form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
            answer = httpx.post(f"http://127.0.0.1:{ports['layers']}/oauth2/token", data=form)
            token = answer.raise_for_status().json()["access_token"]
            for number in range(ROUNDS + 1):
                for mode, port in ports.items():
                    path = "/" if mode == "fastapi" else f"/v1/keys/{key}"
                    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
                    done = await load(port, request, servers[mode].pid, seconds=SECONDS if number else 0.5)
                    if number:
                        results[mode].append(done)
                        say(f"round {number} {mode}: {done.per_second:.0f}/s, {done.cpu_microseconds:.0f} us")
    return results


def main() -> int:
    as_json = wants_json(__doc__)
    results = asyncio.run(measure())
    rps = {mode: median(each.per_second for each in rounds) for mode, rounds in results.items()}
    cpu = {mode: median(each.cpu_microseconds for each in rounds) for mode, rounds in results.items()}
    layers = cpu["layers"] - cpu["no-layers"]
    peer = "empty FastAPI + uvicorn"
    figures = [
        Figure("layers_cpu", layers, "us/request", "<= 1 x peer", layers <= cpu["fastapi"], peer, cpu["fastapi"]),
        Figure("all_layers_rps", rps["layers"], "requests/s", None, None, peer, rps["fastapi"]),
        Figure("all_layers_uncached_rps", rps["layers-uncached"], "requests/s", None, None, peer, rps["fastapi"]),
        Figure("no_layers_rps", rps["no-layers"], "requests/s", None, None, peer, rps["fastapi"]),
        Figure("all_layers_cpu", cpu["layers"], "us/request", None, None, peer, cpu["fastapi"]),
        Figure("all_layers_uncached_cpu", cpu["layers-uncached"], "us/request", None, None, peer, cpu["fastapi"]),
        Figure("no_layers_cpu", cpu["no-layers"], "us/request", None, None, peer, cpu["fastapi"]),
    ]
    return report("api", figures, as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
