"""What the channel to the key enclave costs, and what policy and leaf do, beside the library's bare signature.

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
from nsl_enclave.kme.keyring import Keyring
from nsl_enclave.kme.leaves import LeafMacs, Leaves
from nsl_enclave.kme.state import Root
from nsl_enclave.kme.wrapping import Wrapping
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.cluster.packages import Generation
from nsl_protocol.enclave.messages import CreateKey, Curve, SignOrder
from nsl_protocol.enclave.signable import SignDigest
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.document import Policy

IN_FLIGHT = 16
CALLS = 8_000
ROUNDS = 5
NAME = KeyName(b"t" * 16, b"k" * 16, 1)
WHAT = SignDigest(b"d" * 32)
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


def enclaves_part() -> float:
    """Microseconds of CPU for what the enclave does for one signature: policy, signature, leaf. Without a channel."""
    root = Root([Generation(1, b"r" * 32)], b"c" * 32)
    wrapping = Wrapping(root)
    keyring = Keyring(wrapping, Leaves(LeafMacs(root), time.time), time.time)
    made = keyring.create(CreateKey(NAME, Curve.SECP256K1, Policy(blind_signing=True).canonical))
    keyring.keep(WrappedKey(NAME, made.wrapped))
    orders = [SignOrder(NAME, made.wrapped, WHAT, os.urandom(16)) for _ in range(CALLS)]
    began = time.process_time()
    for order in orders:
        keyring.sign(order)
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

    async def sign() -> object:
        # Another id each time: asked under the same one, the enclave gives the same answer.
        return await client.sign([SignOrder(NAME, key.wrapped, WHAT, os.urandom(16))])

    async def status() -> object:
        return await client.status()

    await cost(pid, sign)
    signatures, empty, bare, inside = [], [], [], []
    for _ in range(ROUNDS):
        bare.append(bare_signature())
        inside.append(enclaves_part())
        signatures.append(await cost(pid, sign))
        empty.append(await cost(pid, status))
    library = median(bare)
    work = median(inside)
    added = median(each[0] for each in signatures) - work
    quote = await round_trip(lambda: client.quote(Purpose.EVIDENCE, b"n" * 32))
    return [
        Figure("round trip, empty call", await round_trip(status), "us"),
        Figure("round trip, one signature", await round_trip(sign), "us"),
        Figure("round trip, one quote", quote, "us"),
        Figure("CPU of an empty call, 16 in flight", median(each[0] for each in empty), "us"),
        Figure("CPU that policy and leaf add to one", work - library, "us", None, None, "libsecp256k1", library),
        Figure("CPU that the channel adds to one", added, "us", "< 40 us", added < 40, "libsecp256k1", library),
        Figure("signatures, 16 in flight", median(each[1] for each in signatures), "1/s"),
    ]


def main() -> int:
    as_json = wants_json(__doc__ or "")
    return report("enclave", asyncio.run(measure()), as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
