"""What the channel to the key enclave costs: an empty call and a signature, beside the bare library call.

CPU is that of both ends: this process, which is the service's adapter, and the enclave's.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from uuid import uuid4

import uvloop
from coincurve import PrivateKey

from bench.figures import Figure, report, wants_json
from nsl.adapters.enclave import EnclaveClient, PostgresRegister
from nsl.cli.up.cluster import DevelopmentCluster
from nsl.cli.up.kme import Kme, development_cluster, establish, start_cluster
from nsl.cli.up.postgres import APP, OWNER, Postgres
from nsl.cli.up.state import StateFolder
from nsl.cli.up.supervisor import Supervisor
from nsl.kit import migrate
from nsl.kit.db import Database
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.enclave.messages import Curve, SignOrder
from nsl_protocol.enclave.signable import SignDigest
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Policy

IN_FLIGHT = 16
CALLS = 8_000
ROUNDS = 5
NAME = KeyName(b"t" * 16, b"k" * 16, 1)
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def cost(pid: int, call: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Microseconds of CPU for one call at 16 in flight, and calls per second."""
    left = CALLS

    async def some() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    began, ours, theirs = time.perf_counter(), time.process_time(), cpu_of(pid)
    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))
    used = time.process_time() - ours + cpu_of(pid) - theirs
    return used / CALLS * 1e6, CALLS / (time.perf_counter() - began)


async def round_trip(call: Callable[[], Awaitable[object]]) -> float:
    """Microseconds until the answer, one call at a time."""
    began = time.perf_counter()
    for _ in range(1000):
        await call()
    return (time.perf_counter() - began) / 1000 * 1e6


def bare_signature() -> float:
    """Microseconds of CPU for one secp256k1 signature of the library alone."""
    key, began = PrivateKey(b"k" * 32), time.process_time()
    for _ in range(CALLS):
        key.sign_recoverable(b"d" * 32, hasher=None)
    return (time.process_time() - began) / CALLS * 1e6


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, StateFolder(Path(folder) / "state") as state:
        async with Supervisor(state, lambda _: None) as supervisor:
            cluster = development_cluster(state)
            server, kme = Postgres.at(state), Kme.at(state, cluster)
            await server.prepare()
            await supervisor.start(server.spec())
            await start_cluster(supervisor, cluster, [kme])
            await server.provision()
            for phase in migrate.PHASES:
                await migrate.apply(server.url(OWNER), phase)
            await establish(cluster, [kme], server.url(OWNER), may_found=True)
            pid = supervisor.child(kme.name).pid
            # As the product runs it: on uvloop, which cannot start processes as other users.
            return await asyncio.to_thread(lambda: uvloop.run(_measure(cluster, kme.port, server.url(APP), pid)))


async def _measure(cluster: DevelopmentCluster, port: int, database_url: str, pid: int) -> list[Figure]:
    async with Database(database_url) as database:
        register = PostgresRegister(database)
        known = EnclaveClient([("127.0.0.1", port)], cluster.trust(), cluster.identity(), register)
        async with known as client:
            return await _figures(client, pid)


async def _figures(client: EnclaveClient, pid: int) -> list[Figure]:
    key = await client.create_key(NAME, Curve.SECP256K1, Policy(blind_signing=True))
    orders = [SignOrder(NAME, key.wrapped, SignDigest(b"d" * 32), uuid4().bytes)]

    async def sign() -> object:
        return await client.sign(orders)

    async def status() -> object:
        return await client.status()

    await cost(pid, sign)
    signatures, empty, bare = [], [], []
    for _ in range(ROUNDS):
        bare.append(bare_signature())
        signatures.append(await cost(pid, sign))
        empty.append(await cost(pid, status))
    library = median(bare)
    added = median(each[0] for each in signatures) - library
    quote = await round_trip(lambda: client.quote(Purpose.EVIDENCE, b"n" * 32))
    return [
        Figure("round trip, empty call", await round_trip(status), "us"),
        Figure("round trip, one signature", await round_trip(sign), "us"),
        Figure("round trip, one quote", quote, "us"),
        Figure("CPU of an empty call, 16 in flight", median(each[0] for each in empty), "us"),
        Figure("CPU that the channel adds to one", added, "us", "< 40 us", added < 40, "libsecp256k1", library),
        Figure("signatures, 16 in flight", median(each[1] for each in signatures), "1/s"),
    ]


def main() -> int:
    as_json = wants_json(__doc__ or "")
    return report("enclave", asyncio.run(measure()), as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
