"""A small ERC-20 token as EVM code, assembled here: no compiler is needed to test with a real contract.

Balances lie at the storage slot that is the owner's address. Whoever deploys it owns the whole supply.
"""

from enum import Enum

from tests.support.evm_assembler import assemble

SUPPLY = 10**12
DECIMALS = 6
SYMBOL = "TOK"
_TRANSFER_EVENT = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


class Manner(Enum):
    """What ``transfer`` does when funds are short, or always."""

    REVERTS = "short funds revert"
    ANSWERS_FALSE = "short funds answer false"
    LIES = "every transfer answers true, and nothing happens"


_WORD = "PUSH0 MSTORE 0x20 PUSH0 RETURN"
_RUNTIME = f"""
PUSH0 CALLDATALOAD 0xe0 SHR
DUP1 0x70a08231 EQ @balance JUMPI
DUP1 0xa9059cbb EQ @transfer JUMPI
DUP1 0x313ce567 EQ @decimals JUMPI
DUP1 0x95d89b41 EQ @symbol JUMPI
PUSH0 PUSH0 REVERT
:balance 0x04 CALLDATALOAD SLOAD {_WORD}
:decimals 0x{DECIMALS:02x} {_WORD}
:symbol 0x20 PUSH0 MSTORE 0x{len(SYMBOL):02x} 0x20 MSTORE 0x{SYMBOL.encode().hex().ljust(64, "0")} 0x40 MSTORE
0x60 PUSH0 RETURN
:transfer %s
0x24 CALLDATALOAD CALLER SLOAD DUP2 DUP2 LT @short JUMPI
DUP2 SWAP1 SUB CALLER SSTORE
0x04 CALLDATALOAD DUP1 SLOAD DUP3 ADD DUP2 SSTORE
SWAP1 PUSH0 MSTORE CALLER 0x{_TRANSFER_EVENT} 0x20 PUSH0 LOG3
0x01 {_WORD}
:short %s
"""


def creation_code(manner: Manner) -> bytes:
    """What a transaction without recipient carries to create the token."""
    head = f"0x01 {_WORD}" if manner is Manner.LIES else ""
    short = "PUSH0 PUSH0 REVERT" if manner is Manner.REVERTS else f"PUSH0 {_WORD}"
    runtime = assemble(_RUNTIME % (head, short))
    constructor = f"0x{SUPPLY:016x} CALLER SSTORE 0x{len(runtime):04x} DUP1 0x%02x PUSH0 CODECOPY PUSH0 RETURN"
    size = len(assemble(constructor % 0))
    return assemble(constructor % size) + runtime
