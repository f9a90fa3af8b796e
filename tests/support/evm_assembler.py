"""EVM code written by hand, for contracts of tests: no compiler is needed."""

_OPS = {
    "STOP": 0x00, "ADD": 0x01, "SUB": 0x03, "LT": 0x10, "EQ": 0x14, "ISZERO": 0x15, "SHL": 0x1B, "SHR": 0x1C,
    "SHA3": 0x20, "ADDRESS": 0x30, "CALLER": 0x33, "CALLDATALOAD": 0x35, "CALLDATACOPY": 0x37, "CODECOPY": 0x39,
    "POP": 0x50, "MSTORE": 0x52, "SLOAD": 0x54, "SSTORE": 0x55, "JUMP": 0x56, "JUMPI": 0x57, "GAS": 0x5A,
    "JUMPDEST": 0x5B, "PUSH0": 0x5F, "DUP1": 0x80, "DUP2": 0x81, "DUP3": 0x82, "DUP4": 0x83, "SWAP1": 0x90,
    "LOG3": 0xA3, "RETURN": 0xF3, "DELEGATECALL": 0xF4, "REVERT": 0xFD,
}  # fmt: skip


def assemble(text: str) -> bytes:
    """Words are instructions, 0x… pushes, @name a push of a label's place (two bytes), :name the label."""
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
