"""The few ABI encodings of ERC-20 (EIP-20) that the layer reads and writes itself."""

from dataclasses import dataclass

from nsl_protocol.errors import CodecError
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.keccak import keccak256

WORD_BYTES = 32
UINT256_MAX = 2**256 - 1


def selector(signature: str) -> bytes:
    """The first four bytes of a function signature's hash."""
    return keccak256(signature.encode())[:4]


TRANSFER = selector("transfer(address,uint256)")
BALANCE_OF = selector("balanceOf(address)")
DECIMALS = selector("decimals()")
SYMBOL = selector("symbol()")
TRANSFER_EVENT = keccak256(b"Transfer(address,address,uint256)")


@dataclass(frozen=True, slots=True)
class Erc20Transfer:
    """``transfer(to, amount)``; ``amount`` in the token's smallest unit."""

    to: EvmAddress
    amount: int


def address_word(address: EvmAddress) -> bytes:
    """An address as an argument: 32 bytes, padded on the left."""
    return address.raw.rjust(WORD_BYTES, b"\0")


def encode_transfer(to: EvmAddress, amount: int) -> bytes:
    """Calldata of ``transfer(to, amount)``. Raises CodecError when the amount is no uint256."""
    if not 0 <= amount <= UINT256_MAX:
        raise CodecError("is not a uint256", field="amount")
    return TRANSFER + address_word(to) + amount.to_bytes(WORD_BYTES)


def parse_transfer(calldata: bytes) -> Erc20Transfer | None:
    """The transfer that this calldata is, to the last byte; None when it is anything else."""
    if len(calldata) != 4 + 2 * WORD_BYTES or calldata[:4] != TRANSFER or any(calldata[4:16]):
        return None
    return Erc20Transfer(EvmAddress(calldata[16:36]), int.from_bytes(calldata[36:]))


def encode_balance_of(owner: EvmAddress) -> bytes:
    """Calldata of ``balanceOf(owner)``."""
    return BALANCE_OF + address_word(owner)


def decode_uint(answer: bytes) -> int:
    """A returned uint256. Raises CodecError when the answer is not one word."""
    if len(answer) != WORD_BYTES:
        raise CodecError(f"{len(answer)} bytes, a number is {WORD_BYTES}", field="answer")
    return int.from_bytes(answer)


def decode_text(answer: bytes) -> str:
    """A returned string, or the bytes32 that some old tokens return. Raises CodecError."""
    try:
        if len(answer) == WORD_BYTES:
            return answer.rstrip(b"\0").decode()
        start = int.from_bytes(answer[:WORD_BYTES])
        length = int.from_bytes(answer[start : start + WORD_BYTES])
        text = answer[start + WORD_BYTES : start + WORD_BYTES + length]
        if len(text) != length:
            raise CodecError("a string ends early", field="answer")
        return text.decode()
    except UnicodeDecodeError as error:
        raise CodecError("a string is not UTF-8", field="answer") from error
