"""Signers, the scopes of their witnesses, witness rules, and witnesses.

The limits and checks are those of the official nodes (neo ``Signer``, ``WitnessCondition``; neo-go
``pkg/core/transaction``); where a node reads several forms of one value, only the canonical one is read here.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Self

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3.address import SCRIPT_HASH_BYTES, ScriptHash
from nsl_protocol.n3.keys import COMPRESSED_BYTES, PublicKey
from nsl_protocol.n3.wire import Reader, var_bytes, var_int

SUBITEMS_MAX = 16
# A condition may stand in a composite one, and that in another: Not(Not(x)) but not Not(Not(Not(x))).
NESTING_MAX = 2
INVOCATION_BYTES_MAX = 1024
VERIFICATION_BYTES_MAX = 1024


class Scope(IntFlag):
    """Where a signer's witness counts. ``GLOBAL`` stands alone."""

    NONE = 0
    CALLED_BY_ENTRY = 0x01
    CUSTOM_CONTRACTS = 0x10
    CUSTOM_GROUPS = 0x20
    WITNESS_RULES = 0x40
    GLOBAL = 0x80


SCOPES = Scope.CALLED_BY_ENTRY | Scope.CUSTOM_CONTRACTS | Scope.CUSTOM_GROUPS | Scope.WITNESS_RULES | Scope.GLOBAL


class Action(IntEnum):
    """What a rule does where its condition holds."""

    DENY = 0
    ALLOW = 1


class ConditionType(IntEnum):
    """The first byte of a condition."""

    BOOLEAN = 0x00
    NOT = 0x01
    AND = 0x02
    OR = 0x03
    SCRIPT_HASH = 0x18
    GROUP = 0x19
    CALLED_BY_ENTRY = 0x20
    CALLED_BY_CONTRACT = 0x28
    CALLED_BY_GROUP = 0x29


@dataclass(frozen=True, slots=True)
class Boolean:
    """Always, or never."""

    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    """Where the inner condition does not hold."""

    expression: "Condition"


@dataclass(frozen=True, slots=True)
class And:
    """Where all of 1 to 16 conditions hold."""

    expressions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Where one of 1 to 16 conditions holds."""

    expressions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class CurrentContract:
    """ScriptHash: in that contract."""

    hash: ScriptHash


@dataclass(frozen=True, slots=True)
class CurrentGroup:
    """Group: in a contract of that group."""

    group: PublicKey


@dataclass(frozen=True, slots=True)
class CalledByEntry:
    """In the entry script and in what it calls."""


@dataclass(frozen=True, slots=True)
class CalledByContract:
    """In what that contract calls."""

    hash: ScriptHash


@dataclass(frozen=True, slots=True)
class CalledByGroup:
    """In what a contract of that group calls."""

    group: PublicKey


type Condition = (
    Boolean | Not | And | Or | CurrentContract | CurrentGroup | CalledByEntry | CalledByContract | CalledByGroup
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A witness rule: the first whose condition holds decides."""

    action: Action
    condition: Condition


@dataclass(frozen=True, slots=True)
class Signer:
    """An account that signs, and where its witness counts. The lists go with their scopes only."""

    account: ScriptHash
    scopes: Scope = Scope.CALLED_BY_ENTRY
    contracts: tuple[ScriptHash, ...] = ()
    groups: tuple[PublicKey, ...] = ()
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        _check_scopes(self.scopes)
        for scope, items, field in (
            (Scope.CUSTOM_CONTRACTS, self.contracts, "allowed contracts"),
            (Scope.CUSTOM_GROUPS, self.groups, "allowed groups"),
            (Scope.WITNESS_RULES, self.rules, "rules"),
        ):
            if items and scope not in self.scopes:
                raise CodecError("given without their scope", field=field)
            if len(items) > SUBITEMS_MAX:
                raise LimitError(f"{len(items)} are above the limit of {SUBITEMS_MAX}", field=field)

    def to_bytes(self) -> bytes:
        """The wire form."""
        made = [self.account.raw, bytes((self.scopes,))]
        if Scope.CUSTOM_CONTRACTS in self.scopes:
            made += [var_int(len(self.contracts)), *(contract.raw for contract in self.contracts)]
        if Scope.CUSTOM_GROUPS in self.scopes:
            made += [var_int(len(self.groups)), *(group.raw for group in self.groups)]
        if Scope.WITNESS_RULES in self.scopes:
            made += [var_int(len(self.rules)), *(_rule_bytes(rule) for rule in self.rules)]
        return b"".join(made)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the wire form."""
        account = ScriptHash(reader.take(SCRIPT_HASH_BYTES, "signer account"))
        scopes = _check_scopes(reader.uint(1, "scopes"))
        contracts: tuple[ScriptHash, ...] = ()
        groups: tuple[PublicKey, ...] = ()
        rules: tuple[Rule, ...] = ()
        if Scope.CUSTOM_CONTRACTS in scopes:
            count = reader.var_int(SUBITEMS_MAX, "allowed contracts")
            contracts = tuple(ScriptHash(reader.take(SCRIPT_HASH_BYTES, "allowed contract")) for _ in range(count))
        if Scope.CUSTOM_GROUPS in scopes:
            count = reader.var_int(SUBITEMS_MAX, "allowed groups")
            groups = tuple(PublicKey(reader.take(COMPRESSED_BYTES, "allowed group")) for _ in range(count))
        if Scope.WITNESS_RULES in scopes:
            rules = tuple(_read_rule(reader) for _ in range(reader.var_int(SUBITEMS_MAX, "rules")))
        return cls(account, scopes, contracts, groups, rules)


@dataclass(frozen=True, slots=True)
class Witness:
    """The two scripts that prove one signer: what it gives, and what checks it. Each at most 1024 bytes."""

    invocation: bytes
    verification: bytes

    def __post_init__(self) -> None:
        if len(self.invocation) > INVOCATION_BYTES_MAX:
            raise LimitError(f"{len(self.invocation)} bytes are above {INVOCATION_BYTES_MAX}", field="invocation")
        if len(self.verification) > VERIFICATION_BYTES_MAX:
            raise LimitError(f"{len(self.verification)} bytes are above {VERIFICATION_BYTES_MAX}", field="verification")

    def to_bytes(self) -> bytes:
        """The wire form."""
        return var_bytes(self.invocation) + var_bytes(self.verification)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the wire form."""
        invocation = reader.var_bytes(INVOCATION_BYTES_MAX, "invocation")
        return cls(invocation, reader.var_bytes(VERIFICATION_BYTES_MAX, "verification"))


def _check_scopes(value: int) -> Scope:
    if value & ~SCOPES:
        raise CodecError(f"0x{value:02x} holds an unknown scope", field="scopes")
    if value & Scope.GLOBAL and value != Scope.GLOBAL:
        raise CodecError("Global cannot be combined with another scope", field="scopes")
    return Scope(value)


def _rule_bytes(rule: Rule) -> bytes:
    return bytes((rule.action,)) + _condition_bytes(rule.condition, NESTING_MAX)


def _read_rule(reader: Reader) -> Rule:
    action = reader.uint(1, "rule action")
    if action not in Action:
        raise CodecError(f"{action} is no action", field="rule action")
    return Rule(Action(action), _read_condition(reader, NESTING_MAX))


def _condition_bytes(condition: Condition, depth: int) -> bytes:
    match condition:
        case Boolean(value):
            return bytes((ConditionType.BOOLEAN, value))
        case Not(expression):
            return bytes((ConditionType.NOT,)) + _condition_bytes(expression, _deeper(depth))
        case And(expressions):
            return _list_bytes(ConditionType.AND, expressions, _deeper(depth))
        case Or(expressions):
            return _list_bytes(ConditionType.OR, expressions, _deeper(depth))
        case CurrentContract(contract):
            return bytes((ConditionType.SCRIPT_HASH,)) + contract.raw
        case CurrentGroup(group):
            return bytes((ConditionType.GROUP,)) + group.raw
        case CalledByEntry():
            return bytes((ConditionType.CALLED_BY_ENTRY,))
        case CalledByContract(contract):
            return bytes((ConditionType.CALLED_BY_CONTRACT,)) + contract.raw
        case CalledByGroup(group):
            return bytes((ConditionType.CALLED_BY_GROUP,)) + group.raw


def _list_bytes(kind: ConditionType, expressions: tuple[Condition, ...], depth: int) -> bytes:
    if not 1 <= len(expressions) <= SUBITEMS_MAX:
        raise LimitError(f"1 to {SUBITEMS_MAX} conditions, not {len(expressions)}", field="condition")
    return bytes((kind, len(expressions))) + b"".join(_condition_bytes(each, depth) for each in expressions)


def _read_condition(reader: Reader, depth: int) -> Condition:
    kind = reader.uint(1, "condition")
    match kind:
        case ConditionType.BOOLEAN:
            value = reader.uint(1, "condition")
            if value > 1:
                raise CodecError(f"{value} is no boolean", field="condition")
            return Boolean(value == 1)
        case ConditionType.NOT:
            return Not(_read_condition(reader, _deeper(depth)))
        case ConditionType.AND:
            return And(_read_list(reader, _deeper(depth)))
        case ConditionType.OR:
            return Or(_read_list(reader, _deeper(depth)))
        case ConditionType.SCRIPT_HASH:
            return CurrentContract(ScriptHash(reader.take(SCRIPT_HASH_BYTES, "condition")))
        case ConditionType.GROUP:
            return CurrentGroup(PublicKey(reader.take(COMPRESSED_BYTES, "condition")))
        case ConditionType.CALLED_BY_ENTRY:
            return CalledByEntry()
        case ConditionType.CALLED_BY_CONTRACT:
            return CalledByContract(ScriptHash(reader.take(SCRIPT_HASH_BYTES, "condition")))
        case ConditionType.CALLED_BY_GROUP:
            return CalledByGroup(PublicKey(reader.take(COMPRESSED_BYTES, "condition")))
    raise CodecError(f"0x{kind:02x} is no condition", field="condition")


def _read_list(reader: Reader, depth: int) -> tuple[Condition, ...]:
    count = reader.var_int(SUBITEMS_MAX, "condition")
    if count == 0:
        raise CodecError("an empty list of conditions", field="condition")
    return tuple(_read_condition(reader, depth) for _ in range(count))


def _deeper(depth: int) -> int:
    if depth == 0:
        raise LimitError(f"conditions are nested deeper than {NESTING_MAX}", field="condition")
    return depth - 1
