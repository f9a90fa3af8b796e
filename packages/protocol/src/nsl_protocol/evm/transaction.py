"""EVM transactions of Neo X: legacy with replay protection (EIP-155), EIP-2930 and EIP-1559.

Parsing and building are inverse: whatever is parsed builds to the same bytes. ``unsigned_bytes`` is what is hashed and
signed; the signed form adds y-parity (or v), r and s. All amounts are in wei.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.evm import rlp
from nsl_protocol.evm.address import ADDRESS_BYTES, EvmAddress
from nsl_protocol.evm.keccak import keccak256

TRANSACTION_BYTES_MAX = 131_072
# EIP-2681: a nonce is below 2^64 - 1.
NONCE_MAX = 2**64 - 2
# EIP-155's v must fit, and JSON readers count to 2^53.
CHAIN_ID_MAX = 2**53 - 1
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_STORAGE_KEY_BYTES = 32
_EIP_155_OFFSET = 35
_SIGNATURE_FIELDS = 3


@dataclass(frozen=True, slots=True)
class AccessListEntry:
    """EIP-2930: an address and the 32-byte storage keys that the transaction will touch."""

    address: EvmAddress
    storage_keys: tuple[bytes, ...] = ()

    def item(self) -> rlp.Item:
        return (self.address.raw, self.storage_keys)


@dataclass(frozen=True, slots=True)
class EvmSignature:
    """EIP-2: ``s`` is in the lower half of the order."""

    y_parity: int
    r: int
    s: int

    def __post_init__(self) -> None:
        if self.y_parity not in (0, 1):
            raise CodecError("y-parity is 0 or 1", field="signature")
        if not 0 < self.r < CURVE_ORDER or not 0 < self.s <= CURVE_ORDER // 2:
            raise CodecError("r or s is out of range (EIP-2 wants a low s)", field="signature")


@dataclass(frozen=True, slots=True)
class _Transaction(ABC):
    """What the three types share. ``to`` is None when a contract is created."""

    chain_id: int
    nonce: int
    gas_limit: int
    to: EvmAddress | None
    value: int
    data: bytes

    type_name: ClassVar[str]

    def __post_init__(self) -> None:
        _bound(self.chain_id, 1, CHAIN_ID_MAX, "chain id")
        _bound(self.nonce, 0, NONCE_MAX, "nonce")
        _bound(self.gas_limit, 0, 2**64 - 1, "gas limit")
        _bound(self.value, 0, 2**256 - 1, "value")

    @abstractmethod
    def unsigned_bytes(self) -> bytes:
        """What is hashed and signed."""

    @abstractmethod
    def signed_bytes(self, signature: EvmSignature) -> bytes:
        """The transaction as it is sent."""

    @property
    @abstractmethod
    def fee_per_gas_max(self) -> int:
        """The most that one unit of gas can cost, in wei."""

    def signing_hash(self) -> bytes:
        """The digest that is signed."""
        return keccak256(self.unsigned_bytes())

    def _target(self) -> bytes:
        return b"" if self.to is None else self.to.raw


@dataclass(frozen=True, slots=True)
class LegacyTransaction(_Transaction):
    """Before EIP-2718, with the chain id of EIP-155 in what is signed."""

    gas_price: int
    type_name: ClassVar[str] = "legacy"

    def __post_init__(self) -> None:
        _Transaction.__post_init__(self)
        _bound(self.gas_price, 0, 2**256 - 1, "gas price")

    @property
    def fee_per_gas_max(self) -> int:
        return self.gas_price

    def _fields(self) -> tuple[rlp.Item, ...]:
        numbers = (self.nonce, self.gas_price, self.gas_limit)
        return (*map(rlp.encode_uint, numbers), self._target(), rlp.encode_uint(self.value), self.data)

    def unsigned_bytes(self) -> bytes:
        return _bounded(rlp.encode((*self._fields(), rlp.encode_uint(self.chain_id), b"", b"")))

    def signed_bytes(self, signature: EvmSignature) -> bytes:
        v = self.chain_id * 2 + _EIP_155_OFFSET + signature.y_parity
        return _bounded(rlp.encode((*self._fields(), *map(rlp.encode_uint, (v, signature.r, signature.s)))))

    @classmethod
    def of(cls, fields: tuple[rlp.Item, ...], chain_id: int) -> Self:
        """From the first six RLP fields."""
        nonce, price, gas, to, value, data = fields
        return cls(
            chain_id=chain_id,
            nonce=rlp.decode_uint(nonce, 64, "nonce"),
            gas_limit=rlp.decode_uint(gas, 64, "gas limit"),
            to=_target(to),
            value=rlp.decode_uint(value, 256, "value"),
            data=_data(data),
            gas_price=rlp.decode_uint(price, 256, "gas price"),
        )


@dataclass(frozen=True, slots=True)
class AccessListTransaction(_Transaction):
    """EIP-2930."""

    gas_price: int
    access_list: tuple[AccessListEntry, ...] = ()
    type_name: ClassVar[str] = "eip-2930"
    type_byte: ClassVar[bytes] = b"\x01"

    def __post_init__(self) -> None:
        _Transaction.__post_init__(self)
        _bound(self.gas_price, 0, 2**256 - 1, "gas price")

    @property
    def fee_per_gas_max(self) -> int:
        return self.gas_price

    def _fields(self) -> tuple[rlp.Item, ...]:
        numbers = (self.chain_id, self.nonce, self.gas_price, self.gas_limit)
        return (*map(rlp.encode_uint, numbers), self._target(), rlp.encode_uint(self.value), self.data, _list(self))

    def unsigned_bytes(self) -> bytes:
        return _bounded(self.type_byte + rlp.encode(self._fields()))

    def signed_bytes(self, signature: EvmSignature) -> bytes:
        return _bounded(self.type_byte + rlp.encode((*self._fields(), *_signature_items(signature))))

    @classmethod
    def of(cls, fields: tuple[rlp.Item, ...]) -> Self:
        """From the first eight RLP fields."""
        chain_id, nonce, price, gas, to, value, data, access = fields
        return cls(
            chain_id=rlp.decode_uint(chain_id, 64, "chain id"),
            nonce=rlp.decode_uint(nonce, 64, "nonce"),
            gas_limit=rlp.decode_uint(gas, 64, "gas limit"),
            to=_target(to),
            value=rlp.decode_uint(value, 256, "value"),
            data=_data(data),
            gas_price=rlp.decode_uint(price, 256, "gas price"),
            access_list=_access_list(access),
        )


@dataclass(frozen=True, slots=True)
class FeeMarketTransaction(_Transaction):
    """EIP-1559. ``max_priority_fee_per_gas`` may not exceed ``max_fee_per_gas``."""

    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    access_list: tuple[AccessListEntry, ...] = ()
    type_name: ClassVar[str] = "eip-1559"
    type_byte: ClassVar[bytes] = b"\x02"

    def __post_init__(self) -> None:
        _Transaction.__post_init__(self)
        _bound(self.max_fee_per_gas, 0, 2**256 - 1, "max fee per gas")
        _bound(self.max_priority_fee_per_gas, 0, self.max_fee_per_gas, "max priority fee per gas")

    @property
    def fee_per_gas_max(self) -> int:
        return self.max_fee_per_gas

    def _fields(self) -> tuple[rlp.Item, ...]:
        prices = (self.max_priority_fee_per_gas, self.max_fee_per_gas)
        numbers = (self.chain_id, self.nonce, *prices, self.gas_limit)
        return (*map(rlp.encode_uint, numbers), self._target(), rlp.encode_uint(self.value), self.data, _list(self))

    def unsigned_bytes(self) -> bytes:
        return _bounded(self.type_byte + rlp.encode(self._fields()))

    def signed_bytes(self, signature: EvmSignature) -> bytes:
        return _bounded(self.type_byte + rlp.encode((*self._fields(), *_signature_items(signature))))

    @classmethod
    def of(cls, fields: tuple[rlp.Item, ...]) -> Self:
        """From the first nine RLP fields."""
        chain_id, nonce, tip, cap, gas, to, value, data, access = fields
        return cls(
            chain_id=rlp.decode_uint(chain_id, 64, "chain id"),
            nonce=rlp.decode_uint(nonce, 64, "nonce"),
            gas_limit=rlp.decode_uint(gas, 64, "gas limit"),
            to=_target(to),
            value=rlp.decode_uint(value, 256, "value"),
            data=_data(data),
            max_priority_fee_per_gas=rlp.decode_uint(tip, 256, "max priority fee per gas"),
            max_fee_per_gas=rlp.decode_uint(cap, 256, "max fee per gas"),
            access_list=_access_list(access),
        )


type EvmTransaction = LegacyTransaction | AccessListTransaction | FeeMarketTransaction

_TYPED: dict[bytes, tuple[type[AccessListTransaction | FeeMarketTransaction], int]] = {
    AccessListTransaction.type_byte: (AccessListTransaction, 8),
    FeeMarketTransaction.type_byte: (FeeMarketTransaction, 9),
}
_LEGACY_FIELDS = 6
_FIRST_LIST_BYTE = 0xC0


def parse_unsigned(data: bytes) -> EvmTransaction:
    """Parse what ``unsigned_bytes`` made.

    Raises:
        CodecError: not exactly the canonical bytes of one of the three types; a legacy transaction must carry the
            chain id (EIP-155).
    """
    kind, fields = _split(data)
    if kind is None:
        if len(fields) != _LEGACY_FIELDS + _SIGNATURE_FIELDS or fields[-2:] != (b"", b""):
            raise CodecError("a legacy transaction to sign ends in chain id, 0, 0 (EIP-155)", field="transaction")
        chain_id = rlp.decode_uint(fields[_LEGACY_FIELDS], 64, "chain id")
        return LegacyTransaction.of(fields[:_LEGACY_FIELDS], chain_id)
    made, count = _TYPED[kind]
    if len(fields) != count:
        raise CodecError(f"{len(fields)} fields, {made.type_name} has {count} unsigned", field="transaction")
    return made.of(fields)


def parse_signed(data: bytes) -> tuple[EvmTransaction, EvmSignature]:
    """Parse what ``signed_bytes`` made. Raises CodecError, also for a high s or a legacy v without a chain id."""
    kind, fields = _split(data)
    count = _LEGACY_FIELDS if kind is None else _TYPED[kind][1]
    if len(fields) != count + _SIGNATURE_FIELDS:
        raise CodecError(f"{len(fields)} fields, {count + _SIGNATURE_FIELDS} are due", field="transaction")
    v = rlp.decode_uint(fields[count], 64, "v")
    r, s = (rlp.decode_uint(field, 256, "signature") for field in fields[count + 1 :])
    if kind is None:
        if v < _EIP_155_OFFSET + 2:
            raise CodecError("carries no chain id (EIP-155)", field="v")
        chain_id, y_parity = divmod(v - _EIP_155_OFFSET, 2)
        return LegacyTransaction.of(fields[:count], chain_id), EvmSignature(y_parity, r, s)
    return _TYPED[kind][0].of(fields[:count]), EvmSignature(v, r, s)


def transaction_hash(raw: bytes) -> str:
    """The hash of signed bytes, as text with 0x."""
    return "0x" + keccak256(raw).hex()


def _split(data: bytes) -> tuple[bytes | None, tuple[rlp.Item, ...]]:
    """The type byte (None for legacy) and the fields."""
    _bounded(data)
    if not data:
        raise CodecError("is empty", field="transaction")
    if data[0] >= _FIRST_LIST_BYTE:
        kind, body = None, data
    elif data[:1] in _TYPED:
        kind, body = data[:1], data[1:]
    else:
        raise CodecError(f"type 0x{data[0]:02x} is unknown: legacy, 0x01 and 0x02 are supported", field="transaction")
    fields = rlp.decode(body)
    if isinstance(fields, bytes):
        raise CodecError("its body is not a list", field="transaction")
    return kind, fields


def _bounded(data: bytes) -> bytes:
    if len(data) > TRANSACTION_BYTES_MAX:
        raise LimitError(f"{len(data)} bytes are above the limit of {TRANSACTION_BYTES_MAX}", field="transaction")
    return data


def _bound(value: int, low: int, high: int, field: str) -> None:
    if not low <= value <= high:
        raise LimitError(f"{value} is not from {low} to {high}", field=field)


def _target(item: rlp.Item) -> EvmAddress | None:
    if not isinstance(item, bytes) or len(item) not in (0, ADDRESS_BYTES):
        raise CodecError(f"must be empty or {ADDRESS_BYTES} bytes", field="to")
    return EvmAddress(item) if item else None


def _data(item: rlp.Item) -> bytes:
    if not isinstance(item, bytes):
        raise CodecError("must be bytes, not a list", field="data")
    return item


def _list(transaction: AccessListTransaction | FeeMarketTransaction) -> rlp.Item:
    return tuple(entry.item() for entry in transaction.access_list)


def _signature_items(signature: EvmSignature) -> tuple[bytes, ...]:
    return tuple(map(rlp.encode_uint, (signature.y_parity, signature.r, signature.s)))


def _access_list(item: rlp.Item) -> tuple[AccessListEntry, ...]:
    if isinstance(item, bytes):
        raise CodecError("must be a list", field="access list")
    return tuple(map(_access_entry, item))


def _access_entry(item: rlp.Item) -> AccessListEntry:
    match item:
        case (bytes() as address, tuple() as keys) if len(address) == ADDRESS_BYTES:
            if all(isinstance(key, bytes) and len(key) == _STORAGE_KEY_BYTES for key in keys):
                return AccessListEntry(EvmAddress(address), tuple(key for key in keys if isinstance(key, bytes)))
    raise CodecError("an entry is an address and a list of 32-byte keys", field="access list")
