"""What the pipeline needs of a chain and of the enclave. Every list is answered item by item, in order.

A port raises ``NodeDown`` (Unavailable) when no endpoint answers; then nothing is known and the step is repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from nsl.keys.model import DepositAddress, Key
from nsl.ledger.model import Asset, Block, ChainName
from nsl_protocol.enclave.messages import Refused, Signature, SignOrder


@dataclass(frozen=True, slots=True)
class Draft:
    """A transfer to be built. ``public_key`` is the sender's, compressed SEC1. ``nonce`` is the account's on Neo X;
    on N3 it is 32 random bits that make equal transfers different."""

    id: UUID
    sender: str
    public_key: bytes
    asset: Asset
    to: str
    amount: int
    nonce: int
    valid_for_seconds: int


@dataclass(frozen=True, slots=True)
class Unsigned:
    """``fee_max`` is the most that the sender can be charged; ``valid_until`` a block height, None where none."""

    unsigned: bytes
    fee_max: int
    valid_until: int | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The chain will never take this. ``code`` is ours (INSUFFICIENT_FUNDS, EXECUTION_FAULT, …)."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SignedBytes:
    raw: bytes
    hash: str


class Sending(StrEnum):
    """What the answer to a send means."""

    TAKEN = "taken"  # in the pool, or already there, or already on chain
    LATER = "later"  # pool full, not yet valid, nonce gap: send the same bytes again
    NONCE_USED = "nonce_used"  # Neo X: another or the same transaction with this nonce is on chain
    REJECTED = "rejected"  # never in the pool, and never will be
    EXPIRED = "expired"  # N3: the height is past valid_until


@dataclass(frozen=True, slots=True)
class Sent:
    outcome: Sending
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a mined transaction must have done to be called confirmed."""

    hash: str
    asset: Asset
    sender: str
    to: str
    amount: int


@dataclass(frozen=True, slots=True)
class Executed:
    """``failure`` is None when the VM state, the stack result and the transfer event of the right contract all say
    that the transfer happened. ``fee`` is what was charged."""

    hash: str
    fee: int
    failure: Rejected | None


class Chain(Protocol):
    """One blockchain, through however many endpoints."""

    name: ChainName
    #: magic number on N3, chain id on Neo X
    network: int

    async def spendable(self, address: str, asset: Asset) -> int:
        """The balance of one asset, in its smallest unit, at the tip."""

    async def next_nonce(self, address: str) -> int:
        """Neo X: the count of mined transactions of an account (``latest``). N3 has none and answers 0."""

    async def prepare(self, drafts: Sequence[Draft]) -> Sequence[Unsigned | Rejected]:
        """Price and build. One batch of round trips for all."""

    def attach(self, unsigned: bytes, signature: Signature) -> SignedBytes:
        """Pure: put the signature into the bytes that were signed. The public key stands in the signature."""

    async def send(self, signed: Sequence[SignedBytes]) -> Sequence[Sent]:
        """Broadcast, in order."""

    async def height(self) -> int:
        """The tip's height, of the highest healthy endpoint."""

    async def block_hash(self, height: int) -> str | None:
        """The hash of the block at a height, or None when the chain is shorter."""

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        """Blocks ``first`` to ``last`` inclusive, in order."""

    async def executed(self, expected: Sequence[Expected]) -> Sequence[Executed | None]:
        """What became of transactions; None for one that is on no block of the canonical chain."""


class KeyDirectory(Protocol):
    """The keys slice, as an intent sees it."""

    async def get(self, tenant: UUID, key: UUID) -> Key:
        """One of the tenant's keys. Raises Missing."""


class AddressDirectory(Protocol):
    """The addresses below keys, as an intent sees them."""

    async def at(self, tenant: UUID, key: UUID, index: int) -> DepositAddress:
        """Raises Missing; Unprocessable: none was made there."""


class Signer(Protocol):
    """The enclave, as the pipeline sees it. Raises EnclaveDown (Unavailable)."""

    async def sign(self, orders: Sequence[SignOrder]) -> tuple[Signature | Refused, ...]: ...
