"""EIP-712 typed structured data: a strict reader of its JSON document, and the digest that is signed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.keccak import keccak256

DOCUMENT_BYTES_MAX = 262_144
DEPTH_MAX = 32
TYPES_MAX = 256
_NAME = r"[A-Za-z_$][A-Za-z0-9_$]*"
_TYPE = re.compile(rf"({_NAME})((?:\[\d*\])*)")
_ARRAY = re.compile(r"(.+)\[(\d*)\]")
_INTEGER = re.compile(r"(u?)int(\d+)")
_FIXED_BYTES = re.compile(r"bytes(\d+)")
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,77})")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_HEX_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DOMAIN = "EIP712Domain"
_DOMAIN_FIELDS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}

type Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TypedData:
    """A document whose every value fits its declared type. Types map a struct's name to its (name, type) fields."""

    types: Mapping[str, Fields]
    primary_type: str
    domain: Mapping[str, Any]
    message: Mapping[str, Any]

    def signing_hash(self) -> bytes:
        """keccak256(0x1901 ‖ domain separator ‖ hashStruct(message)). Raises CodecError for a value of another type."""
        separator = self._hash_struct(_DOMAIN, self.domain, 0)
        if self.primary_type == _DOMAIN:
            return keccak256(b"\x19\x01" + separator)
        return keccak256(b"\x19\x01" + separator + self._hash_struct(self.primary_type, self.message, 0))

    @property
    def chain_id(self) -> int | None:
        """The chain that the domain names, where it names one."""
        value = self.domain.get("chainId")
        return None if value is None else _number(value, "chainId")

    def encode_type(self, name: str) -> str:
        """The struct's declaration followed by those it refers to, sorted by name."""
        referred: set[str] = set()
        self._collect(name, referred)
        referred.discard(name)
        return "".join(
            f"{each}({','.join(f'{kind} {field}' for field, kind in self.types[each])})"
            for each in (name, *sorted(referred))
        )

    def _collect(self, name: str, found: set[str]) -> None:
        if name in found or name not in self.types:
            return
        found.add(name)
        for _, kind in self.types[name]:
            self._collect(kind.partition("[")[0], found)

    def _hash_struct(self, name: str, values: Any, depth: int) -> bytes:
        if depth > DEPTH_MAX:
            raise LimitError(f"values are nested deeper than {DEPTH_MAX}", field=name)
        if not isinstance(values, Mapping):
            raise CodecError("must be an object", field=name)
        fields = self.types[name]
        if set(values) != {field for field, _ in fields}:
            raise CodecError(f"must have exactly the fields {[field for field, _ in fields]}", field=name)
        encoded = (self._encode(kind, values[field], field, depth + 1) for field, kind in fields)
        return keccak256(keccak256(self.encode_type(name).encode()) + b"".join(encoded))

    def _encode(self, kind: str, value: Any, field: str, depth: int) -> bytes:
        """One value as its 32 bytes."""
        if array := _ARRAY.fullmatch(kind):
            element, length = array.groups()
            if depth > DEPTH_MAX:
                raise LimitError(f"values are nested deeper than {DEPTH_MAX}", field=field)
            if not isinstance(value, list) or (length and len(value) != int(length)):
                raise CodecError(f"must be a list for {kind}", field=field)
            return keccak256(b"".join(self._encode(element, each, field, depth + 1) for each in value))
        if kind in self.types:
            return self._hash_struct(kind, value, depth)
        return _encode_atom(kind, value, field)


def parse_typed_data(document: bytes) -> TypedData:
    """Read a JSON document with ``types, primaryType, domain, message``.

    Raises:
        CodecError: not JSON, a key twice, an unknown key or type, or a value that does not fit its type.
        LimitError: larger or deeper than allowed.
    """
    if len(document) > DOCUMENT_BYTES_MAX:
        raise LimitError(f"{len(document)} bytes are above the limit of {DOCUMENT_BYTES_MAX}", field="typed data")
    try:
        read = json.loads(document, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"is not readable JSON: {error}", field="typed data") from error
    if not isinstance(read, dict) or set(read) != {"types", "primaryType", "domain", "message"}:
        raise CodecError("must have exactly types, primaryType, domain and message", field="typed data")
    if not isinstance(read["domain"], dict):
        raise CodecError("must be an object", field="domain")
    types = _types(read["types"], read["domain"])
    primary = read["primaryType"]
    if not isinstance(primary, str) or primary not in types:
        raise CodecError("is not one of the types", field="primaryType")
    data = TypedData(types, primary, read["domain"], read["message"])
    data.signing_hash()
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise CodecError("a key stands twice", field="typed data")
    return read


def _no_float(text: str) -> Any:
    raise CodecError(f"{text} is not a whole number", field="typed data")


def _types(read: Any, domain: Mapping[str, Any]) -> dict[str, Fields]:
    if not isinstance(read, dict) or len(read) > TYPES_MAX:
        raise CodecError(f"must be an object of at most {TYPES_MAX} structs", field="types")
    types = {name: _fields(name, fields) for name, fields in read.items()}
    if _DOMAIN not in types:
        # EIP-712 lets a document leave it out: the fields present, in the standard's order.
        types[_DOMAIN] = tuple((field, kind) for field, kind in _DOMAIN_FIELDS.items() if field in domain)
    for field, kind in types[_DOMAIN]:
        if _DOMAIN_FIELDS.get(field) != kind:
            raise CodecError(f"{kind} {field} is no field of a domain", field=_DOMAIN)
    for name, fields in types.items():
        if _is_atom(name):
            raise CodecError(f"{name} is a type already", field="types")
        for field, kind in fields:
            base = kind.partition("[")[0]
            if base not in types and not _is_atom(base):
                raise CodecError(f"{kind} is unknown", field=f"{name}.{field}")
    return types


def _fields(name: str, read: Any) -> Fields:
    if not re.fullmatch(_NAME, name) or not isinstance(read, list):
        raise CodecError("a struct is a name and a list of fields", field=name)
    fields = []
    for each in read:
        if not isinstance(each, dict) or set(each) != {"name", "type"}:
            raise CodecError("a field has a name and a type", field=name)
        field, kind = each["name"], each["type"]
        if not isinstance(field, str) or not re.fullmatch(_NAME, field):
            raise CodecError("a field's name is not an identifier", field=name)
        if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
            raise CodecError(f"{kind} is not a type", field=f"{name}.{field}")
        fields.append((field, kind))
    if len({field for field, _ in fields}) != len(fields):
        raise CodecError("a field stands twice", field=name)
    return tuple(fields)


def _is_atom(kind: str) -> bool:
    if kind in ("address", "bool", "bytes", "string"):
        return True
    if integer := _INTEGER.fullmatch(kind):
        return kind == f"{integer[1]}int{int(integer[2])}" and int(integer[2]) in range(8, 257, 8)
    if fixed := _FIXED_BYTES.fullmatch(kind):
        return kind == f"bytes{int(fixed[1])}" and int(fixed[1]) in range(1, 33)
    return False


def _encode_atom(kind: str, value: Any, field: str) -> bytes:
    if kind == "string":
        if not isinstance(value, str):
            raise CodecError("must be text", field=field)
        try:
            return keccak256(value.encode())
        except UnicodeEncodeError as error:
            raise CodecError("is not valid Unicode", field=field) from error
    if kind == "bytes":
        return keccak256(_bytes(value, field))
    if kind == "bool":
        if not isinstance(value, bool):
            raise CodecError("must be true or false", field=field)
        return int(value).to_bytes(32)
    if kind == "address":
        if not isinstance(value, str):
            raise CodecError("must be an address", field=field)
        return EvmAddress.parse(value).raw.rjust(32, b"\0")
    if fixed := _FIXED_BYTES.fullmatch(kind):
        raw = _bytes(value, field)
        if len(raw) != int(fixed[1]):
            raise CodecError(f"must be {fixed[1]} bytes", field=field)
        return raw.ljust(32, b"\0")
    return _encode_integer(kind, value, field)


def _encode_integer(kind: str, value: Any, field: str) -> bytes:
    unsigned, width = kind.startswith("u"), int(kind.rpartition("int")[2])
    number = _number(value, field)
    low, high = (0, 2**width) if unsigned else (-(2 ** (width - 1)), 2 ** (width - 1))
    if not low <= number < high:
        raise CodecError(f"does not fit {kind}", field=field)
    return (number % 2**256).to_bytes(32)


def _number(value: Any, field: str) -> int:
    """A JSON number, a decimal string, or hex with 0x."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    if isinstance(value, str) and _HEX_NUMBER.fullmatch(value):
        return int(value, 16)
    raise CodecError("must be a whole number", field=field)


def _bytes(value: Any, field: str) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise CodecError("must be hex with 0x", field=field)
    return bytes.fromhex(value[2:])
