"""The host of a cluster inside the test's own process: the service's code that carries between the replicas.

The database is in memory, and may be copied and brought back. A replica that is ``silent`` does not answer.
"""

import asyncio
from collections.abc import Coroutine
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from nsl.adapters.enclave.errors import EnclaveDown
from nsl.adapters.enclave.register import Item, Register
from nsl_protocol.cluster import register
from nsl_protocol.enclave.agreement import Certificate, GetHead, HeadShown
from nsl_protocol.enclave.lifecycle import ChangeKey, KeyChange, KeyChanged
from nsl_protocol.enclave.messages import (
    Answer,
    CreateKey,
    Curve,
    KeyCreated,
    Refused,
    Request,
    Sign,
    Signature,
    Signed,
    SignOrder,
)
from nsl_protocol.enclave.signable import SignMessage
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.document import Policy
from tests.enclave.ceremonies import bootstrap, join
from tests.enclave.replica import Founders, Replica, client
from tests.support.register import MemoryRegister

NAME = KeyName(b"t" * 16, b"k" * 16, 1)


def key_name(number: int) -> KeyName:
    """As many as a test wants."""
    return KeyName(b"t" * 16, number.to_bytes(16), 1)


class Host:
    """With its database and the replicas that it can reach."""

    def __init__(self, *replicas: Replica, store: MemoryRegister | None = None) -> None:
        self.replicas = list(replicas)
        self.silent: set[Replica] = set()
        self.store = store or MemoryRegister()

    def backup(self) -> MemoryRegister:
        """The database as it is now."""
        return copy(self.store)

    @property
    def certificate(self) -> Certificate:
        """The newest that the database has."""
        found = self.store.certificate
        assert found is not None
        return found

    @property
    def carrying(self) -> Register:
        """The service's code."""
        return Register(
            self.store,
            [partial(self._ask, each) for each in self.replicas],
            lambda: self.replicas[0].constitution.present,
        )

    def path(self, item: WrappedKey) -> register.Path:
        """To it in the database."""
        return _run(self.store.path(item.index))[1]

    def attend(self) -> None:
        _run(self.carrying.attend())

    def enter(self, item: Item) -> None:
        _run(self.carrying.enter(item))

    def show(self, replica: Replica, item: Item) -> None:
        _run(self.carrying.show(partial(self._ask, replica), item))

    def make_key(self, name: KeyName = NAME) -> KeyCreated:
        """By the first replica that answers, and entered."""
        maker = next(each for each in self.replicas if each not in self.silent)
        made = maker.ask(KeyCreated, CreateKey(name, Curve.ED25519, Policy().canonical), client())
        self.enter(WrappedKey(name, made.wrapped))
        return made

    def change_key(
        self, wrapped: bytes, change: KeyChange, *, wait_seconds: int = 0, name: KeyName = NAME
    ) -> KeyChanged:
        """The next edition, by the first replica that answers, and entered."""
        maker = next(each for each in self.replicas if each not in self.silent)
        made = maker.ask(KeyChanged, ChangeKey(name, wrapped, change, wait_seconds), client())
        self.enter(WrappedKey(name, made.wrapped))
        return made

    def public_key_of(self, replica: Replica, wrapped: bytes, name: KeyName = NAME) -> bytes:
        """By which that replica signs, after it was shown the key if it asks for it."""
        result = self.sign(replica, wrapped, name)
        if isinstance(result, Refused) and result.code == "NOT_SHOWN":
            self.show(replica, WrappedKey(name, wrapped))
            result = self.sign(replica, wrapped, name)
        assert isinstance(result, Signature), result
        return result.public_key

    def sign(self, replica: Replica, wrapped: bytes, name: KeyName = NAME) -> Signature | Refused:
        """Nothing is shown before."""
        answer = replica.call(Sign((SignOrder(name, wrapped, SignMessage(b"m"), uuid4().bytes),)), client())
        return answer.results[0] if isinstance(answer, Signed) else _refused(answer)

    async def _ask(self, replica: Replica, request: Request) -> Answer:
        if replica in self.silent:
            raise EnclaveDown("It is silent.")
        return replica.call(request, client())


def _refused(answer: Answer) -> Refused:
    assert isinstance(answer, Refused), answer
    return answer


def _run[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def founded(founders: Founders, directory: Path) -> Host:
    """Three members, each with a lease, and their database."""
    first, second, third = (Replica(founders, directory / str(number)) for number in (1, 2, 3))
    bootstrap(first, founders)
    for each in (second, third):
        join(first, each)
    host = Host(first, second, third)
    host.attend()
    return host


def restarted(host: Host, founders: Founders, directory: Path, *numbers: int) -> None:
    """From their seals."""
    for number in numbers:
        host.replicas[number - 1] = Replica(founders, directory / str(number))


def unentered(replica: Replica, number: int) -> WrappedKey:
    """A key that the register has not."""
    name = key_name(number)
    made = replica.ask(KeyCreated, CreateKey(name, Curve.ED25519, Policy().canonical), client())
    return WrappedKey(name, made.wrapped)


def shown(replica: Replica) -> HeadShown:
    """Where a replica is."""
    return replica.ask(HeadShown, GetHead(), client())
