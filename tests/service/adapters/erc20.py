"""A small ERC-20 token as EVM code, assembled here: no compiler is needed to test with a real contract.

Balances lie at the storage slot that is the owner's address. Whoever deploys it owns the whole supply.
"""

from enum import Enum

SUPPLY = 10**12
DECIMALS = 6
SYMBOL = "TOK"
_TRANSFER_EVENT = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


class Manner(Enum):
    """What ``transfer`` does when funds are short, or always."""

    REVERTS = "short funds revert"
    ANSWERS_FALSE = "short funds answer false"
    LIES = "every transfer answers true, and nothing happens"


_OPS = {
    "SUB": 0x03, "ADD": 0x01, "LT": 0x10, "EQ": 0x14, "SHR": 0x1C, "CALLER": 0x33, "CALLDATALOAD": 0x35,
    "CODECOPY": 0x39, "MSTORE": 0x52, "SLOAD": 0x54, "SSTORE": 0x55, "JUMPI": 0x57, "JUMPDEST": 0x5B, "PUSH0": 0x5F,
    "DUP1": 0x80, "DUP2": 0x81, "DUP3": 0x82, "SWAP1": 0x90, "LOG3": 0xA3, "RETURN": 0xF3, "REVERT": 0xFD,
}  # fmt: skip
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
    runtime = _assemble(_RUNTIME % (head, short))
    constructor = f"0x{SUPPLY:016x} CALLER SSTORE 0x{len(runtime):04x} DUP1 0x%02x PUSH0 CODECOPY PUSH0 RETURN"
    size = len(_assemble(constructor % 0))
    return _assemble(constructor % size) + runtime


def _assemble(text: str) -> bytes:
    """Words are instructions, 0x… pushes, @name a push of a label's place (one byte), :name the label."""
    code, labels, uses = bytearray(), {}, []
    for word in text.split():
        if word.startswith("0x"):
            operand = bytes.fromhex(word[2:])
            code += bytes((0x5F + len(operand),)) + operand
        elif word.startswith("@"):
            uses.append((len(code) + 2, word[1:]))
            code += b"\x61\0\0"
        elif word.startswith(":"):
            labels[word[1:]] = len(code)
            code.append(_OPS["JUMPDEST"])
        else:
            code.append(_OPS[word])
    for place, name in uses:
        code[place - 1 : place + 1] = labels[name].to_bytes(2)
    return bytes(code)
