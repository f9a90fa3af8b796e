"""Addresses below keys, in PostgreSQL. Every function works inside the caller's database transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from nsl.keys.model import AddressFilter, DepositAddress
from nsl.kit.db import Connection, fetch_all, fetch_one, load_queries

_QUERIES = load_queries("nsl.keys")


async def following(connection: Connection, key: UUID) -> int:
    """The first number that is free. Nobody else makes addresses below this key until the transaction ends."""
    await connection.execute(_QUERIES["lock_labels"], {"id": key})
    row = await fetch_one(connection, _QUERIES["following_address"], {"key_id": key})
    return 0 if row is None else int(row["following"])


async def insert(
    connection: Connection, tenant: UUID, key: UUID, chain_code: bytes, made: Sequence[DepositAddress], at: datetime
) -> None:
    """Write new ones down, and the chain code that they follow from."""
    columns = {
        "numbers": [each.index for each in made],
        "public_keys": [each.public_key for each in made],
        "addresses": [each.address for each in made],
        "references": [each.reference for each in made],
    }
    parameters = {"tenant_id": tenant, "key_id": key, "chain_code": chain_code, "at": at, **columns}
    await connection.execute(_QUERIES["insert_addresses"], parameters)


async def by_references(connection: Connection, key: UUID, references: Sequence[str]) -> list[DepositAddress]:
    """Those that were made for these."""
    parameters = {"key_id": key, "references": list(references)}
    return list(map(_address, await fetch_all(connection, _QUERIES["addresses_by_references"], parameters)))


async def by_index(connection: Connection, key: UUID, index: int) -> DepositAddress | None:
    """One of them."""
    row = await fetch_one(connection, _QUERIES["address"], {"key_id": key, "number": index})
    return None if row is None else _address(row)


async def page(
    connection: Connection, key: UUID, only: AddressFilter, *, after: int, limit: int
) -> list[DepositAddress]:
    """Those that fit, in order."""
    parameters = {
        "key_id": key,
        "after": after,
        "limit": limit,
        "reference": only.reference,
        "address": only.address,
    }
    return list(map(_address, await fetch_all(connection, _QUERIES["addresses"], parameters)))


async def chain_code(connection: Connection, key: UUID) -> bytes | None:
    """None before the first address is made."""
    row = await fetch_one(connection, _QUERIES["chain_code"], {"id": key})
    return None if row is None else row["chain_code"]


def _address(row: Mapping[str, Any]) -> DepositAddress:
    return DepositAddress(row["number"], row["public_key"], row["address"], row["reference"], row["created_at"])
