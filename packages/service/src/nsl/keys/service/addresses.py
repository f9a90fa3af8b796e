"""Deposit addresses: keys below a key, one for each payer, without a wrapped key for each.

The key's own policy, its windows and a freeze hold for all of them: they are the key. The enclave derives them from the
private key; the service keeps which number is whose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from nsl.identity.model import Caller
from nsl.identity.service import note as note_act
from nsl.keys.errors import AddressUnknown, KindUnsuitable
from nsl.keys.model import AddressFilter, DepositAddress, Key, WrappedKey, address_of
from nsl.keys.ports import KeyEnclave
from nsl.keys.service.portable import refusals_named
from nsl.keys.service.signing import Keys
from nsl.keys.store import addresses as store
from nsl.kit.clock import now
from nsl.kit.db import Database
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.hd import DERIVING_CURVES


@dataclass(frozen=True, slots=True)
class Addresses:
    """Some below a key. ``chain_code``: None before the first one is made."""

    key: Key
    items: list[DepositAddress]
    chain_code: bytes | None


class DepositAddresses:
    """Of all tenants, one tenant at a time."""

    def __init__(self, database: Database, keys: Keys, enclave: KeyEnclave) -> None:
        self._database = database
        self._keys = keys
        self._enclave = enclave

    async def make(self, caller: Caller, key_id: UUID, references: Sequence[str | None]) -> Addresses:
        """One address for each; where one was made for a reference before, that one.

        Raises:
            KeyUnknown, KeyNotActive
            KindUnsuitable: there are no addresses below a key of this curve.
        """
        return await self._keys.with_active(
            caller.tenant, key_id, lambda found, _: self._make(caller, found, references)
        )

    async def _make(self, caller: Caller, found: WrappedKey, references: Sequence[str | None]) -> Addresses:
        key, tenant = found.key, caller.tenant
        if key.curve not in DERIVING_CURVES:
            raise KindUnsuitable(f"There are no addresses below a key of {key.curve}: take a secp256 one.", field="id")
        name = KeyName(tenant.bytes, key.id.bytes, key.version)
        async with self._database.transaction(tenant) as connection:
            first = await store.following(connection, key.id)
            named = [each for each in references if each is not None]
            known = {each.reference: each for each in await store.by_references(connection, key.id, named)}
            new = [None] * references.count(None) + [each for each in dict.fromkeys(named) if each not in known]
            with refusals_named():
                derived = await self._enclave.derive_keys(name, found.wrapped, first, len(new))
            at = now()
            made = [
                DepositAddress(index, public_key, address_of(key.curve, public_key), reference, at)
                for index, (public_key, reference) in enumerate(zip(derived.public_keys, new, strict=True), first)
            ]
            if made:
                await store.insert(connection, tenant, key.id, derived.chain_code, made, at)
                await note_act(connection, caller, "key.addresses_made", str(key.id), first=first, count=len(made))
        known |= {each.reference: each for each in made if each.reference is not None}
        unnamed = iter(each for each in made if each.reference is None)
        items = [next(unnamed) if each is None else known[each] for each in references]
        return Addresses(key, items, derived.chain_code)

    async def page(
        self, tenant: UUID, key_id: UUID, only: AddressFilter, *, after: int, limit: int
    ) -> tuple[Addresses, int | None]:
        """Those that fit, in order, and where the next page begins. Raises KeyUnknown."""
        key = await self._keys.get(tenant, key_id)
        async with self._database.transaction(tenant) as connection:
            found = await store.page(connection, key_id, only, after=after, limit=limit + 1)
            chain_code = await store.chain_code(connection, key_id)
        following = found[limit - 1].index if len(found) > limit else None
        return Addresses(key, found[:limit], chain_code), following

    async def at(self, tenant: UUID, key_id: UUID, index: int) -> DepositAddress:
        """One of them. Raises KeyUnknown, AddressUnknown."""
        key = await self._keys.get(tenant, key_id)
        async with self._database.transaction(tenant) as connection:
            found = await store.by_index(connection, key.id, index)
        if found is None:
            raise AddressUnknown(
                f"No address {index} was made below this key: POST /v1/keys/{key.id}/addresses makes the next one.",
                field="address_index",
            )
        return found
