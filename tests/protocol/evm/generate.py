"""Random but valid transactions, seeded: the same run every time."""

import random

from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import (
    CURVE_ORDER,
    NONCE_MAX,
    AccessListEntry,
    AccessListTransaction,
    EvmSignature,
    EvmTransaction,
    FeeMarketTransaction,
    LegacyTransaction,
)


def number(chance: random.Random, bits: int) -> int:
    """Of every magnitude, zero and the largest included."""
    return chance.choice([0, 1, 127, 128, 2**bits - 1, chance.getrandbits(chance.randint(1, bits))])


def transaction(chance: random.Random) -> EvmTransaction:
    """One of the three types. viem reads chain ids and nonces as doubles, so those stay below 2^53."""
    shared = {
        "chain_id": max(1, number(chance, 31)),
        "nonce": min(number(chance, 52), NONCE_MAX),
        "gas_limit": number(chance, 63),
        "to": chance.choice([None, EvmAddress(chance.randbytes(20)), EvmAddress(chance.randbytes(20))]),
        "value": number(chance, 256),
        "data": chance.choice([b"", chance.randbytes(1), b"\0", chance.randbytes(chance.randint(2, 300))]),
    }
    kind = chance.randrange(3)
    if kind == 0:
        return LegacyTransaction(**shared, gas_price=number(chance, 255))  # type: ignore[arg-type]
    access = tuple(
        AccessListEntry(
            EvmAddress(chance.randbytes(20)), tuple(chance.randbytes(32) for _ in range(chance.randint(0, 3)))
        )
        for _ in range(chance.choice([0, 0, 1, 3]))
    )
    if kind == 1:
        return AccessListTransaction(**shared, gas_price=number(chance, 255), access_list=access)  # type: ignore[arg-type]
    tip, more = number(chance, 127), number(chance, 127)
    return FeeMarketTransaction(
        **shared,  # type: ignore[arg-type]
        max_priority_fee_per_gas=tip,
        max_fee_per_gas=tip + more,
        access_list=access,
    )


def signature(chance: random.Random) -> EvmSignature:
    """In range and low; no key made it, which no codec can see."""
    return EvmSignature(
        chance.randrange(2), chance.randrange(1, CURVE_ORDER), chance.randrange(1, CURVE_ORDER // 2 + 1)
    )
