"""Keys: made in the enclave, listed, changed, signed with. What leaves is written down first."""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from nsl.identity.errors import RootReplaced
from nsl.identity.model import Caller
from nsl.identity.service import Note, actor_of, keep_leaves
from nsl.identity.service import note as note_act
from nsl.keys import store
from nsl.keys.errors import (
    KeyFrozen,
    KeyNotActive,
    KeyUnknown,
    KindUnsuitable,
    PayloadUnreadable,
    SigningRefused,
)
from nsl.keys.model import (
    Enclave,
    Key,
    KeyFilter,
    Labels,
    Policies,
    Usage,
    WrappedKey,
    addresses_of,
    policy_for,
)
from nsl.keys.ports import KeyEnclave
from nsl.keys.service.aliases import aliases_named, insist_on_free
from nsl.keys.service.asking import ToSign, signable
from nsl.keys.service.freezing import insist_on_no_freeze
from nsl.keys.service.journal import Journal, Page
from nsl.keys.service.lifecycle import Lifecycle
from nsl.keys.service.portable import insist_on_suitable, refusals_named
from nsl.keys.store import NotedSignature
from nsl.kit.clock import monotonic, now
from nsl.kit.db import Connection, Database
from nsl.kit.errors import Denied, Failure
from nsl.kit.ids import new_id
from nsl_protocol.enclave.evaluation import Evaluated
from nsl_protocol.enclave.lifecycle import ChangeApproval, KeyChange, KeyState, inactive
from nsl_protocol.enclave.messages import Curve, Refused, Signature, SignOrder
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Policy

KEYS_KEPT_SECONDS: Final = 1.0
KEYS_KEPT_MAX: Final = 10_000
_NOT_UNDERSTOOD = frozenset({"NOT_UNDERSTOOD", "WRONG_CURVE", "WRONG_CHAIN"})
NOT_REGISTERED = "NOT_REGISTERED"


@dataclass(frozen=True, slots=True)
class Made:
    """A signature that may leave: it is written down under ``receipt``."""

    signature: Signature
    key: Key
    receipt: UUID


type Signed = list[Made | Failure]


class KeyReplaced(Exception):
    """The register of keys has another edition than the one that was read: it was changed meanwhile, or half."""


class Keys:
    """The keys of all tenants, one tenant at a time."""

    def __init__(self, database: Database, enclave: KeyEnclave, lifecycle: Lifecycle, *, cached: bool = True) -> None:
        self._database = database
        self._enclave = enclave
        self._lifecycle = lifecycle
        self.journal = Journal(database)
        self._cached = cached
        self._kept: OrderedDict[tuple[UUID, UUID], tuple[float, WrappedKey]] = OrderedDict()

    async def create(
        self,
        caller: Caller,
        *,
        labels: Labels,
        curve: Curve,
        usages: Sequence[Usage],
        policy: Policy,
        rotation_days: int,
        recipients: Sequence[bytes] = (),
        note: Note[Key] | None = None,
    ) -> Key:
        """Make a key. Only its wrapped form leaves the enclave.

        Raises:
            PolicyUnsuitable: the policy speaks of something that it does not define.
            KindUnsuitable: it names a kind that no key of this curve signs.
            RecipientUnsuitable: no key can be encrypted to one of the recipients.
            AliasTaken: another live key has it.
            TenantFrozen
        """
        policy = policy_for(usages, policy, curve)
        insist_on_suitable(policy, curve)
        await insist_on_no_freeze(self._database, caller.tenant)
        await insist_on_free(self._database, caller.tenant, labels.alias)
        key_id = new_id()
        status = await self._enclave.status()
        name_inside = KeyName(caller.tenant.bytes, key_id.bytes, 1)
        with refusals_named():
            made = await self._enclave.create_key(name_inside, curve, policy, recipients=recipients)
        created_at = now()
        key = Key(
            id=key_id,
            labels=labels,
            curve=curve,
            version=1,
            state=KeyState.ACTIVE,
            usages=tuple(usages),
            policies=Policies(policy),
            public_key=made.public_key,
            addresses=addresses_of(curve, made.public_key),
            created_at=created_at,
            rotation_days=rotation_days,
            rotates_at=created_at + timedelta(days=rotation_days),
            enclave=Enclave(status.mode, status.measurement),
            recipients=tuple(recipients),
        )
        async with self._database.transaction(caller.tenant) as connection:
            with aliases_named(labels.alias):
                await store.insert(connection, caller.tenant, WrappedKey(key, made.wrapped), caller.subject)
            await keep_leaves(connection, [(key_id, caller.tenant, made.leaf)])
            if note is not None:
                await note(connection, key)
        return key

    async def get(self, tenant: UUID, key: UUID) -> Key:
        """One of the tenant's keys, at most a second old. Raises KeyUnknown, also for another tenant's."""
        return (await self._wrapped(tenant, key)).key

    async def edition(self, tenant: UUID, key: UUID) -> str:
        """SHA-256 of its wrapped form, hex, at most a second old. Raises KeyUnknown."""
        return hashlib.sha256((await self._wrapped(tenant, key)).wrapped).hexdigest()

    async def page(
        self, tenant: UUID, only: KeyFilter, *, after: UUID | None, limit: int
    ) -> tuple[list[Key], UUID | None]:
        """Those of the tenant's keys that fit, oldest first, and where the next page begins."""
        async with self._database.transaction(tenant) as connection:
            found = await store.page(connection, tenant, only, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def relabel(self, caller: Caller, key_id: UUID, change: Callable[[Labels], Labels]) -> Key:
        """Give a key other labels. What they are now, ``change`` is told; nothing of it reaches the enclave.

        Raises:
            KeyUnknown: no such key, or another tenant's.
            AliasTaken: another live key has the alias.
        """
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.lock_labels(connection, key_id)
            if found is None:
                raise KeyUnknown("There is no such key.")
            before, labels = found.key.labels, change(found.key.labels)
            changed = {name: value for name, value in asdict(labels).items() if value != asdict(before)[name]}
            if changed:
                with aliases_named(labels.alias):
                    await store.relabel(connection, key_id, labels)
                await note_act(connection, caller, "key.updated", str(key_id), **changed)
        self.forget(caller.tenant, key_id)
        return replace(found.key, labels=labels)

    async def change(
        self,
        caller: Caller,
        key_id: UUID,
        change: KeyChange,
        *,
        wait_seconds: int = 0,
        approval: ChangeApproval | None = None,
        note: Note[Key] | None = None,
    ) -> Key:
        """Begin to destroy, or another change; on return it holds. Raises what ``Lifecycle.change`` does."""
        if change is KeyChange.UNFREEZE:
            await insist_on_no_freeze(self._database, caller.tenant)
        try:
            return await self._lifecycle.change(
                caller.tenant, actor_of(caller), key_id, change, wait_seconds=wait_seconds, approval=approval, note=note
            )
        finally:
            self.forget(caller.tenant, key_id)

    def forget(self, tenant: UUID, key_id: UUID) -> None:
        """It was changed: what was read of it is not the present any more."""
        self._kept.pop((tenant, key_id), None)

    async def sign(
        self,
        caller: Caller,
        key_id: UUID,
        items: Sequence[ToSign],
        note: Note[Signed] | None = None,
    ) -> Signed:
        """Sign each item or say why not, in order. What succeeded is durable before this returns.

        ``note`` is called only where something succeeded.

        Raises:
            KeyUnknown, KeyNotActive: nothing was signed.
        """
        return await self.with_active(
            caller.tenant,
            key_id,
            lambda wrapped, again: self._sign(caller, wrapped, items, note, again=again),
        )

    async def with_active[T](self, tenant: UUID, key_id: UUID, act: Callable[[WrappedKey, bool], Awaitable[T]]) -> T:
        """What is done with a key; once more, and told so, where the edition that was read is not the present one.

        Raises:
            KeyUnknown, KeyNotActive
        """
        try:
            return await act(await self._active(tenant, key_id), False)
        except (RootReplaced, KeyReplaced, KeyNotActive):
            # What was read may be a moment old, or a change of the key left half done.
            self._kept.pop((tenant, key_id), None)
            await self._lifecycle.carry(tenant, key_id)
            return await act(await self._active(tenant, key_id), True)

    async def evaluate(self, tenant: UUID, key_id: UUID, item: ToSign) -> Evaluated:
        """What signing would come to: what the enclave understands, and what of the policy speaks against it.

        Raises:
            KeyUnknown, KeyNotActive
            PayloadUnreadable, KindUnsuitable: it cannot be signed at all.
        """
        wrapped = await self._wrapped(tenant, key_id)
        key = wrapped.key
        name = KeyName(tenant.bytes, key.id.bytes, key.version)
        try:
            return await self._enclave.evaluate(name, wrapped.wrapped, signable(key, item))
        except Denied as refused:
            raise failure_of(Refused(refused.code, refused.detail)) from refused

    async def _sign(
        self,
        caller: Caller,
        wrapped: WrappedKey,
        items: Sequence[ToSign],
        note: Note[Signed] | None,
        *,
        again: bool,
    ) -> Signed:
        key = wrapped.key
        name = KeyName(caller.tenant.bytes, key.id.bytes, key.version)
        results: Signed = []
        orders: dict[int, SignOrder] = {}
        for position, item in enumerate(items):
            try:
                what, id_ = signable(key, item), new_id().bytes
                orders[position] = SignOrder(name, wrapped.wrapped, what, id_, item.approval, item.score)
                results.append(KindUnsuitable("not reached"))
            except Failure as failure:
                results.append(failure)
        slow = key.curve is Curve.RSA_3072
        answers = await self._enclave.sign(list(orders.values()), slow=slow) if orders else ()
        if not again and any(isinstance(each, Refused) and each.code == NOT_REGISTERED for each in answers):
            raise KeyReplaced
        noted: list[NotedSignature] = []
        leaves = []
        for position, answer in zip(orders, answers, strict=True):
            receipt = UUID(bytes=orders[position].id)
            if answer.leaf is not None:
                leaves.append((receipt, caller.tenant, answer.leaf))
            if isinstance(answer, Refused):
                results[position] = failure_of(answer)
                continue
            results[position] = Made(answer, key, receipt)
            request = msgspec.msgpack.encode(orders[position].what)
            kind, text = items[position].kind, answer.decoded.decode()
            below = answer.public_key if items[position].address_index is not None else None
            noted.append(
                NotedSignature(
                    receipt, key.id, key.version, caller.subject, kind, request, text, answer.signature, below
                )
            )
        if leaves:
            also = None if note is None or not noted else partial(_told, note, results)
            await self.journal.keep(caller.tenant, Page(leaves, noted, also))
        return results

    async def _active(self, tenant: UUID, key_id: UUID) -> WrappedKey:
        wrapped = await self._wrapped(tenant, key_id)
        if wrapped.key.state is KeyState.FROZEN:
            raise KeyFrozen(_frozen(wrapped.key))
        if wrapped.key.state is not KeyState.ACTIVE:
            raise KeyNotActive(inactive(wrapped.key.state))
        return wrapped

    async def _wrapped(self, tenant: UUID, key: UUID) -> WrappedKey:
        place = (tenant, key)
        kept = self._kept.get(place) if self._cached else None
        if kept is not None and monotonic() - kept[0] < KEYS_KEPT_SECONDS:
            return kept[1]
        async with self._database.transaction(tenant) as connection:
            found = await store.by_id(connection, key)
        if found is None:
            raise KeyUnknown("There is no such key.")
        if self._cached:
            self._kept[place] = (monotonic(), found)
            self._kept.move_to_end(place)
            if len(self._kept) > KEYS_KEPT_MAX:
                self._kept.popitem(last=False)
        return found


def _frozen(key: Key) -> str:
    change = key.policy.change
    signed = f", with the signatures of {change.threshold} of its approvers" if change is not None else ""
    return (
        f"The key was frozen at {key.frozen_at:%Y-%m-%d %H:%M:%S} UTC and does nothing until somebody with the scope "
        f"keys:unfreeze lifts it{signed}: POST /v1/keys/{key.id}/unfreeze, or `nsl keys unfreeze`."
    )


async def _told(note: Note[Signed], results: Signed, connection: Connection) -> None:
    await note(connection, results)


def failure_of(refused: Refused) -> Failure:
    """What the enclave said, as a failure of this slice."""
    if refused.code in _NOT_UNDERSTOOD:
        return PayloadUnreadable(refused.reason, field="payload")
    if refused.code == KeyFrozen.code:
        return KeyFrozen(refused.reason)
    if refused.code == KeyNotActive.code:
        return KeyNotActive(refused.reason)
    return SigningRefused(refused.code, refused.reason)


def decoded(signature: Signature) -> Any:
    """What was signed, as the enclave understood it."""
    return msgspec.json.decode(signature.decoded)
