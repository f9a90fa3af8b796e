"""The only place that builds objects: settings in, running parts out."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from nsl.accounts.jobs import Outbox
from nsl.accounts.ports import BreachedPasswords, Mailer
from nsl.accounts.service import NoBreaches, Passwords, Registration, SecondFactors, Sessions, SigningIn, Wallets
from nsl.adapters.breached_passwords import PwnedPasswords
from nsl.adapters.enclave import ClusterStop, EnclaveClient, Identity, PostgresRegister, Trust
from nsl.adapters.mail import FileMailer, SmtpMailer
from nsl.adapters.neo_n3 import NeoN3
from nsl.adapters.neo_x import NeoX
from nsl.adapters.networks import N3_NETWORKS, NEO_X_NETWORKS, PublicNetwork, chosen
from nsl.adapters.pccs import Pccs
from nsl.adapters.redis import Redis, RedisAttempts, RedisBus, RedisLimiter, RedisSingleUse
from nsl.adapters.witnesses import HttpWitness
from nsl.attestation.service import Attestation, ClusterStops, Enclaves
from nsl.audit.service import STEP_FULL, Log, LogKeeper, Witnessing
from nsl.compliance.jobs import LEAVES_AT_ONCE_MAX, Retention
from nsl.compliance.service import Access, Holds, People
from nsl.http import tls
from nsl.http.app import Layers, application
from nsl.http.gateway import Application, Policy
from nsl.http.health import Dependency, Health
from nsl.http.log import AccessLog
from nsl.identity.service import (
    Audit,
    Directory,
    Idempotency,
    Keyring,
    NewClient,
    Proofs,
    Revocations,
    Tenancy,
    Tokens,
    bootstrap,
    break_glass,
)
from nsl.keys.jobs import KeyLives
from nsl.keys.service import (
    Approving,
    DepositAddresses,
    Destroying,
    Freezing,
    Governing,
    Keys,
    Lifecycle,
    PortableKeys,
    SecretKeys,
)
from nsl.kit.db import Database
from nsl.kit.limits import Limiter, LocalLimiter
from nsl.kit.replicas import Attempts, Bus, LocalAttempts, LocalBus, LocalSingleUse, SingleUse
from nsl.kit.telemetry import configure_logs, serve_metrics
from nsl.ledger.model import ChainName
from nsl.ledger.service import Ledger
from nsl.oauth.jobs import LogoutNotices
from nsl.oauth.service import Authorization, ClientAuthentication, Devices, Federation, Grants, Inspection, Logout
from nsl.settings import BadSetting, Settings, needed
from nsl.transactions.jobs import Pipeline
from nsl.transactions.service import Transactions
from nsl.worker import Worker
from nsl_protocol.attestation.verify import INTEL, TrustAnchor
from nsl_protocol.audit.heads import origin
from nsl_protocol.cluster.manifest import Program

API_CONNECTIONS_MAX = 16
# Every step of both chains holds a connection while it works.
WORKER_CONNECTIONS_MAX = 12


@asynccontextmanager
async def chains(settings: Settings) -> AsyncIterator[Mapping[ChainName, NeoN3 | NeoX]]:
    """The chains that are configured, connected."""
    async with _n3(settings) as n3, _neo_x(settings) as neo_x:
        yield {chain.name: chain for chain in (n3, neo_x) if chain is not None}


@dataclass(frozen=True, slots=True)
class Shared:
    """What replicas share: Redis where it is configured, else stand-ins for a process that is alone."""

    limiter: Limiter
    bus: Bus
    single_use: SingleUse
    attempts: Attempts
    redis: Redis | None


@asynccontextmanager
async def shared(settings: Settings) -> AsyncIterator[Shared]:
    """Raises Unavailable: Redis does not answer, or would forget what it must not."""
    if settings.redis_url is None:
        yield Shared(LocalLimiter(), LocalBus(), LocalSingleUse(), LocalAttempts(), None)
        return
    async with Redis(settings.redis_url) as redis:
        yield Shared(RedisLimiter(redis), RedisBus(redis), RedisSingleUse(redis), RedisAttempts(redis), redis)


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[Application]:
    """The HTTP application with everything it needs."""
    async with (
        Database(needed(settings.database_url, "NSL_DATABASE_URL"), connections_max=API_CONNECTIONS_MAX) as database,
        key_enclave(settings, database) as enclave,
        chains(settings) as found,
        shared(settings) as common,
        _breached(settings) as breached,
        _enclaves(settings, database) as enclaves,
    ):
        lifecycle = Lifecycle(database, enclave)
        keys = Keys(database, enclave, lifecycle)
        addresses = DepositAddresses(database, keys, enclave)
        ledger = Ledger(found)
        dependencies = {"database": Dependency(database.check, True), "kme": Dependency(enclave.check, True)}
        dependencies["attestation"] = Dependency(enclaves.check, False)
        dependencies |= {name.value: Dependency(chain.height, False) for name, chain in found.items()}
        if common.redis is not None:
            dependencies["redis"] = Dependency(common.redis.check, False)
        revocations = Revocations(database, common.bus)
        services = {
            "keys": keys,
            "addresses": addresses,
            "portable": PortableKeys(database, enclave, lifecycle, settings.backups_kept),
            "destroying": Destroying(keys, addresses, ledger),
            "secrets": SecretKeys(keys, enclave),
            "governing": Governing(database, enclave, lifecycle, keys),
            "freezing": Freezing(database, lifecycle),
            "approving": Approving(database, keys, addresses, enclave.cluster),
            "ledger": ledger,
            "transactions": Transactions(database, found, ledger, keys, addresses),
            "attestation": _attestation(settings),
            "enclaves": enclaves,
            "cluster_stops": ClusterStops(database, ClusterStop(enclave.register, enclave.cluster)),
            "audit_log": Log(database),
            "health": Health(dependencies),
            "revocations": revocations,
        }
        identity = _identity(settings, database, enclave, common, revocations)
        services |= identity | _compliance(database, identity["directory"], revocations)
        services |= _accounts(settings, database, enclave, common, services, breached)
        services |= _oauth(settings, database, enclave, common, services)
        policy = Policy(
            address=settings.address_requests_per_minute,
            sign_ins=settings.sign_ins_per_minute,
            trusted_proxies=settings.trusted_proxies,
        )
        layers = Layers(identity["tokens"], identity["proofs"], common.limiter, AccessLog(), policy)
        async with enclave.attending(), revocations.watching(), enclaves.watching():
            yield application(services, layers)


def _identity(
    settings: Settings, database: Database, enclave: EnclaveClient, common: Shared, revocations: Revocations
) -> dict[str, Any]:
    keyring = Keyring(database, enclave)
    return {
        "keyring": keyring,
        "tokens": Tokens(database, keyring, revocations, settings.issuer),
        "proofs": Proofs(common.single_use, settings.issuer),
        "tenancy": Tenancy(database, revocations),
        "directory": Directory(database, revocations),
        "audit": Audit(database),
        "idempotency": Idempotency(database),
    }


def _compliance(database: Database, directory: Directory, revocations: Revocations) -> dict[str, Any]:
    people = People(database, directory, revocations)
    return {"access": Access(database, directory), "holds": Holds(database), "people": people}


def _accounts(
    settings: Settings,
    database: Database,
    enclave: EnclaveClient,
    common: Shared,
    services: Mapping[str, Any],
    breached: BreachedPasswords,
) -> dict[str, Any]:
    passwords = Passwords(breached)
    factors = SecondFactors(database, enclave, settings.issuer)
    sessions = Sessions(database, services["tokens"], services["revocations"])
    signing_in = SigningIn(database, passwords, factors, common.attempts)
    networks = {"neo-n3": _n3_network(settings), "neo-x": _neo_x_network(settings)}
    chain_ids = {name: network.number for name, network in networks.items() if network is not None}
    registration = Registration(
        database,
        passwords,
        sessions,
        signing_in,
        services["directory"],
        services["revocations"],
        common.attempts,
        settings.issuer,
        open_to_all=settings.open_registration,
    )
    return {
        "factors": factors,
        "sessions": sessions,
        "signing_in": signing_in,
        "wallets": Wallets(database, settings.issuer, chain_ids),
        "registration": registration,
    }


def _oauth(
    settings: Settings, database: Database, enclave: EnclaveClient, common: Shared, services: Mapping[str, Any]
) -> dict[str, Any]:
    tokens, keyring, tenancy = services["tokens"], services["keyring"], services["tenancy"]
    sessions, registration, directory = services["sessions"], services["registration"], services["directory"]
    devices = Devices(database, sessions, common.single_use)
    return {
        "device_flow": devices,
        "grants": Grants(database, tokens, keyring, sessions, registration, directory, devices),
        "client_authentication": ClientAuthentication(tenancy, common.single_use, settings.issuer),
        "authorization": Authorization(database, tenancy, settings.issuer),
        "inspection": Inspection(database, tokens, sessions, registration, services["revocations"]),
        "logout": Logout(tenancy, keyring, settings.issuer),
        "federation": Federation(database, enclave, directory, registration, settings.issuer),
    }


def _attestation(settings: Settings) -> Attestation:
    return Attestation(_anchors(settings), _collateral(settings))


def _anchors(settings: Settings) -> list[TrustAnchor]:
    """Raises BadSetting: the simulation's root certificate cannot be read."""
    if settings.simulated_root is None:
        return [INTEL]
    try:
        return [INTEL, TrustAnchor(settings.simulated_root.read_bytes())]
    except OSError as error:
        raise BadSetting(f"NSL_SIMULATED_ROOT cannot be read: {error.strerror}.") from error


def _collateral(settings: Settings) -> Pccs | None:
    return None if settings.pccs_url is None else Pccs(settings.pccs_url)


def trust(settings: Settings) -> Trust:
    """Which enclaves may be talked to. Raises BadSetting."""
    return Trust(settings.manifest_dir, _anchors(settings), _collateral(settings))


def key_enclave(settings: Settings, database: Database) -> EnclaveClient:
    """The key enclave's replicas. Raises BadSetting, and EnclaveUntrusted for a key that cannot be read."""
    identity = Identity.read(settings.client_name, settings.client_key)
    return EnclaveClient(settings.kme_addresses, trust(settings), identity, PostgresRegister(database))


@asynccontextmanager
async def _enclaves(settings: Settings, database: Database) -> AsyncIterator[Enclaves]:
    """Each replica by itself: whoever verifies wants to see them all."""
    identity, judge = Identity.read(settings.client_name, settings.client_key), trust(settings)
    register = PostgresRegister(database)
    async with AsyncExitStack() as stack:
        replicas = {}
        for number, address in enumerate(settings.kme_addresses, 1):
            name = Program.KME if number == 1 else f"{Program.KME}-{number}"
            replicas[str(name)] = await stack.enter_async_context(EnclaveClient([address], judge, identity, register))
        yield Enclaves(replicas, Program.KME, judge)


@asynccontextmanager
async def _breached(settings: Settings) -> AsyncIterator[BreachedPasswords]:
    if settings.breached_passwords_url is None:
        yield NoBreaches()
        return
    async with PwnedPasswords(settings.breached_passwords_url) as service:
        yield service


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
        servers = [uvicorn.Server(config)]
        if settings.https_port is not None:
            servers.append(tls.server(asgi, settings.http_host, settings.https_port, settings.https_dir))
        await asyncio.gather(*(server.serve() for server in servers))


async def work(settings: Settings) -> None:
    """``nsl work``: the pipeline until SIGTERM or SIGINT."""
    configure_logs(settings.log_level)
    url = needed(settings.database_worker_url, "NSL_DATABASE_WORKER_URL")
    async with (
        Database(url, connections_max=WORKER_CONNECTIONS_MAX) as database,
        key_enclave(settings, database) as enclave,
        enclave.attending(),
        chains(settings) as found,
        AsyncExitStack() as stack,
    ):
        witnesses = [await stack.enter_async_context(HttpWitness(witness, url)) for witness, url in settings.witnesses]
        witnessing = Witnessing(database, witnesses)
        log_origin = origin(trust(settings).constitution().cluster)
        lifecycle = Lifecycle(database, enclave)
        governing = Governing(database, enclave, lifecycle, Keys(database, enclave, lifecycle))
        steps = {
            "audit": LogKeeper(database, enclave, witnessing, log_origin).step,
            "witnesses": witnessing.step,
            "retention": Retention(database).step,
            "keys": KeyLives(database, lifecycle, governing).step,
            "logout": LogoutNotices(database, enclave, settings.issuer).step,
        }
        mailer = _mailer(settings)
        if mailer is not None:
            steps["mail"] = Outbox(database, mailer).step
        pipelines = [Pipeline(database, chain, enclave) for chain in found.values()]
        worker = Worker(database, pipelines, steps, {"audit": STEP_FULL, "retention": LEAVES_AT_ONCE_MAX})
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        serve_metrics(settings.worker_metrics_port, settings.http_host)
        await worker.run()


def _mailer(settings: Settings) -> Mailer | None:
    if settings.smtp_url is not None:
        return SmtpMailer(settings.smtp_url, settings.mail_sender)
    return None if settings.mail_dir is None else FileMailer(settings.mail_dir, settings.mail_sender)


async def bootstrap_admin(settings: Settings) -> dict[str, Any]:
    """``nsl admin bootstrap``: the first administrator's credentials, once. Raises AlreadyBootstrapped."""
    async with Database(needed(settings.database_owner_url, "NSL_DATABASE_OWNER_URL"), connections_max=1) as owner:
        return _credentials(settings, await bootstrap(owner))


async def open_break_glass(settings: Settings, reason: str, minutes: int) -> dict[str, Any]:
    """``nsl admin break-glass``: an administrator's credentials that end by themselves. Raises TenantUnknown."""
    configure_logs(settings.log_level)
    async with Database(needed(settings.database_owner_url, "NSL_DATABASE_OWNER_URL"), connections_max=1) as owner:
        made, expires_at = await break_glass(owner, reason, minutes)
        return _credentials(settings, made) | {"expires_at": expires_at.isoformat()}


def _credentials(settings: Settings, made: NewClient) -> dict[str, Any]:
    return {
        "base_url": settings.issuer,
        "client_id": str(made.client.id),
        "client_secret": made.secret,
        "tenant_id": str(made.client.tenant),
        "scopes": [scope.value for scope in made.client.scopes],
    }


def _n3_network(settings: Settings) -> PublicNetwork | None:
    if settings.n3 is None:
        return None
    return chosen(N3_NETWORKS, settings.n3.network, settings.n3.rpc_urls, settings.n3.network_id)


def _neo_x_network(settings: Settings) -> PublicNetwork | None:
    if settings.neo_x is None:
        return None
    return chosen(NEO_X_NETWORKS, settings.neo_x.network, settings.neo_x.rpc_urls, settings.neo_x.network_id)


@asynccontextmanager
async def _n3(settings: Settings) -> AsyncIterator[NeoN3 | None]:
    network = _n3_network(settings)
    if network is None:
        yield None
        return
    async with NeoN3(network.number, network.rpc_urls) as chain:
        yield chain


@asynccontextmanager
async def _neo_x(settings: Settings) -> AsyncIterator[NeoX | None]:
    network = _neo_x_network(settings)
    if network is None:
        yield None
        return
    async with NeoX(network.number, network.rpc_urls) as chain:
        yield chain
