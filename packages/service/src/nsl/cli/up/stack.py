"""The whole layer as one object: what it consists of, in which order it starts, and how its parts find each other."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from nsl.cli.up.anchor import DevelopmentAnchor
from nsl.cli.up.errors import NotReady, ProgramMissing
from nsl.cli.up.kme import Kme, development_cluster, establish, start_cluster
from nsl.cli.up.n3 import MAGIC, N3Node
from nsl.cli.up.neox import NeoxNode
from nsl.cli.up.neox.rules import CHAIN_ID
from nsl.cli.up.networks import DEVNET, settings_of
from nsl.cli.up.postgres import APP, OWNER, WORKER, Postgres
from nsl.cli.up.process import (
    POLL_SECONDS,
    Child,
    ProcessSpec,
    console_script,
    inherited_environment,
    is_free,
    listens,
    run,
)
from nsl.cli.up.state import CREDENTIALS, StateFolder
from nsl.cli.up.supervisor import Progress, Supervisor
from nsl.cli.up.witness import TRUST, DevelopmentWitness, LogToFollow, log_key_of, write_trust
from nsl.kit import migrate
from nsl.kit.clock import monotonic, pause
from nsl.kit.errors import Failure
from nsl.kit.files import write_private
from nsl_protocol.audit.heads import origin

HTTP_PORT = 5000
METRICS_PORT = 9090
WORKER_METRICS_PORT = 9091
HTTP_OK = 200
READY_TIMEOUT_SECONDS = 30.0
API = "api"
WORKER_PROCESS = "worker"
MAIL = "mail"

#: settings that `nsl up` takes from its own environment; the others it sets itself
OPERATORS_OWN = (
    "NSL_ADDRESS_REQUESTS_PER_MINUTE", "NSL_BREACHED_PASSWORDS_URL", "NSL_LOG_LEVEL", "NSL_MAIL_SENDER",
    "NSL_REDIS_URL", "NSL_REGISTRATION", "NSL_SIGN_INS_PER_MINUTE", "NSL_SMTP_URL",
)  # fmt: skip

type Rewire = Callable[[str, dict[str, str]], Awaitable[dict[str, str]]]


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """How the layer is to be brought up.

    Attributes:
        port: of the HTTP API. None: 5000, with 9090 and 9091 for metrics, or free ones where they are taken; 0: free
            ones.
        kme_replicas: of the key enclave: 1, or 3 and more to survive the loss of some.
        network: ``devnet`` runs both chains here; else see ``networks.settings_of``.
        environment: more variables for API and worker, above ours.
        rewire: given a process's name (``api``, ``worker``) and its environment before each start; what it returns is
            used. Tests put proxies in front of node, enclave and PostgreSQL by it.
    """

    state: Path = Path(".state")
    fresh: bool = False
    n3_block_time_ms: int = 1000
    neox_block_time_ms: int = 1000
    kme_replicas: int = 1
    port: int | None = None
    network: str = DEVNET
    environment: Mapping[str, str] = field(default_factory=dict)
    rewire: Rewire | None = None


def _quiet(_: str) -> None:
    """For callers who want no progress."""


class Stack:
    """The running layer. Use as an async context manager: entered, everything is ready; left, everything has ended.

    Raises:
        StateInUse: another one works in the same state folder.
        NotReady: a part does not start; the message says which, why and what to do. Nothing runs then.
    """

    def __init__(self, options: StackOptions, progress: Progress = _quiet) -> None:
        self.options = options
        self.ready_seconds = 0.0
        self._progress = progress
        self._exit = contextlib.AsyncExitStack()
        self._n3: N3Node | None = None
        self._neox: NeoxNode | None = None
        self._network: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        began = monotonic()
        async with contextlib.AsyncExitStack() as stack:
            self.state = stack.enter_context(StateFolder(self.options.state, fresh=self.options.fresh))
            self._supervisor = await stack.enter_async_context(Supervisor(self.state, self._progress))
            await self._start()
            self.ready_seconds = monotonic() - began
            await self._start_anchor()  # what serves does not wait for it
            self._exit = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._exit.aclose()

    @property
    def base_url(self) -> str:
        """Where the HTTP API is."""
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def credentials(self) -> Path:
        """The file with the platform administrator's credentials, mode 0600."""
        return self.state.path / CREDENTIALS

    @property
    def trust(self) -> Path:
        """The file that `nsl verify --trust` takes."""
        return self.state.path / TRUST

    @property
    def n3(self) -> N3Node | None:
        """The private Neo N3 node, on the devnet."""
        return self._n3

    @property
    def neox(self) -> NeoxNode | None:
        """The Neo X devnet, unless anvil is missing."""
        return self._neox

    @property
    def processes(self) -> tuple[str, ...]:
        """The names that ``kill``, ``stop``, ``start`` and ``pid`` take."""
        return self._supervisor.names

    def pid(self, name: str) -> int:
        """The process id of a part."""
        return self._supervisor.child(name).pid

    async def kill(self, name: str) -> None:
        """SIGKILL a part, and do not restart it."""
        await self._supervisor.kill(name)

    async def stop(self, name: str) -> None:
        """Stop a part in order, and do not restart it."""
        await self._supervisor.stop(name)

    async def start(self, name: str) -> None:
        """Start a part again that was killed or stopped, and wait until it is ready."""
        if name in (API, WORKER_PROCESS):
            await self._start_service(name)
        else:
            await self._supervisor.start(self._supervisor.child(name).spec)

    def environment(self) -> dict[str, str]:
        """The settings of API and worker (`nsl.settings`), before ``rewire``."""
        found = {
            "NSL_DATABASE_URL": self.postgres.url(APP),
            "NSL_DATABASE_WORKER_URL": self.postgres.url(WORKER),
            "NSL_KME_ADDRESS": ",".join(replica.address for replica in self.kmes),
            "NSL_HTTP_HOST": "127.0.0.1",
            "NSL_HTTP_PORT": str(self._http_port),
            "NSL_METRICS_PORT": str(self._metrics_port),
            "NSL_WORKER_METRICS_PORT": str(self._worker_metrics_port),
            "NSL_ISSUER": self.base_url,
            "NSL_MAIL_DIR": str(self.state.path / MAIL),
            "NSL_WITNESSES": self.witness.setting,
        }
        chosen = {name: os.environ[name] for name in OPERATORS_OWN if name in os.environ}
        return chosen | found | self.cluster.environment() | self._chains() | dict(self.options.environment)

    def _chains(self) -> dict[str, str]:
        found = dict(self._network)
        if self._n3 is not None:
            found |= {"NSL_N3_NETWORK": DEVNET, "NSL_N3_RPC_URLS": self._n3.url, "NSL_N3_MAGIC": str(MAGIC)}
        if self._neox is not None:
            found |= {"NSL_NEOX_NETWORK": DEVNET, "NSL_NEOX_RPC_URLS": self._neox.url}
            found |= {"NSL_NEOX_CHAIN_ID": str(CHAIN_ID)}
        return found

    async def _start(self) -> None:
        self._choose_ports()
        self.postgres = Postgres.at(self.state)
        self.cluster = development_cluster(self.state)
        self.kmes = [Kme.at(self.state, self.cluster, number + 1) for number in range(self.options.kme_replicas)]
        parts = [self._start_postgres(), start_cluster(self._supervisor, self.cluster, self.kmes)]
        if self.options.network == DEVNET:
            parts += [self._start_n3(), self._start_neox()]
        else:
            self._network = await settings_of(self.options.network)
        await _together(*parts)
        await self._establish()
        await self._start_witness()
        await _together(self._start_service(API), self._start_service(WORKER_PROCESS), self._bootstrap())
        await self._until_ready()

    def _choose_ports(self) -> None:
        port = self.options.port
        if port and not is_free(port):
            raise NotReady(f"Port {port} is taken: stop what listens there, or choose another one with --port.")
        usual = port is None  # two layers that start together would take the usual ports from each other
        self._http_port = port or self.state.port("http", HTTP_PORT if usual else 0)
        if usual and self._http_port != HTTP_PORT:
            self._progress(f"port {HTTP_PORT} is not used; the API listens on {self._http_port}")
        self._metrics_port = self.state.port("metrics", METRICS_PORT if usual else 0)
        self._worker_metrics_port = self.state.port("worker-metrics", WORKER_METRICS_PORT if usual else 0)

    async def _start_postgres(self) -> None:
        await self.postgres.prepare()
        await self._supervisor.start(self.postgres.spec())
        await self.postgres.provision()
        for phase in migrate.PHASES:  # nothing of an older version runs here, so both at once
            await migrate.apply(self.postgres.url(OWNER), phase)
        self._progress("PostgreSQL 18 is ready, migrated")

    async def _establish(self) -> None:
        """Give the key enclaves their root, by the database that they go on with."""
        may_found = not self.credentials.exists()
        done = await establish(self.cluster, self.kmes, self.postgres.url(OWNER), may_found=may_found)
        layers = (self._supervisor.child(self.kmes[0].name).ready_line() or {}).get("layers", [])
        self._progress(f"key enclave is ready, simulated ({', '.join(layers) or 'no isolation layers'}); {done}")
        if len(self.kmes) == 1:
            self._progress("one key enclave alone cannot notice an older database with its seal of then; three can")

    async def _start_witness(self) -> None:
        """Begin to be watched, and say what a verifier may trust."""
        self.witness = DevelopmentWitness.at(self.state)
        log_key = await log_key_of(self.cluster, self.kmes[0].port)
        cluster = self.cluster.trust().constitution().cluster
        self.log = LogToFollow(origin(cluster), log_key)
        await self._supervisor.start(self.witness.spec(self.log))
        write_trust(self.trust, self.cluster, self.witness)

    async def _start_anchor(self) -> None:
        """Put the heads that the witness cosigns on the chain."""
        if self._n3 is not None:
            anchor = DevelopmentAnchor.at(self.state, self._n3)
            await anchor.fund()
            await self._supervisor.start(anchor.spec(self.log, self.witness.url))

    async def _start_n3(self) -> None:
        node = N3Node.at(self.state, block_time_ms=self.options.n3_block_time_ms)
        await node.prepare()
        await self._supervisor.start(node.spec())
        self._n3 = node
        self._progress(f"Neo N3 devnet makes blocks at {node.url}")

    async def _start_neox(self) -> None:
        try:
            node = NeoxNode.at(self.state, block_time_ms=self.options.neox_block_time_ms)
        except ProgramMissing as error:
            self._progress(f"going on without Neo X: {error.detail}")
            return
        await self._supervisor.start(node.spec())
        self._neox = node
        self._progress(f"Neo X devnet makes blocks at {node.url}")

    async def _start_service(self, name: str) -> None:
        environment = self.environment()
        if self.options.rewire is not None:
            environment = await self.options.rewire(name, environment)
        ready = self._api_ready if name == API else self._worker_ready
        spec = ProcessSpec(
            name=name,
            command=(console_script("nsl"), "serve" if name == API else "work"),
            environment=environment,
            ready=ready,
            ready_timeout_seconds=READY_TIMEOUT_SECONDS,
            advice="Its log says what is missing.",
            death_signal=signal.SIGKILL,
            no_new_privs=True,
        )
        await self._supervisor.start(spec)
        self._progress(f"{name} is ready" + (f" at {self.base_url}" if name == API else ""))

    async def _api_ready(self, _: Child) -> bool:
        """It runs; what it depends on is another question, which a restart must not wait for."""
        return (await self._get("/health/live"))[0] == HTTP_OK

    async def _until_ready(self) -> None:
        deadline = monotonic() + READY_TIMEOUT_SECONDS
        while True:
            status, text = await self._get("/health/ready")
            if status == HTTP_OK:
                return
            if monotonic() > deadline:
                raise NotReady(f"The API at {self.base_url} does not become ready: {text or 'no answer'}")
            await pause(POLL_SECONDS)

    async def _get(self, path: str) -> tuple[int, str]:
        async with httpx.AsyncClient(base_url=self.base_url, timeout=5, trust_env=False) as client:
            try:
                answer = await client.get(path)
            except httpx.HTTPError:
                return 0, ""
            return answer.status_code, answer.text

    async def _worker_ready(self, _: Child) -> bool:
        return await listens(self._worker_metrics_port)

    async def _bootstrap(self) -> None:
        """Make the platform administrator once; later only the address in the file may change."""
        if self.credentials.exists():
            kept: dict[str, Any] = json.loads(self.credentials.read_text(encoding="utf-8"))
            if kept.get("base_url") != self.base_url:
                write_private(self.credentials, json.dumps(kept | {"base_url": self.base_url}, indent=2))
            return
        environment = self.environment() | {"NSL_DATABASE_OWNER_URL": self.postgres.url(OWNER)}
        command = (console_script("nsl"), "admin", "bootstrap", "--json")
        output = await run(*command, environment=inherited_environment() | environment)
        made = json.loads(output.splitlines()[-1])
        write_private(self.credentials, json.dumps(made | {"base_url": self.base_url}, indent=2))


async def _together(*parts: Awaitable[None]) -> None:
    """Run parts of the start side by side; the first failure ends the others and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(_one(part))
    except ExceptionGroup as several:
        raise _first(several) from several


async def _one(part: Awaitable[None]) -> None:
    await part


def _first(several: ExceptionGroup[Exception]) -> Exception:
    failures = [each for each in several.exceptions if isinstance(each, Failure)]
    return failures[0] if failures else several.exceptions[0]
