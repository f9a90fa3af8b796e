"""What keys and the audit log are tested on: a real database, three replicas in the test's own process."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from nsl.adapters.enclave import EnclaveRefused, PostgresRegister
from nsl.adapters.enclave.register import Register
from nsl.audit.model import Evidence
from nsl.cli.up.postgres import APP, OWNER, WORKER, Postgres
from nsl.identity.model import DEFAULT_PLAN, Caller
from nsl.identity.service import Revocations, Tenancy
from nsl.keys.errors import KeyNotActive, SigningRefused
from nsl.keys.jobs import KeyLives
from nsl.keys.model import Key, Kind, Labels, Usage
from nsl.keys.service import Governing, Keys, Lifecycle, Made, PortableKeys, ToSign
from nsl.kit.clock import now
from nsl.kit.db import Database
from nsl.kit.replicas import LocalBus
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.enclave.lifecycle import DAY_SECONDS, ChangeApproval, ChangeKey, KeyChange, KeyChanged
from nsl_protocol.enclave.log import (
    NUMBER_MAX,
    AppendLeaves,
    GetLeaves,
    HeadSigned,
    LeavesAppended,
    LeavesKept,
    Lost,
    SignHead,
    ToAppend,
)
from nsl_protocol.enclave.membership import GetQuote, Quoted
from nsl_protocol.enclave.messages import (
    Answer,
    CreateKey,
    Curve,
    GetStatus,
    ImportKey,
    KeyCreated,
    Refused,
    Request,
    Rewrap,
    Rewrapped,
    Sign,
    Signature,
    Signed,
    SignOrder,
    Status,
)
from nsl_protocol.enclave.policies import ChangePolicy, PolicyChanged, SettlePolicy
from nsl_protocol.enclave.portable import AttestKey, ExportKey, KeyAttested, KeyExported
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey, WrappedLog
from nsl_protocol.policy.document import Policy
from tests.enclave.ceremonies import bootstrap, join
from tests.enclave.replica import Founders, Replica, client


class InProcessEnclave:
    """The service's client, without the channel: the replicas are called, and the register is carried as always."""

    def __init__(self, replicas: Sequence[Replica], database: Database) -> None:
        self.replicas = replicas
        asks = [partial(self._ask, each) for each in replicas]
        self.register = Register(PostgresRegister(database), asks, lambda: replicas[0].constitution.present)

    async def status(self) -> Status:
        return self.replicas[0].ask(Status, GetStatus(), client())

    async def create_key(
        self, name: KeyName, curve: Curve, policy: Policy, *, recipients: Sequence[bytes] = ()
    ) -> KeyCreated:
        made = self.replicas[0].ask(KeyCreated, CreateKey(name, curve, policy.canonical, tuple(recipients)), client())
        await self.register.enter(WrappedKey(name, made.wrapped))
        return made

    async def proof(self, purpose: Purpose, nonce: bytes) -> Quoted:
        return self.replicas[0].ask(Quoted, GetQuote(purpose, nonce))

    async def import_key(self, order: ImportKey) -> KeyCreated:
        answer = self.replicas[0].call(order, client())
        if isinstance(answer, Refused):
            raise EnclaveRefused(answer)
        assert isinstance(answer, KeyCreated)
        await self.register.enter(WrappedKey(order.terms.name, answer.wrapped))
        return answer

    async def export_key(self, name: KeyName, wrapped: bytes, recipient: bytes) -> KeyExported:
        item, first = WrappedKey(name, wrapped), partial(self._ask, self.replicas[0])
        return await self.register.ask_present(
            first, item, lambda head, path: ExportKey(head, item, path, recipient), KeyExported
        )

    async def attest_key(self, name: KeyName, wrapped: bytes, nonce: bytes) -> KeyAttested:
        item, first = WrappedKey(name, wrapped), partial(self._ask, self.replicas[0])
        return await self.register.ask_present(
            first, item, lambda head, path: AttestKey(head, item, path, nonce), KeyAttested
        )

    async def change_key(
        self,
        name: KeyName,
        wrapped: bytes,
        change: KeyChange,
        wait_seconds: int = 0,
        approval: ChangeApproval | None = None,
    ) -> KeyChanged:
        answer = self.replicas[0].call(ChangeKey(name, wrapped, change, wait_seconds, approval), client())
        if isinstance(answer, Refused):
            raise EnclaveRefused(answer)
        assert isinstance(answer, KeyChanged)
        return answer

    async def change_policy(
        self, name: KeyName, wrapped: bytes, policy: Policy, expires_at: int, approvals: Mapping[str, bytes]
    ) -> PolicyChanged:
        return self._policy_changed(ChangePolicy(name, wrapped, policy.canonical, expires_at, dict(approvals)))

    async def settle_policy(self, name: KeyName, wrapped: bytes, *, withdrawn: bool) -> PolicyChanged:
        return self._policy_changed(SettlePolicy(name, wrapped, withdrawn))

    @property
    def cluster(self) -> bytes:
        return self.replicas[0].constitution.cluster

    def _policy_changed(self, order: ChangePolicy | SettlePolicy) -> PolicyChanged:
        answer = self.replicas[0].call(order, client())
        if isinstance(answer, Refused):
            raise EnclaveRefused(answer)
        assert isinstance(answer, PolicyChanged)
        return answer

    async def enter_key(self, name: KeyName, wrapped: bytes) -> None:
        await self.register.enter(WrappedKey(name, wrapped))

    async def rewrap(self, items: Sequence[Any]) -> tuple[bytes | Refused, ...]:
        return self.replicas[0].ask(Rewrapped, Rewrap(tuple(items)), client()).results

    async def append_leaves(self, log: bytes | None, items: Sequence[ToAppend | Lost]) -> LeavesAppended:
        answer = self.replicas[0].call(AppendLeaves(log, tuple(items)), client())
        if isinstance(answer, Refused):
            raise EnclaveRefused(answer)
        assert isinstance(answer, LeavesAppended)
        return answer

    async def enter_log(self, log: bytes) -> None:
        await self.register.enter(WrappedLog(log))

    async def sign_head(self, log: bytes) -> HeadSigned:
        await self.register.show(partial(self._ask, self.replicas[-1]), WrappedLog(log))
        return self.replicas[-1].ask(HeadSigned, SignHead(log), client())

    async def evidence(self, nonce: bytes) -> Evidence:
        quoted = self.replicas[0].ask(Quoted, GetQuote(Purpose.EVIDENCE, nonce))
        log_key, version = quoted.keys
        collateral = (quoted.collateral or b"").decode()
        return Evidence(log_key, now(), nonce, int.from_bytes(version), quoted.quote, collateral)

    async def leaves_kept(self, following: Mapping[bytes, int]) -> tuple[list[LeavesKept], bool]:
        kept = []
        for replica in self.replicas:
            run = replica.ask(LeavesKept, GetLeaves(NUMBER_MAX), client()).run
            kept.append(replica.ask(LeavesKept, GetLeaves(following.get(run, 0)), client()))
        return kept, True

    async def sign(
        self,
        orders: Sequence[SignOrder],
        *,
        slow: bool = False,  # noqa: ARG002 - nobody else is there to go between
    ) -> tuple[Signature | Refused, ...]:
        return tuple([await self._sign_one(each) for each in orders])

    async def _sign_one(self, order: SignOrder) -> Signature | Refused:
        replica = self.replicas[-1]
        (result,) = replica.ask(Signed, Sign((order,)), client()).results
        if isinstance(result, Refused) and result.code == "NOT_SHOWN":
            try:
                await self.register.show(partial(self._ask, replica), WrappedKey(order.name, order.wrapped))
            except EnclaveRefused as refused:
                return Refused(refused.code, refused.detail)
            (result,) = replica.ask(Signed, Sign((order,)), client()).results
        return result

    async def _ask(self, replica: Replica, request: Request) -> Answer:
        return replica.call(request, client())


@dataclass
class Bench:
    """Everything, and short ways to use it."""

    server: Postgres
    app: Database
    worker: Database
    enclave: InProcessEnclave
    caller: Caller
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = Keys(self.app, self.enclave, self.lifecycle)

    @property
    def tenant(self) -> UUID:
        return self.caller.tenant

    @property
    def lifecycle(self) -> Lifecycle:
        """As the API has it."""
        return Lifecycle(self.app, self.enclave)

    @property
    def portable(self) -> PortableKeys:
        """As the API has it."""
        return PortableKeys(self.app, self.enclave, self.lifecycle, timedelta(days=35))

    @property
    def lives(self) -> KeyLives:
        """As the worker has it."""
        lifecycle = Lifecycle(self.worker, self.enclave)
        governing = Governing(self.worker, self.enclave, lifecycle, Keys(self.worker, self.enclave, lifecycle))
        return KeyLives(self.worker, lifecycle, governing)

    @property
    def governing(self) -> Governing:
        """As the API has it."""
        return Governing(self.app, self.enclave, self.lifecycle, self.keys)

    async def new_key(self, *recipients: bytes, policy: Policy | None = None) -> Key:
        return await self.keys.create(
            self.caller,
            labels=Labels("k"),
            curve=Curve.ED25519,
            usages=(Usage.SIGN,),
            policy=policy or Policy(),
            rotation_days=90,
            recipients=recipients,
        )

    async def signs(self, key: Key) -> str:
        """``yes``, or the code of the refusal, by an API that remembers nothing."""
        fresh = Keys(self.app, self.enclave, self.lifecycle)
        try:
            (result,) = await fresh.sign(self.caller, key.id, [ToSign(Kind.MESSAGE, b"m")])
        except KeyNotActive as failure:
            return failure.code
        if isinstance(result, Made):
            return "yes"
        return result.enclave_code if isinstance(result, SigningRefused) else result.code

    def later(self, days: int) -> None:
        """So much time passes at every replica."""
        for replica in self.enclave.replicas:
            replica.cluster.agree(replica.cluster.now() + days * DAY_SECONDS)

    def owner(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As the owner, who works for the tenant here."""
        with psycopg.connect(self.server.url(OWNER), autocommit=True) as owner:
            owner.execute("SELECT set_config('app.current_tenant', %s, false)", [str(self.tenant)])
            cursor = owner.execute(statement, parameters)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def audited(self, key: Key) -> list[tuple[str, str]]:
        """Action and actor, oldest first."""
        return self.owner("SELECT action, actor FROM audit_events WHERE target = %s ORDER BY id", str(key.id))


def caller(tenant: UUID) -> Caller:
    """Somebody of that tenant."""
    return Caller(str(uuid4()), tenant, uuid4(), frozenset(), DEFAULT_PLAN)


def databases(server: Postgres) -> tuple[Database, Database]:
    """The application's and the worker's."""
    return Database(server.url(APP)), Database(server.url(WORKER))


@asynccontextmanager
async def benched(server: Postgres, directory: Path, replicas: int) -> AsyncIterator[tuple[Bench, Founders]]:
    """A cluster of its own; nothing is there of the one before."""
    with psycopg.connect(server.url(OWNER), autocommit=True) as owner:
        owner.execute("UPDATE key_register SET certificate = NULL, pending = NULL")
        owner.execute("TRUNCATE audit_positions, audit_nodes, audit_runs, audit_heads, audit_leaves, audit_log")
        owner.execute("INSERT INTO audit_log DEFAULT VALUES")
        owner.execute("TRUNCATE key_register_nodes, keys CASCADE")
    founders = Founders(directory / "manifest")
    found = [Replica(founders, directory / str(number)) for number in range(replicas)]
    bootstrap(found[0], founders)
    for each in found[1:]:
        join(found[0], each)
    app, worker = databases(server)
    async with app, worker:
        enclave = InProcessEnclave(found, app)
        await enclave.register.attend()
        tenant = (await Tenancy(app, Revocations(app, LocalBus())).create_tenant("t", None)).id
        yield Bench(server, app, worker, enclave, caller(tenant)), founders
