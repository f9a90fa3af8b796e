"""NeoVM scripts: what pushes values, calls contracts and moves NEP-17 tokens, and a parser for that last one.

Every function gives bytes; a script is their concatenation. Encodings are those of the official nodes' script
builders: the shortest push of a value, arguments in reverse order.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.wire import Reader

SCRIPT_BYTES_MAX = 65_535
# How deep arrays may be nested in an argument: far above use, far below the recursion limit.
ARRAY_DEPTH_MAX = 8
# The VM's stack holds no more items than this, so no PACK of more can run.
ARRAY_ITEMS_MAX = 2048
BYTE_MAX = 0xFF
_INTEGER_SIZES = (1, 2, 4, 8, 16, 32)


class Op(IntEnum):
    """The instructions used here (neo-vm OpCode)."""

    PUSHINT8 = 0x00
    PUSHINT256 = 0x05
    PUSHT = 0x08
    PUSHF = 0x09
    PUSHNULL = 0x0B
    PUSHDATA1 = 0x0C
    PUSHDATA2 = 0x0D
    PUSHDATA4 = 0x0E
    PUSHM1 = 0x0F
    PUSH0 = 0x10
    PUSH16 = 0x20
    ASSERT = 0x39
    SYSCALL = 0x41
    DROP = 0x45
    PACK = 0xC0
    NEWARRAY0 = 0xC2


class CallFlags(IntFlag):
    """What a called contract may do."""

    NONE = 0
    READ_STATES = 1
    WRITE_STATES = 2
    ALLOW_CALL = 4
    ALLOW_NOTIFY = 8
    STATES = READ_STATES | WRITE_STATES
    READ_ONLY = READ_STATES | ALLOW_CALL
    ALL = STATES | ALLOW_CALL | ALLOW_NOTIFY


type Value = ScriptHash | bool | int | bytes | str | tuple[Value, ...] | None


def op(code: Op) -> bytes:
    """One instruction without operand."""
    return bytes((code,))


def push_int(value: int) -> bytes:
    """Push an integer of at most 256 bits (signed), in the shortest way.

    Raises:
        LimitError: it needs more.
    """
    if Op.PUSHM1 <= Op.PUSH0 + value <= Op.PUSH16:
        return bytes((Op.PUSH0 + value,))
    for index, size in enumerate(_INTEGER_SIZES):
        if -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1:
            return bytes((Op.PUSHINT8 + index,)) + value.to_bytes(size, "little", signed=True)
    raise LimitError("an integer of the VM has at most 256 bits")


def push_bytes(value: bytes) -> bytes:
    """Push bytes with a length of 1, 2 or 4 bytes in front.

    Raises:
        LimitError: longer than any script.
    """
    size = len(value)
    if size <= BYTE_MAX:
        return bytes((Op.PUSHDATA1, size)) + value
    if size <= SCRIPT_BYTES_MAX:
        return bytes((Op.PUSHDATA2,)) + size.to_bytes(2, "little") + value
    raise LimitError(f"{size} bytes are more than a script of {SCRIPT_BYTES_MAX} can hold")


def push_bool(value: bool) -> bytes:  # noqa: FBT001 - the value is the whole point
    """Push true or false."""
    return op(Op.PUSHT if value else Op.PUSHF)


def push_null() -> bytes:
    """Push null."""
    return op(Op.PUSHNULL)


def push_array(items: tuple[Value, ...]) -> bytes:
    """Push an array: its items in reverse order, their number, PACK."""
    return _push_array(items, ARRAY_DEPTH_MAX)


def push(value: Value) -> bytes:
    """Push any value: text as UTF-8, a script hash as its 20 little-endian bytes.

    Raises:
        LimitError: an integer, an array or its nesting is too large.
    """
    return _push(value, ARRAY_DEPTH_MAX)


def syscall(name: str) -> bytes:
    """Call an interop service: its id is the first four bytes of the name's SHA-256."""
    return op(Op.SYSCALL) + hashlib.sha256(name.encode("ascii")).digest()[:4]


_CONTRACT_CALL = syscall("System.Contract.Call")


def call(contract: ScriptHash, method: str, *arguments: Value, flags: CallFlags = CallFlags.ALL) -> bytes:
    """Call a contract's method; its result, if any, is left on the stack."""
    return b"".join(
        (push_array(arguments), push_int(flags), push(method), push_bytes(contract.raw), _CONTRACT_CALL),
    )


@dataclass(frozen=True, slots=True)
class Transfer:
    """A NEP-17 transfer. ``amount`` is in the token's smallest unit.

    ``asserted``: the script faults where the token answers false; else false is the result left on the stack.
    """

    contract: ScriptHash
    source: ScriptHash
    recipient: ScriptHash
    amount: int
    data: Value = None
    asserted: bool = True

    def script(self) -> bytes:
        """The script that does it: ``transfer(from, to, amount, data)`` and, where asserted, ASSERT.

        Raises:
            CodecError: a negative amount.
            LimitError: larger than a script may be.
        """
        if self.amount < 0:
            raise CodecError("must not be negative", field="amount")
        made = call(self.contract, "transfer", self.source, self.recipient, self.amount, self.data)
        if self.asserted:
            made += op(Op.ASSERT)
        if len(made) > SCRIPT_BYTES_MAX:
            raise LimitError(f"{len(made)} bytes are above the limit of {SCRIPT_BYTES_MAX}", field="script")
        return made


def transfer_script(
    contract: ScriptHash,
    source: ScriptHash,
    recipient: ScriptHash,
    amount: int,
    data: Value = None,
    *,
    asserted: bool = True,
) -> bytes:
    """The script of one NEP-17 transfer; see ``Transfer``."""
    return Transfer(contract, source, recipient, amount, data, asserted).script()


def parse_transfer(script: bytes) -> Transfer | None:
    """What ``Transfer.script`` made, or None for every other script, however similar.

    Text in ``data`` comes back as bytes, which are the same on the VM.
    """
    try:
        found = _read_transfer(Reader(script))
        # What was read is built anew: one answer to all questions of shortest form and exact shape.
        return found if found is not None and found.script() == script else None
    except CodecError:
        return None


@dataclass(frozen=True, slots=True)
class ContractCall:
    """A call as a script makes it. ``then``: what becomes of its result, ASSERT or DROP; None: it is left on the stack.

    Text among the arguments is bytes, which are the same on the VM.
    """

    contract: ScriptHash
    method: str
    flags: CallFlags
    arguments: tuple[Value, ...]
    then: Op | None = None

    def script(self) -> bytes:
        """The bytes that make it."""
        made = call(self.contract, self.method, *self.arguments, flags=self.flags)
        return made if self.then is None else made + op(self.then)


def parse_calls(script: bytes) -> tuple[ContractCall, ...] | None:
    """The calls that a script makes one after the other, if it does nothing else at all; else None."""
    try:
        found = tuple(_read_calls(Reader(script)))
        return found if b"".join(each.script() for each in found) == script else None
    except (CodecError, UnicodeDecodeError, ValueError):
        return None


def _read_calls(reader: Reader) -> Iterator[ContractCall]:
    stack: list[tuple[Value, int]] = []
    waiting: ContractCall | None = None
    while reader.left:
        code = reader.uint(1, "opcode")
        if waiting is not None:
            ended = code in (Op.ASSERT, Op.DROP)
            yield replace(waiting, then=Op(code)) if ended else waiting
            waiting = None
            if ended:
                continue
        if code == Op.SYSCALL:
            if reader.take(4, "syscall") != _CONTRACT_CALL[1:]:
                raise CodecError("calls something else than a contract", field="syscall")
            waiting = _called([value for value, _ in stack])
            stack.clear()
        else:
            _step(code, reader, stack)
    if stack:
        raise CodecError("leaves values on the stack", field="script")
    if waiting is not None:
        yield waiting


def _called(values: list[Value]) -> ContractCall:
    match values:
        case [tuple() as arguments, int() as flags, bytes() as method, bytes() as contract]:
            return ContractCall(ScriptHash(contract), method.decode(), CallFlags(flags), arguments)
    raise CodecError("is no call of a contract", field="script")


def _read_transfer(reader: Reader) -> Transfer | None:
    stack: list[tuple[Value, int]] = []
    while (code := reader.uint(1, "opcode")) != Op.SYSCALL:
        _step(code, reader, stack)
    reader.take(4, "syscall")
    values = [value for value, _ in stack]
    asserted = reader.left > 0
    match values:
        case [
            (bytes() as source, bytes() as recipient, int() as amount, data),
            int(),
            b"transfer",
            bytes() as contract,
        ]:
            if isinstance(amount, bool):  # PUSHT builds anew to itself
                return None
            return Transfer(ScriptHash(contract), ScriptHash(source), ScriptHash(recipient), amount, data, asserted)
    return None


def _step(code: int, reader: Reader, stack: list[tuple[Value, int]]) -> None:
    value: Value
    depth = 0
    if code <= Op.PUSHINT256:
        value = int.from_bytes(reader.take(_INTEGER_SIZES[code], "integer"), "little", signed=True)
    elif Op.PUSHM1 <= code <= Op.PUSH16:
        value = code - Op.PUSH0
    elif code in (Op.PUSHDATA1, Op.PUSHDATA2):
        value = reader.take(reader.uint(1 if code == Op.PUSHDATA1 else 2, "length"), "data")
    elif code in (Op.PUSHT, Op.PUSHF):
        value = code == Op.PUSHT
    elif code == Op.PUSHNULL:
        value = None
    elif code == Op.NEWARRAY0:
        value, depth = (), 1
    elif code == Op.PACK:
        value, depth = _pack(stack)
    else:
        raise CodecError(f"opcode 0x{code:02x} is not part of a transfer")
    stack.append((value, depth))


def _pack(stack: list[tuple[Value, int]]) -> tuple[tuple[Value, ...], int]:
    count = stack.pop()[0] if stack else None
    if type(count) is not int or not 0 < count <= len(stack):
        raise CodecError("PACK without that many items")
    items = [stack.pop() for _ in range(count)]
    depth = 1 + max(depth for _, depth in items)
    if depth > ARRAY_DEPTH_MAX + 1:
        raise LimitError("arrays are nested too deep")
    return tuple(value for value, _ in items), depth


def _push(value: Value, depth: int) -> bytes:
    match value:
        case None:
            return push_null()
        case bool():
            return push_bool(value)
        case int():
            return push_int(value)
        case bytes():
            return push_bytes(value)
        case str():
            return push_bytes(value.encode())
        case ScriptHash():
            return push_bytes(value.raw)
        case tuple():
            return _push_array(value, depth)


def _push_array(items: tuple[Value, ...], depth: int) -> bytes:
    if depth < 0:
        raise LimitError(f"arrays are nested deeper than {ARRAY_DEPTH_MAX}")
    if not items:
        return op(Op.NEWARRAY0)
    if len(items) > ARRAY_ITEMS_MAX:
        raise LimitError(f"{len(items)} items are more than the VM's {ARRAY_ITEMS_MAX}")
    pushed = [_push(item, depth - 1) for item in reversed(items)]
    return b"".join((*pushed, push_int(len(items)), op(Op.PACK)))
