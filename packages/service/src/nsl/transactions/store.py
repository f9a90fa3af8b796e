"""Transactions in PostgreSQL. Every function works inside the caller's database transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.msgpack import encode

from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries
from nsl.ledger.model import Asset, ChainName
from nsl.transactions.model import Failed, Kind, State, Transaction, public_history
from nsl_protocol.enclave.messages import Signature
from nsl_protocol.enclave.signable import Signable

_QUERIES = load_queries("nsl.transactions")


# For the API: under row-level security ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promised:
    """What an account had under way in one asset: the amount, the fees in GAS, and how many are not priced yet."""

    asset_contract: str | None
    amount: int
    fees: int
    unpriced: int


async def insert(
    connection: Connection, new: Transaction, idempotency_key: str, request_sha256: bytes
) -> list[Promised] | None:
    """Write a new intent, and answer what its account had promised before; None when its Idempotency-Key is taken."""
    parameters = {
        "id": new.id,
        "tenant_id": new.tenant,
        "idempotency_key": idempotency_key,
        "request_sha256": request_sha256,
        "chain": new.chain,
        "kind": new.kind,
        "state": new.state,
        "from_key": new.from_key,
        "key_version": new.key_version,
        "sender": new.sender,
        "asset_contract": new.asset.contract,
        "asset_symbol": new.asset.symbol,
        "asset_decimals": new.asset.decimals,
        "recipient": new.to,
        "amount": new.amount,
        "valid_for_seconds": new.valid_for_seconds,
        "created_at": new.created_at,
        "address_number": new.address_index,
    }
    rows = await fetch_all(connection, _QUERIES["insert"], parameters)
    if rows[0]["id"] is None:
        return None
    return [
        Promised(row["asset_contract"], int(row["amount"]), int(row["fees"]), row["unpriced"])
        for row in rows
        if row["amount"] is not None
    ]


async def by_idempotency_key(connection: Connection, tenant: UUID, key: str) -> tuple[Transaction, bytes] | None:
    """The intent that a key made, and the digest of its request."""
    row = await fetch_one(connection, _QUERIES["by_idempotency_key"], {"tenant_id": tenant, "idempotency_key": key})
    return None if row is None else (_transaction(row), row["request_sha256"])


async def by_id(connection: Connection, identifier: UUID) -> Transaction | None:
    """One of the tenant's transactions."""
    row = await fetch_one(connection, _QUERIES["by_id"], {"id": identifier})
    return None if row is None else _transaction(row)


async def history(connection: Connection, identifier: UUID) -> list[tuple[State, datetime]]:
    """What happened to it, in order."""
    rows = await fetch_all(connection, _QUERIES["history"], {"id": identifier})
    return [(State(row["state"]), row["at"]) for row in rows]


async def page(
    connection: Connection,
    tenant: UUID,
    *,
    states: Collection[State] | None,
    chain: ChainName | None,
    before: UUID | None,
    limit: int,
) -> list[Transaction]:
    """The tenant's transactions, newest first."""
    parameters = {
        "tenant_id": tenant,
        "states": None if states is None else list(states),
        "chain": chain,
        "before": before,
        "limit": limit,
    }
    return [_transaction(row) for row in await fetch_all(connection, _QUERIES["page"], parameters)]


# For the worker -----------------------------------------------------------------------------------------------------


async def take_accepted(connection: Connection, chain: ChainName, limit: int) -> list[tuple[Transaction, bytes]]:
    """Lock a batch to prepare, each with the public half of its key or of the one below."""
    rows = await fetch_all(connection, _QUERIES["take_accepted"], {"chain": chain, "limit": limit})
    return [(_transaction(row), row["public_key"]) for row in rows]


async def take_prepared(connection: Connection, chain: ChainName, limit: int) -> list[tuple[Transaction, bytes]]:
    """Lock a batch to sign, each with its wrapped key."""
    rows = await fetch_all(connection, _QUERIES["take_prepared"], {"chain": chain, "limit": limit})
    return [(_transaction(row), row["wrapped"]) for row in rows]


async def stored_keys(connection: Connection, transactions: Sequence[UUID]) -> dict[UUID, bytes]:
    """By transaction, its wrapped key as it is stored now; without those whose key is being changed."""
    rows = await fetch_all(connection, _QUERIES["stored_keys"], {"ids": list(transactions)})
    return {row["id"]: row["wrapped"] for row in rows}


async def take_to_send(connection: Connection, chain: ChainName, now: datetime, limit: int) -> list[Transaction]:
    """Lock a batch whose bytes are due to be sent."""
    rows = await fetch_all(connection, _QUERIES["take_to_send"], {"chain": chain, "now": now, "limit": limit})
    return list(map(_transaction, rows))


async def lock_accounts(connection: Connection, chain: ChainName, addresses: Sequence[str]) -> None:
    """Hold these accounts' nonces until the database transaction ends."""
    parameters = {"chain": chain, "addresses": list(addresses)}
    await connection.execute(_QUERIES["note_accounts"], parameters)
    await connection.execute(_QUERIES["lock_accounts"], parameters)


async def nonces_held(connection: Connection, chain: ChainName, first: Mapping[str, int]) -> dict[str, set[int]]:
    """By address: the nonces from ``first`` on that a transaction holds."""
    parameters = {"chain": chain, "addresses": list(first), "first": list(map(str, first.values()))}
    held: dict[str, set[int]] = {address: set() for address in first}
    for row in await fetch_all(connection, _QUERIES["nonces_held"], parameters):
        held[row["sender"]].add(int(row["nonce"]))
    return held


async def save(connection: Connection, steps: Sequence[tuple[Transaction, Transaction]]) -> None:
    """Write a batch of steps, each from what was read to what it has become, and their history."""
    if not steps:
        return
    after = [step[1] for step in steps]
    noted = [(new, state) for old, new in steps for state in public_history(old.state, new.state)]
    parameters = {
        "id": [each.id for each in after],
        "state": [each.state.value for each in after],
        "nonce": [_text(each.nonce) for each in after],
        "fee_max": [_text(each.fee_max) for each in after],
        "valid_until": [each.valid_until for each in after],
        # Bytes are written in the step that makes them, and never again.
        "unsigned": [each.unsigned if each.state is State.PREPARED else None for each in after],
        "raw": [each.raw if old.state is State.PREPARED else None for old, each in steps],
        "hash": [each.hash for each in after],
        "sends": [each.sends for each in after],
        "next_send_at": [each.next_send_at for each in after],
        "nonce_used_height": [each.nonce_used_height for each in after],
        "block_height": [each.block_height for each in after],
        "fee": [_text(each.fee) for each in after],
        "failure_code": [None if each.failure is None else each.failure.code for each in after],
        "failure_message": [None if each.failure is None else each.failure.message for each in after],
        "updated_at": [each.updated_at for each in after],
        "noted_id": [each.id for each, _ in noted],
        "noted_tenant": [each.tenant for each, _ in noted],
        "noted_state": [state.value for _, state in noted],
        "noted_at": [each.updated_at for each, _ in noted],
    }
    await connection.execute(_QUERIES["save"], parameters)


async def begin_cursor(connection: Connection, chain: ChainName, height: int, hash_: str) -> None:
    """Where following begins, unless it has begun."""
    await connection.execute(_QUERIES["begin_cursor"], {"chain": chain, "height": height, "hash": hash_})
    await remember_blocks(connection, chain, {height: hash_})


async def cursor(connection: Connection, chain: ChainName, *, lock: bool = False) -> tuple[int, str] | None:
    """How far the chain was followed. With ``lock``: None also when another worker follows it."""
    row = await fetch_one(connection, _QUERIES["take_cursor" if lock else "cursor"], {"chain": chain})
    return None if row is None else (row["height"], row["hash"])


async def move_cursor(connection: Connection, chain: ChainName, height: int, hash_: str, *, keep: int) -> None:
    """Set how far the chain was followed; blocks beyond it and those older than ``keep`` are forgotten."""
    await connection.execute(_QUERIES["move_cursor"], {"chain": chain, "height": height, "hash": hash_})
    parameters = {"chain": chain, "oldest": height - keep, "newest": height}
    await connection.execute(_QUERIES["forget_blocks"], parameters)


async def remember_blocks(connection: Connection, chain: ChainName, blocks: Mapping[int, str]) -> None:
    """Keep the hashes of followed blocks, by height."""
    parameters = {"chain": chain, "heights": list(blocks), "hashes": list(blocks.values())}
    await connection.execute(_QUERIES["remember_blocks"], parameters)


async def blocks_below(connection: Connection, chain: ChainName, height: int, limit: int) -> list[tuple[int, str]]:
    """Followed blocks from ``height`` downward."""
    parameters = {"chain": chain, "height": height, "limit": limit}
    return [(row["height"], row["hash"]) for row in await fetch_all(connection, _QUERIES["blocks_below"], parameters)]


async def to_find(connection: Connection, chain: ChainName, hashes: Sequence[str]) -> list[Transaction]:
    """Lock those of our transactions that stand under these hashes and are not known to be mined."""
    rows = await fetch_all(connection, _QUERIES["to_find"], {"chain": chain, "hashes": list(hashes)})
    return list(map(_transaction, rows))


async def overdue(connection: Connection, chain: ChainName, height: int) -> list[Transaction]:
    """Lock those that no block up to ``height`` holds, and no later one can."""
    rows = await fetch_all(connection, _QUERIES["overdue"], {"chain": chain, "height": height})
    return list(map(_transaction, rows))


async def mined_above(connection: Connection, chain: ChainName, height: int) -> list[Transaction]:
    """Lock those that a block above ``height`` held."""
    rows = await fetch_all(connection, _QUERIES["mined_above"], {"chain": chain, "height": height})
    return list(map(_transaction, rows))


async def mined_below(connection: Connection, chain: ChainName, height: int) -> bool:
    """Whether a block below ``height`` holds any."""
    return await fetch_one(connection, _QUERIES["mined_below"], {"chain": chain, "height": height}) is not None


async def backlog(connection: Connection, chain: ChainName, now: datetime) -> dict[State, tuple[int, float]]:
    """By state: how many wait, and for how many seconds the oldest does."""
    rows = await fetch_all(connection, _QUERIES["backlog"], {"chain": chain, "now": now})
    return {State(row["state"]): (row["count"], row["oldest_seconds"]) for row in rows}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _integer(number: Any) -> int | None:
    return None if number is None else int(number)


def _transaction(row: Mapping[str, Any]) -> Transaction:
    chain = ChainName(row["chain"])
    failure = None if row["failure_code"] is None else Failed(row["failure_code"], row["failure_message"])
    return Transaction(
        id=row["id"],
        tenant=row["tenant_id"],
        chain=chain,
        kind=Kind(row["kind"]),
        state=State(row["state"]),
        from_key=row["from_key"],
        key_version=row["key_version"],
        sender=row["sender"],
        asset=Asset(chain, row["asset_contract"], row["asset_symbol"], row["asset_decimals"]),
        to=row["recipient"],
        amount=int(row["amount"]),
        valid_for_seconds=row["valid_for_seconds"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        nonce=_integer(row["nonce"]),
        unsigned=row["unsigned"],
        fee_max=_integer(row["fee_max"]),
        valid_until=row["valid_until"],
        raw=row["raw"],
        hash=row["hash"],
        sends=row["sends"],
        next_send_at=row["next_send_at"],
        nonce_used_height=row["nonce_used_height"],
        block_height=row["block_height"],
        fee=_integer(row["fee"]),
        failure=failure,
        address_index=row["address_number"],
    )


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """A transaction's signature, and what the enclave was asked."""

    transaction: Transaction
    what: Signable
    signature: Signature


async def note_signatures(connection: Connection, signed: Sequence[SignedOrder], kind: str, at: datetime) -> None:
    """Write signatures down before anything of them leaves. ``kind``: of signature."""
    columns = {
        "ids": [each.transaction.id for each in signed],
        "tenants": [each.transaction.tenant for each in signed],
        "keys": [each.transaction.from_key for each in signed],
        "versions": [each.transaction.key_version for each in signed],
        "requests": [encode(each.what) for each in signed],
        "decoded": [each.signature.decoded.decode() for each in signed],
        "signatures": [each.signature.signature for each in signed],
        "public_keys": [
            None if each.transaction.address_index is None else each.signature.public_key for each in signed
        ],
    }
    await connection.execute(_QUERIES["note_signatures"], {**columns, "kind": kind, "at": at})
