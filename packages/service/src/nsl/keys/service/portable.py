"""Keys that come from elsewhere, keys that may leave, and what the enclave says of a key. Here they are only carried.

What is encrypted stays so on its way through: on the way in only the enclave opens it, on the way out only a recipient
who was named when the key was made.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from psycopg.errors import UniqueViolation

from nsl.identity.errors import RootReplaced
from nsl.identity.model import Caller
from nsl.identity.service import Note, keep_leaves
from nsl.identity.service import note as note_act
from nsl.keys import store
from nsl.keys.errors import (
    ApprovalsExpired,
    ExportNotAllowed,
    ImportIdTaken,
    ImportKeyUnknown,
    ImportNotAKey,
    ImportNotAuthentic,
    KeyNotActive,
    KeyStateConflict,
    KeyUnknown,
    KindUnsuitable,
    NoPolicyWaits,
    PoliciesTooLong,
    PolicyFixed,
    PolicyUnsuitable,
    PolicyWaits,
    RecipientNotNamed,
    RecipientUnsuitable,
    TooFewApprovals,
)
from nsl.keys.model import (
    KINDS_OF_CURVE,
    ROTATED_CURVES,
    Enclave,
    Key,
    Labels,
    Policies,
    Usage,
    WrappedKey,
    addresses_of,
)
from nsl.keys.ports import PortableEnclave
from nsl.keys.service.freezing import insist_on_no_freeze
from nsl.keys.service.lifecycle import Lifecycle
from nsl.kit.clock import now
from nsl.kit.db import Database
from nsl.kit.errors import Denied, Failure
from nsl.kit.ids import new_id
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.attestation.keys import Origin
from nsl_protocol.enclave.lifecycle import KeyState
from nsl_protocol.enclave.membership import Quoted
from nsl_protocol.enclave.messages import CreateKey, Curve, ImportKey
from nsl_protocol.enclave.portable import KeyAttested, KeyExported
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import Policy, checked

#: what the enclave says, as a failure of this slice
_REFUSALS: Final[dict[str, type[Failure]]] = {
    each.code: each
    for each in (
        ImportKeyUnknown,
        ImportNotAuthentic,
        ImportNotAKey,
        RecipientUnsuitable,
        ExportNotAllowed,
        RecipientNotNamed,
        KeyNotActive,
        PolicyFixed,
        TooFewApprovals,
        ApprovalsExpired,
        PoliciesTooLong,
        NoPolicyWaits,
        PolicyWaits,
    )
}
_NOT_REGISTERED: Final = "NOT_REGISTERED"


@dataclass(frozen=True, slots=True)
class ImportParameters:
    """What whoever has a key needs to encrypt it; ``quoted`` proves to him whose ``wrapping_key`` this is.

    ``key_id``: of the key that he is about to import; it is bound into the encryption, and used once.
    """

    key_id: UUID
    wrapping_key: bytes
    quoted: Quoted


@dataclass(frozen=True, slots=True)
class NewImport:
    """A key that is to come in, and everything that its owner has bound it to."""

    id: UUID
    name: str
    curve: Curve
    usages: tuple[Usage, ...]
    policy: Policy
    rotation_days: int
    recipients: tuple[bytes, ...]
    wrapping_key: bytes
    encrypted: bytes


@dataclass(frozen=True, slots=True)
class ExportedKey:
    """``encrypted``: as ``key_transport.open_exported`` opens it."""

    cluster: bytes
    tenant: UUID
    key: Key
    encrypted: bytes


@contextmanager
def refusals_named() -> Iterator[None]:
    """Turn the enclave's refusals into this slice's failures; others pass."""
    try:
        yield
    except Denied as refused:
        named = _REFUSALS.get(refused.code)
        if named is None:
            raise
        raise named(refused.detail) from refused


def insist_on_suitable(policy: Policy, curve: Curve) -> None:
    """
    Raises:
        PolicyUnsuitable: the policy speaks of something that it does not define.
        KindUnsuitable: it names a kind that no key of this curve signs.
    """
    try:
        checked(policy)
    except CodecError as error:
        raise PolicyUnsuitable(f"The policy cannot be taken: {error}.", field="policy") from error
    if (policy.requesters or policy.risk) and curve in ROTATED_CURVES:
        raise PolicyUnsuitable(
            "Requests to a secret key are neither signed nor scored: leave requesters and risk out.", field="policy"
        )
    unsuitable = set(policy.kinds or ()) - KINDS_OF_CURVE[curve]
    if unsuitable:
        raise KindUnsuitable(f"A {curve} key cannot sign: {', '.join(sorted(unsuitable))}.", field="policy.kinds")


class PortableKeys:
    """The keys of all tenants, one tenant at a time."""

    def __init__(
        self, database: Database, enclave: PortableEnclave, lifecycle: Lifecycle, backups_kept: timedelta
    ) -> None:
        """
        Args:
            backups_kept: for so long the operator keeps what may hold wrapped keys.
        """
        self._database = database
        self._enclave = enclave
        self._lifecycle = lifecycle
        self._backups_kept = backups_kept

    async def import_parameters(self, nonce: bytes) -> ImportParameters:
        """A fresh quote over the caller's nonce; nobody has verified it here."""
        quoted = await self._enclave.proof(Purpose.IMPORT, nonce)
        return ImportParameters(new_id(), quoted.keys[0], quoted)

    async def import_key(self, caller: Caller, new: NewImport, note: Note[Key] | None = None) -> Key:
        """Take a key in.

        Raises:
            KindUnsuitable: the policy names a kind that no key of this curve signs.
            ImportKeyUnknown, ImportIdTaken, ImportNotAuthentic, ImportNotAKey, RecipientUnsuitable: by the enclave.
        """
        await insist_on_no_freeze(self._database, caller.tenant)
        insist_on_suitable(new.policy, new.curve)
        terms = CreateKey(_name(caller.tenant, new.id, 1), new.curve, new.policy.canonical, new.recipients)
        status = await self._enclave.status()
        try:
            with refusals_named():
                made = await self._enclave.import_key(ImportKey(terms, new.name, new.wrapping_key, new.encrypted))
        except Denied as refused:
            if refused.code == _NOT_REGISTERED:
                raise _taken() from refused
            raise
        created_at = now()
        key = Key(
            id=new.id,
            labels=Labels(new.name),
            curve=new.curve,
            version=1,
            state=KeyState.ACTIVE,
            usages=new.usages,
            policies=Policies(new.policy),
            public_key=made.public_key,
            addresses=addresses_of(new.curve, made.public_key),
            created_at=created_at,
            rotation_days=new.rotation_days,
            rotates_at=created_at + timedelta(days=new.rotation_days),
            enclave=Enclave(status.mode, status.measurement),
            origin=Origin.IMPORTED,
            recipients=new.recipients,
        )
        async with self._database.transaction(caller.tenant) as connection:
            try:
                await store.insert(connection, caller.tenant, WrappedKey(key, made.wrapped), caller.subject)
            except UniqueViolation as error:
                raise _taken() from error
            await keep_leaves(connection, [(key.id, caller.tenant, made.leaf)])
            await note_act(connection, caller, "key.imported", str(key.id), public_key=key.public_key.hex())
            if note is not None:
                await note(connection, key)
        return key

    async def export(self, caller: Caller, key_id: UUID, recipient: bytes) -> ExportedKey:
        """A key encrypted to one of its recipients. That it was given out is on record before it is.

        Raises:
            KeyUnknown, KeyNotActive.
            ExportNotAllowed, RecipientNotNamed: by the enclave.
        """

        async def exported(found: WrappedKey, name: KeyName) -> KeyExported:
            return await self._enclave.export_key(name, found.wrapped, recipient)

        with refusals_named():
            found, made = await self._of_present(caller.tenant, key_id, exported)
        cluster = (await self._enclave.status()).cluster
        async with self._database.transaction(caller.tenant) as connection:
            await keep_leaves(connection, [(new_id(), caller.tenant, made.leaf)])
            await note_act(connection, caller, "key.exported", str(key_id), recipient=recipient.hex())
        return ExportedKey(cluster, caller.tenant, found.key, made.encrypted)

    async def attestation(self, tenant: UUID, key_id: UUID, nonce: bytes) -> KeyAttested:
        """What the enclave says of a key, over the caller's nonce. Raises KeyUnknown."""
        return (await self._of_present(tenant, key_id, lambda one, name: self._attested(one, name, nonce)))[1]

    async def certificate(self, tenant: UUID, key_id: UUID, nonce: bytes) -> tuple[KeyAttested, datetime]:
        """What the enclave says of a destroyed key, and until when backups may hold it.

        Raises:
            KeyUnknown
            KeyStateConflict: it is not destroyed.
        """
        found, made = await self._of_present(tenant, key_id, lambda one, name: self._attested(one, name, nonce))
        if made.statement.state != KeyState.DESTROYED:
            raise KeyStateConflict(f"The key is {found.key.state}: there is a certificate once it is destroyed.")
        return made, datetime.fromtimestamp(made.statement.destroyed_at, UTC) + self._backups_kept

    async def _attested(self, found: WrappedKey, name: KeyName, nonce: bytes) -> KeyAttested:
        return await self._enclave.attest_key(name, found.wrapped, nonce)

    async def _of_present[T](
        self, tenant: UUID, key_id: UUID, ask: Callable[[WrappedKey, KeyName], Awaitable[T]]
    ) -> tuple[WrappedKey, T]:
        """What is answered of the stored edition; once more where a change of it had been left half done."""
        try:
            found = await self._stored(tenant, key_id)
            return found, await ask(found, _name(tenant, key_id, found.key.version))
        except (RootReplaced, Denied) as refused:
            if isinstance(refused, Denied) and refused.code != _NOT_REGISTERED:
                raise
            await self._lifecycle.carry(tenant, key_id)
            found = await self._stored(tenant, key_id)
            return found, await ask(found, _name(tenant, key_id, found.key.version))

    async def _stored(self, tenant: UUID, key_id: UUID) -> WrappedKey:
        async with self._database.transaction(tenant) as connection:
            found = await store.by_id(connection, key_id)
        if found is None:
            raise KeyUnknown("There is no such key.")
        return found


def _name(tenant: UUID, key: UUID, version: int) -> KeyName:
    return KeyName(tenant.bytes, key.bytes, version)


def _taken() -> ImportIdTaken:
    return ImportIdTaken("This id is used: get new import parameters, and encrypt the key for their id.", field="id")
