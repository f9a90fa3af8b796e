"""What secret keys do: encrypt, decrypt, authenticate. What comes of it leaves when its leaf is written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from nsl.identity.model import Caller
from nsl.keys.errors import CiphertextNotAuthentic, KindUnsuitable
from nsl.keys.model import KINDS_OF_CURVE, Key, WrappedKey
from nsl.keys.ports import SecretEnclave
from nsl.keys.service.journal import Page
from nsl.keys.service.signing import NOT_REGISTERED, KeyReplaced, Keys, failure_of
from nsl.kit.errors import Failure
from nsl.kit.ids import new_id
from nsl_protocol.enclave.messages import Refused
from nsl_protocol.enclave.symmetric import (
    Authenticate,
    CheckMac,
    Decrypt,
    Encrypt,
    GenerateDataKey,
    Task,
    UseOrder,
)
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Kind

_KINDS: Final[dict[type[Task], Kind]] = {
    Encrypt: Kind.ENCRYPT,
    Decrypt: Kind.DECRYPT,
    GenerateDataKey: Kind.DATA_KEY,
    Authenticate: Kind.MAC,
    CheckMac: Kind.VERIFY_MAC,
}


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a task; its leaf is written down under ``record``. ``data_key``: in the clear, where it is shown."""

    value: bytes
    data_key: bytes | None
    key: Key
    record: UUID


class SecretKeys:
    """The secret keys of all tenants, one tenant at a time."""

    def __init__(self, keys: Keys, enclave: SecretEnclave) -> None:
        self._keys = keys
        self._enclave = enclave

    async def use(self, caller: Caller, key_id: UUID, tasks: Sequence[Task]) -> list[Done | Failure]:
        """Do each or say why not, in order. A task that is repeated is done again.

        Raises:
            KeyUnknown, KeyNotActive: nothing was done.
            KindUnsuitable: a key of this curve does not do that.
        """
        return await self._keys.with_active(
            caller.tenant, key_id, lambda wrapped, again: self._use(caller, wrapped, tasks, again=again)
        )

    async def _use(
        self, caller: Caller, wrapped: WrappedKey, tasks: Sequence[Task], *, again: bool
    ) -> list[Done | Failure]:
        key = wrapped.key
        for task in tasks:
            if _KINDS[type(task)] not in KINDS_OF_CURVE[key.curve]:
                can = ", ".join(sorted(KINDS_OF_CURVE[key.curve]))
                raise KindUnsuitable(f"A key of {key.curve} cannot {_KINDS[type(task)]}; it can: {can}.")
        name = KeyName(caller.tenant.bytes, key.id.bytes, key.version)
        records = [new_id() for _ in tasks]
        orders = [
            UseOrder(name, wrapped.wrapped, task, record.bytes) for task, record in zip(tasks, records, strict=True)
        ]
        answers = await self._enclave.use(orders)
        if not again and any(isinstance(each, Refused) and each.code == NOT_REGISTERED for each in answers):
            raise KeyReplaced
        leaves = [
            (record, caller.tenant, answer.leaf)
            for record, answer in zip(records, answers, strict=True)
            if answer.leaf is not None
        ]
        if leaves:
            used = () if all(isinstance(each, Refused) for each in answers) else (key.id,)
            await self._keys.journal.keep(caller.tenant, Page(leaves, (), None, used))
        return [
            _failure(answer) if isinstance(answer, Refused) else Done(answer.value, answer.data_key, key, record)
            for record, answer in zip(records, answers, strict=True)
        ]


def _failure(refused: Refused) -> Failure:
    if refused.code == CiphertextNotAuthentic.code:
        return CiphertextNotAuthentic(refused.reason, field="ciphertext")
    return failure_of(refused)
