"""Intents: accepted once, read back, listed. What happens to them afterwards is the worker's (``jobs``)."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from nsl.keys.model import Key
from nsl.kit.clock import monotonic, now
from nsl.kit.db import Database
from nsl.kit.ids import new_id
from nsl.ledger.errors import NodeDown
from nsl.ledger.model import NATIVE_ASSETS, Asset, ChainName, format_amount, parse_address, parse_amount, parse_chain
from nsl.ledger.service import Ledger
from nsl.transactions import store
from nsl.transactions.errors import IdempotencyKeyReused, ShortOfFunds, UnknownTransaction, WrongKey
from nsl.transactions.model import Kind, State, Transaction
from nsl.transactions.ports import AddressDirectory, Chain, KeyDirectory
from nsl.transactions.store import Promised
from nsl_protocol.enclave.lifecycle import KeyState, inactive

BALANCE_SECONDS: Final = 1.0
BALANCES_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTransfer:
    """A transfer as it was asked for: all text, nothing checked but its shape."""

    chain: str
    from_key: UUID
    asset: str
    to: str
    amount: str
    valid_for_seconds: int
    address_index: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Transaction]
    next_cursor: UUID | None


@dataclass(frozen=True, slots=True)
class Funds:
    """An account's balance of the asset and of GAS, and what one transfer costs, all in smallest units."""

    asset_balance: int
    gas_balance: int
    fee: int
    gas: Asset


class Transactions:
    """The intents of all tenants, one tenant at a time."""

    def __init__(
        self,
        database: Database,
        chains: Mapping[ChainName, Chain],
        ledger: Ledger,
        keys: KeyDirectory,
        addresses: AddressDirectory,
    ) -> None:
        self._database = database
        self._chains = chains
        self._ledger = ledger
        self._keys = keys
        self._addresses = addresses
        self._balances: OrderedDict[tuple[str, Asset], tuple[float, asyncio.Future[int]]] = OrderedDict()

    async def create(
        self, tenant: UUID, idempotency_key: str, request_sha256: bytes, request: NewTransfer
    ) -> Transaction:
        """Accept an intent: committed when this returns, whether a node answers or not.

        Raises:
            IdempotencyKeyReused: the key made another intent.
            Missing: no such key.
            Unprocessable: no such address below it.
            UnknownChain, BadAddress, BadAsset, BadAmount, WrongKey, ShortOfFunds: it cannot be done.
            NodeDown: only for a token that was never seen, whose decimals must be asked for.
        """
        chain = parse_chain(request.chain)
        self._ledger.reader(chain)
        key = await self._keys.get(tenant, request.from_key)
        sender = _sender(key, chain)
        if request.address_index is not None:
            sender = (await self._addresses.at(tenant, key.id, request.address_index)).address
        to = parse_address(chain, request.to, field="to")
        asset = await self._ledger.asset(chain, request.asset)
        created_at = now()
        new = Transaction(
            id=new_id(),
            tenant=tenant,
            chain=chain,
            kind=Kind.TRANSFER,
            state=State.ACCEPTED,
            from_key=key.id,
            key_version=key.version,
            sender=sender,
            asset=asset,
            to=to,
            amount=parse_amount(request.amount, asset.decimals),
            valid_for_seconds=request.valid_for_seconds,
            created_at=created_at,
            updated_at=created_at,
            address_index=request.address_index,
        )
        known = await self._known_funds(new)
        async with self._database.transaction(tenant) as connection:
            promised = await store.insert(connection, new, idempotency_key, request_sha256)
            if promised is not None:
                # Short of funds, the intent is rolled back with this database transaction.
                _check_funds(new, known, promised)
                return new
            found = await store.by_idempotency_key(connection, tenant, idempotency_key)
        if found is None or found[1] != request_sha256:
            raise IdempotencyKeyReused("This Idempotency-Key came with another body. Use a new key for a new request.")
        return found[0]

    async def get(self, tenant: UUID, identifier: UUID) -> tuple[Transaction, list[tuple[State, datetime]]]:
        """A transaction and its history. Raises UnknownTransaction, also for another tenant's."""
        async with self._database.transaction(tenant) as connection:
            found = await store.by_id(connection, identifier)
            if found is None:
                raise UnknownTransaction("There is no such transaction.")
            return found, await store.history(connection, identifier)

    async def page(
        self, tenant: UUID, *, state: State | None, chain: ChainName | None, before: UUID | None, limit: int
    ) -> Page:
        """The tenant's transactions, newest first."""
        states = None
        if state is not None:
            states = {State.ACCEPTED, State.PREPARED} if state is State.ACCEPTED else {state}
        async with self._database.transaction(tenant) as connection:
            found = await store.page(connection, tenant, states=states, chain=chain, before=before, limit=limit + 1)
        more = len(found) > limit
        return Page(found[:limit], found[limit - 1].id if more else None)

    async def _known_funds(self, new: Transaction) -> Funds | None:
        """What the account holds and a transfer costs, or None while no node says so: then the intent waits."""
        gas = NATIVE_ASSETS[new.chain]["GAS"]
        try:
            fees = await self._ledger.fees(new.chain)
            balance = await self._balance(new.chain, new.sender, new.asset)
            return Funds(balance, await self._balance(new.chain, new.sender, gas), fees.transfer, gas)
        except NodeDown:
            return None

    async def _balance(self, chain: ChainName, address: str, asset: Asset) -> int:
        """At most a second old; many requests at once ask the node once."""
        place = (address, asset)
        entry = self._balances.get(place)
        if entry is None or monotonic() - entry[0] > BALANCE_SECONDS:
            asked = asyncio.ensure_future(self._chains[chain].spendable(address, asset))
            entry = (monotonic(), asked)
            self._balances[place] = entry
            self._balances.move_to_end(place)
            while len(self._balances) > BALANCES_MAX:
                self._balances.popitem(last=False)
        try:
            return await asyncio.shield(entry[1])
        except NodeDown:
            self._balances.pop(place, None)
            raise


def _sender(key: Key, chain: ChainName) -> str:
    address = key.addresses.get(chain)
    if address is None:
        raise WrongKey(f"A {key.curve} key has no address on {chain}.", field="from_key")
    if key.state is not KeyState.ACTIVE:
        raise WrongKey(inactive(key.state), field="from_key")
    return address


def _check_funds(new: Transaction, known: Funds | None, before: Sequence[Promised]) -> None:
    """What is promised already counts as gone. Raises ShortOfFunds; nothing is said while nothing is known."""
    if known is None:
        return
    promised = {each.asset_contract: each.amount for each in before}
    fees = sum(each.fees + each.unpriced * known.fee for each in before) + known.fee
    pays_in_gas = new.asset.contract == known.gas.contract
    need = new.amount + promised.get(new.asset.contract, 0) + (fees if pays_in_gas else 0)
    if need > known.asset_balance:
        raise _short(new.asset, known.asset_balance, need, "amount")
    gas_need = fees + promised.get(known.gas.contract, 0)
    if not pays_in_gas and gas_need > known.gas_balance:
        raise _short(known.gas, known.gas_balance, gas_need, "from_key")


def _short(asset: Asset, balance: int, need: int, field: str) -> ShortOfFunds:
    return ShortOfFunds(
        f"The account holds {format_amount(balance, asset.decimals)} {asset.symbol}; this and what is under way need "
        f"{format_amount(need, asset.decimals)}, fees included. Fund it or send less.",
        field=field,
    )
