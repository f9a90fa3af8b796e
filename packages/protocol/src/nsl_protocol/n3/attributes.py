"""Transaction attributes: the five the nodes know, each at most once in a transaction; Conflicts once for each hash."""

from dataclasses import dataclass
from enum import IntEnum

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3.wire import Reader, exactly, uint, var_bytes

ORACLE_RESULT_BYTES_MAX = 65_535
HASH_BYTES = 32


class AttributeType(IntEnum):
    """The first byte of an attribute."""

    HIGH_PRIORITY = 0x01
    ORACLE_RESPONSE = 0x11
    NOT_VALID_BEFORE = 0x20
    CONFLICTS = 0x21
    NOTARY_ASSISTED = 0x22


class OracleCode(IntEnum):
    """How an oracle request ended."""

    SUCCESS = 0x00
    PROTOCOL_NOT_SUPPORTED = 0x10
    CONSENSUS_UNREACHABLE = 0x12
    NOT_FOUND = 0x14
    TIMEOUT = 0x16
    FORBIDDEN = 0x18
    RESPONSE_TOO_LARGE = 0x1A
    INSUFFICIENT_FUNDS = 0x1C
    CONTENT_TYPE_NOT_SUPPORTED = 0x1F
    ERROR = 0xFF


@dataclass(frozen=True, slots=True)
class HighPriority:
    """Goes before others: needs the committee's witness."""

    def to_bytes(self) -> bytes:
        """The wire form."""
        return bytes((AttributeType.HIGH_PRIORITY,))


@dataclass(frozen=True, slots=True)
class OracleResponse:
    """What the oracle nodes answer to request ``id``; a result goes with success only."""

    id: int
    code: OracleCode
    result: bytes

    def __post_init__(self) -> None:
        if self.result and self.code is not OracleCode.SUCCESS:
            raise CodecError("a result goes with the code Success only", field="oracle result")
        if len(self.result) > ORACLE_RESULT_BYTES_MAX:
            raise LimitError(f"more than {ORACLE_RESULT_BYTES_MAX} bytes", field="oracle result")

    def to_bytes(self) -> bytes:
        """The wire form."""
        head = bytes((AttributeType.ORACLE_RESPONSE,)) + uint(self.id, 8, "oracle id")
        return head + bytes((self.code,)) + var_bytes(self.result)


@dataclass(frozen=True, slots=True)
class NotValidBefore:
    """Not before the block of that height."""

    height: int

    def to_bytes(self) -> bytes:
        """The wire form."""
        return bytes((AttributeType.NOT_VALID_BEFORE,)) + uint(self.height, 4, "not valid before")


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Excludes another transaction. ``hash`` is its 32 bytes as on the wire (the text's bytes in reverse)."""

    hash: bytes

    def __post_init__(self) -> None:
        exactly(self.hash, HASH_BYTES, "conflicts")

    def to_bytes(self) -> bytes:
        """The wire form."""
        return bytes((AttributeType.CONFLICTS,)) + self.hash


@dataclass(frozen=True, slots=True)
class NotaryAssisted:
    """A notary collects the signatures: how many ``keys`` are to sign, 0 to 255."""

    keys: int

    def to_bytes(self) -> bytes:
        """The wire form."""
        return bytes((AttributeType.NOTARY_ASSISTED,)) + uint(self.keys, 1, "notary keys")


type Attribute = HighPriority | OracleResponse | NotValidBefore | Conflicts | NotaryAssisted


def read_attribute(reader: Reader) -> Attribute:
    """Read one attribute.

    Raises:
        CodecError: an unknown type or oracle code, or a result without success.
    """
    kind = reader.uint(1, "attribute")
    match kind:
        case AttributeType.HIGH_PRIORITY:
            return HighPriority()
        case AttributeType.ORACLE_RESPONSE:
            number, code = reader.uint(8, "oracle id"), reader.uint(1, "oracle code")
            if code not in OracleCode:
                raise CodecError(f"0x{code:02x} is no oracle code", field="oracle code")
            return OracleResponse(number, OracleCode(code), reader.var_bytes(ORACLE_RESULT_BYTES_MAX, "oracle result"))
        case AttributeType.NOT_VALID_BEFORE:
            return NotValidBefore(reader.uint(4, "not valid before"))
        case AttributeType.CONFLICTS:
            return Conflicts(reader.take(HASH_BYTES, "conflicts"))
        case AttributeType.NOTARY_ASSISTED:
            return NotaryAssisted(reader.uint(1, "notary keys"))
    raise CodecError(f"0x{kind:02x} is no attribute", field="attribute")
