"""The pipeline on real parts, without HTTP: PostgreSQL, both devnets, the key enclave, a tenant and two funded keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from nsl.adapters.enclave import EnclaveClient, PostgresRegister
from nsl.adapters.neo_n3 import NeoN3
from nsl.adapters.neo_x import NeoX
from nsl.cli.up.faucet import Payment, pay_n3, pay_neox
from nsl.cli.up.kme import Kme, development_cluster, establish, start_cluster
from nsl.cli.up.n3 import MAGIC, N3Node
from nsl.cli.up.neox import NeoxNode
from nsl.cli.up.neox.rules import CHAIN_ID
from nsl.cli.up.postgres import APP, OWNER, WORKER, Postgres
from nsl.cli.up.supervisor import Supervisor
from nsl.identity.model import DEFAULT_PLAN, Caller
from nsl.identity.service import Revocations, Tenancy
from nsl.keys.model import Key, Labels, Usage
from nsl.keys.service import DepositAddresses, Keys, Lifecycle
from nsl.kit import migrate
from nsl.kit.db import Database
from nsl.kit.replicas import LocalBus
from nsl.ledger.model import GAS_N3, NEO_N3, ChainName
from nsl.ledger.service import Ledger
from nsl.transactions.jobs import Pipeline
from nsl.transactions.model import FINAL, Transaction
from nsl.transactions.ports import Chain
from nsl.transactions.service import NewTransfer, Transactions
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.policy.document import Policy
from tests.support.drivers import running

N3_FUNDS = 1_000 * 10**8
NEO_FUNDS = 1_000
NEO_X_FUNDS = 100 * 10**18


@dataclass
class Stand:
    """Everything, and short ways to use it."""

    supervisor: Supervisor
    postgres: Postgres
    n3: N3Node
    neox: NeoxNode
    chains: dict[ChainName, Chain]
    enclave: EnclaveClient
    database: Database
    worker: Database
    tenant: UUID
    transactions: Transactions
    pipelines: dict[ChainName, Pipeline]
    payers: dict[ChainName, Key]
    count: int = field(default=0)

    async def pay(self, chain: ChainName, to: str, amount: str, asset: str = "GAS", seconds: int = 900) -> Transaction:
        """Accept a transfer under a fresh Idempotency-Key."""
        self.count += 1
        request = NewTransfer(
            chain=chain, from_key=self.payers[chain].id, asset=asset, to=to, amount=amount, valid_for_seconds=seconds
        )
        name = f"payment-{self.count}"
        return await self.transactions.create(self.tenant, name, sha256(name.encode()).digest(), request)

    async def until_final(self, *made: Transaction, seconds: float = 30) -> list[Transaction]:
        """Drive the pipelines until these transactions are final."""
        async with asyncio.timeout(seconds):
            while True:
                found = [(await self.transactions.get(self.tenant, each.id))[0] for each in made]
                if all(each.state in FINAL for each in found):
                    return found
                await self.turn()
                await asyncio.sleep(0.02)

    async def turn(self) -> None:
        """Every step of both chains, once."""
        for pipeline in self.pipelines.values():
            for step in (pipeline.prepare, pipeline.sign, pipeline.send, pipeline.follow):
                await step()


@asynccontextmanager
async def pipeline_stand(directory: Path) -> AsyncIterator[Stand]:
    """Start everything, 100 ms blocks, and fund the payers.

    Raises:
        ProgramMissing: there is no anvil.
    """
    async with AsyncExitStack() as stack:
        state, supervisor = await stack.enter_async_context(running(directory))
        cluster = development_cluster(state)
        server, n3 = Postgres.at(state), N3Node.at(state, block_time_ms=100)
        neox, kme = NeoxNode.at(state, block_time_ms=100), Kme.at(state, cluster)
        await server.prepare()
        await n3.prepare()
        for spec in (server.spec(), n3.spec(), neox.spec()):
            await supervisor.start(spec)
        await start_cluster(supervisor, cluster, [kme])
        await server.provision()
        for phase in migrate.PHASES:
            await migrate.apply(server.url(OWNER), phase)
        await establish(cluster, [kme], server.url(OWNER), may_found=True)
        app = await stack.enter_async_context(Database(server.url(APP)))
        known = EnclaveClient([("127.0.0.1", kme.port)], cluster.trust(), cluster.identity(), PostgresRegister(app))
        enclave = await stack.enter_async_context(known)
        worker = await stack.enter_async_context(Database(server.url(WORKER)))
        chains: dict[ChainName, Chain] = {
            ChainName.NEO_N3: await stack.enter_async_context(NeoN3(MAGIC, [n3.url])),
            ChainName.NEO_X: await stack.enter_async_context(NeoX(CHAIN_ID, [neox.url])),
        }
        tenant, keys = (
            (await Tenancy(app, Revocations(app, LocalBus())).create_tenant("stand", None)).id,
            Keys(app, enclave, Lifecycle(app, enclave)),
        )
        caller = Caller("test", tenant, tenant, frozenset(), DEFAULT_PLAN)
        payers = {
            chain: await keys.create(
                caller, labels=Labels("payer"), curve=curve, usages=(Usage.SIGN,), policy=Policy(), rotation_days=90
            )
            for chain, curve in ((ChainName.NEO_N3, Curve.SECP256R1), (ChainName.NEO_X, Curve.SECP256K1))
        }
        stand = Stand(
            supervisor=supervisor,
            postgres=server,
            n3=n3,
            neox=neox,
            chains=chains,
            enclave=enclave,
            database=app,
            worker=worker,
            tenant=tenant,
            transactions=Transactions(app, chains, Ledger(chains), keys, DepositAddresses(app, keys, enclave)),
            pipelines={name: Pipeline(worker, chain, enclave) for name, chain in chains.items()},
            payers=payers,
        )
        await stand.turn()
        await _fund(stand)
        yield stand


async def _fund(stand: Stand) -> None:
    address = stand.payers[ChainName.NEO_N3].addresses[ChainName.NEO_N3]
    await pay_n3(
        stand.n3,
        [Payment(address, N3_FUNDS, str(GAS_N3.contract)), Payment(address, NEO_FUNDS, str(NEO_N3.contract))],
    )
    await pay_neox(stand.neox, [Payment(stand.payers[ChainName.NEO_X].addresses[ChainName.NEO_X], NEO_X_FUNDS)])
