"""A host that was taken over: it runs the API's process, and is PostgreSQL's superuser.

The API's key is its own, so every key enclave answers it: it sends them whatever it likes, and writes into any table
whatever it likes. Only the enclaves' processes are not its own.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

import psycopg

from nsl.adapters.enclave import EnclaveClient, EnclaveRefused, PostgresRegister
from nsl.cli.up.postgres import SUPERUSER
from nsl.cli.up.stack import Stack
from nsl.kit.clock import unix_seconds
from nsl.kit.db import Database
from nsl_client import AsyncClient, Key
from nsl_client.calls import Curve as CurveName
from nsl_client.governance import approve, policy_change
from nsl_client.policies import KeyPolicy
from nsl_protocol.cluster.register import Path
from nsl_protocol.enclave.agreement import Certificate, Item, Propose
from nsl_protocol.enclave.messages import Answer, Refused, Request, Sign, Signature, Signed, SignOrder
from nsl_protocol.enclave.policies import Approval
from nsl_protocol.enclave.signable import Signable
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.document import Policy


class By(StrEnum):
    """Who stands in the host's way."""

    ENCLAVE = "each enclave, by what is sealed in what it is given"
    MAJORITY = "each enclave, by the register that a majority of them agrees on"


#: codes of refusals that rest on what the replicas agreed on; all others rest on what one of them sees itself
_OF_THE_REGISTER = frozenset({"ALREADY_REGISTERED", "DATABASE_OLDER", "NOT_REGISTERED", "NO_LEASE", "WINDOW_EXCEEDED"})

type Attempt = Callable[[Certificate, Path], Request]


@dataclass
class MaliciousHost:
    """``tenant``: whose keys it is after."""

    stack: Stack
    tenant: UUID
    enclave: EnclaveClient
    register: PostgresRegister

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As the superuser, whom no row-level security confines."""
        with psycopg.connect(self.stack.postgres.url(SUPERUSER), autocommit=True) as superuser:
            cursor = superuser.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    @cached_property
    def cluster(self) -> bytes:
        """Its id."""
        return self.stack.cluster.trust().constitution().cluster

    def name(self, key: Key) -> KeyName:
        """By which enclaves know it."""
        return KeyName(self.tenant.bytes, UUID(key.id).bytes, 1)

    def wrapped(self, key: Key) -> bytes:
        """What the database has of it."""
        ((found,),) = self.sql("SELECT wrapped FROM key_versions WHERE key_id = %s", key.id)
        return bytes(found)

    def put(self, key: Key, wrapped: bytes) -> None:
        """Into the key's row."""
        self.sql("UPDATE key_versions SET wrapped = %s WHERE key_id = %s", wrapped, key.id)

    # Each replica is asked alone: what is said here holds for whichever the host turns to. --------------------------

    async def answers(self, request: Request) -> list[Answer]:
        """Of each replica. A single signature's, where that is what is asked."""
        return [_single(await replica.ask(request)) for replica in self.enclave._links.replicas]

    async def refused(self, request: Request) -> tuple[By, str]:
        """By whom, and the code. Fails where a replica does it, or the replicas differ."""
        return _refusal({_code(each) for each in await self.answers(request)})

    async def refused_present[T: Answer](self, item: Item, attempt: Attempt, kind: type[T]) -> tuple[By, str]:
        """The same of a request that brings the item's path in the register, as the database has it."""
        codes = set()
        for replica in self.enclave._links.replicas:
            try:
                codes.add(_code(await self.enclave.register.ask_present(replica.ask, item, attempt, kind)))
            except EnclaveRefused as refused:
                codes.add(refused.code)
        return _refusal(codes)

    async def refused_to_enter(self, item: Item) -> tuple[By, str]:
        """By whom an edition is kept out of the register, and the code."""
        codes = set()
        for replica in self.enclave._links.replicas:
            kept, path = await self.register.path(item.index)
            assert kept.certificate is not None
            codes.add(_code(await replica.ask(Propose(kept.certificate, item, path))))
        return _refusal(codes)

    async def signs(
        self, key: Key, what: Signable, *, wrapped: bytes | None = None, approval: Approval | None = None
    ) -> Signature | tuple[By, str]:
        """Whether every replica signs, each shown the key if it asks for it; or why none does."""
        name, blob = self.name(key), wrapped or self.wrapped(key)
        answers: list[Any] = []
        for replica in self.enclave._links.replicas:
            order = Sign((SignOrder(name, blob, what, uuid4().bytes, approval),))
            answer = _single(await replica.ask(order))
            if _code(answer) == "NOT_SHOWN":
                try:
                    await self.enclave.register.show(replica.ask, WrappedKey(name, blob))
                    answer = _single(await replica.ask(order))
                except EnclaveRefused as refused:
                    answer = Refused(refused.code, refused.detail)
            answers.append(answer)
        made = [each for each in answers if isinstance(each, Signature)]
        if len(made) == len(answers):
            return made[0]
        return _refusal({_code(each) for each in answers})


def _single(answer: Answer) -> Any:
    return answer.results[0] if isinstance(answer, Signed) else answer


def refusal_of(answer: Answer | Signature) -> tuple[By, str]:
    """By whom, and the code. Fails where it is none."""
    return _refusal({_code(answer)})


def _code(answer: Answer | Signature) -> str:
    return answer.code if isinstance(answer, Refused) else f"did it: {type(answer).__name__}"


def _refusal(codes: set[str]) -> tuple[By, str]:
    (code,) = codes
    assert not code.startswith("did it"), code
    return By.MAJORITY if code in _OF_THE_REGISTER else By.ENCLAVE, code


@asynccontextmanager
async def malicious_host(stack: Stack, tenant: UUID) -> AsyncIterator[MaliciousHost]:
    """It begins with what the API has."""
    addresses = [("127.0.0.1", each.port) for each in stack.kmes]
    async with Database(stack.postgres.url(SUPERUSER), connections_max=2) as database:
        register = PostgresRegister(database)
        async with EnclaveClient(addresses, stack.cluster.trust(), stack.cluster.identity(), register) as enclave:
            yield MaliciousHost(stack, tenant, enclave, register)


# What happens honestly ------------------------------------------------------------------------------------------------


async def key_under(client: AsyncClient, policy: Policy, curve: CurveName = "secp256k1") -> Key:
    """A key of that policy."""
    return await client.keys.create("k", curve, policy=json.loads(policy.canonical))


async def changed(client: AsyncClient, host: MaliciousHost, key: Key, to: Policy) -> None:
    """The policy of a key, by its approvers."""
    shown = await client.keys.policy(key.id)
    present = KeyPolicy(shown.hash, shown.policy, shown.number, shown.cluster)
    document, until = json.loads(to.canonical), unix_seconds() + 3600
    change = policy_change(key.id, str(host.tenant), present, document, expires_at=until)
    approvals = {"ann": approve(change, b"a" * 32), "bob": approve(change, b"b" * 32)}
    await client.keys.change_policy(key.id, document, expires_at=until, approvals=approvals)
