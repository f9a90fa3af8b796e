"""The life of a transaction, pure: (transaction, event) → transaction. No I/O, no clock.

    accepted ─Prepared─▶ prepared ─Signed─▶ signed ─Sent─▶ submitted ─Mined─▶ confirmed
        │                   │                  │               │  ▲                │
        └──── Rejected ─────┴──────────────────┴───────────────┤  └─ Unmined ──────┘
                                                               ▼
                                                     failed, expired

Two commitments make a payment happen once. ``prepared`` is committed before the enclave is asked to sign, ``signed``
before anything is sent; from there on only those bytes are ever signed and sent for this intent. A transaction that is
``failed`` or ``expired`` is on no block that stands, or stands there without effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from nsl.ledger.model import Asset, ChainName
from nsl.transactions.errors import IllegalTransition


class State(StrEnum):
    ACCEPTED = "accepted"
    PREPARED = "prepared"
    SIGNED = "signed"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"
    REVERTED = "reverted_by_reorg"

    @property
    def public(self) -> str:
        """As the API shows it: what is prepared is still only accepted."""
        return State.ACCEPTED.value if self is State.PREPARED else self.value


IN_FLIGHT: Final = frozenset({State.ACCEPTED, State.PREPARED, State.SIGNED, State.SUBMITTED, State.REVERTED})
FINAL: Final = frozenset({State.CONFIRMED, State.FAILED, State.EXPIRED})


class Kind(StrEnum):
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class Failed:
    """Why it failed. ``retryable``: the same intent may succeed later, under a new Idempotency-Key."""

    code: str
    message: str

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE


RETRYABLE: Final = frozenset({"INSUFFICIENT_FUNDS", "FEE_TOO_LOW", "NONCE_USED", "EXPIRED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An intent and what became of it. ``amount`` and fees are in the smallest unit; ``fee`` is always in GAS.

    ``address_index``: it is sent from that address below the key (BIP-32); None: from the key's own.
    """

    id: UUID
    tenant: UUID
    chain: ChainName
    kind: Kind
    state: State
    from_key: UUID
    key_version: int
    sender: str
    asset: Asset
    to: str
    amount: int
    valid_for_seconds: int
    created_at: datetime
    updated_at: datetime
    nonce: int | None = None
    unsigned: bytes | None = None
    fee_max: int | None = None
    valid_until: int | None = None
    raw: bytes | None = None
    hash: str | None = None
    sends: int = 0
    next_send_at: datetime | None = None
    nonce_used_height: int | None = None
    block_height: int | None = None
    fee: int | None = None
    failure: Failed | None = None
    address_index: int | None = None


# Events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepared:
    """Priced and built; nothing is signed yet."""

    nonce: int
    unsigned: bytes
    fee_max: int
    valid_until: int | None


@dataclass(frozen=True, slots=True)
class Signed:
    """The enclave signed exactly the prepared bytes."""

    raw: bytes
    hash: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The bytes left, and the node took them or may take them later."""

    taken: bool
    nonce_used_height: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """It can never be mined."""

    failure: Failed


@dataclass(frozen=True, slots=True)
class Mined:
    """On a block. ``failure`` is None when the transfer happened."""

    height: int
    fee: int
    failure: Failed | None


@dataclass(frozen=True, slots=True)
class Unmined:
    """Its block is gone; the same bytes are sent again."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """Every block that could have held it was followed, and none does."""


type Event = Prepared | Signed | Sent | Rejected | Mined | Unmined | Overdue

#: Which event is taken in which state, and what follows. The crash test walks this table.
TRANSITIONS: Final[Mapping[tuple[State, type[Event]], State]] = {
    (State.ACCEPTED, Prepared): State.PREPARED,
    (State.ACCEPTED, Rejected): State.FAILED,
    (State.PREPARED, Signed): State.SIGNED,
    (State.PREPARED, Rejected): State.FAILED,
    (State.SIGNED, Sent): State.SUBMITTED,
    (State.SIGNED, Rejected): State.FAILED,
    (State.SIGNED, Mined): State.CONFIRMED,
    (State.SIGNED, Overdue): State.EXPIRED,
    (State.SUBMITTED, Sent): State.SUBMITTED,
    (State.SUBMITTED, Rejected): State.FAILED,
    (State.SUBMITTED, Mined): State.CONFIRMED,
    (State.SUBMITTED, Overdue): State.EXPIRED,
    (State.CONFIRMED, Unmined): State.SUBMITTED,
    (State.FAILED, Unmined): State.SUBMITTED,
}

RESEND_SECONDS_FIRST: Final = 5
RESEND_SECONDS_MAX: Final = 60
# What a node did not take is offered again sooner: its pool drains, its height grows.
RETRY_SECONDS_FIRST: Final = 1
RETRY_SECONDS_MAX: Final = 8


def transition(transaction: Transaction, event: Event, at: datetime) -> Transaction:
    """The transaction after ``event``.

    Raises:
        IllegalTransition: the table has no such step.
    """
    following = TRANSITIONS.get((transaction.state, type(event)))
    if following is None:
        raise IllegalTransition(f"{type(event).__name__} while {transaction.state}: {transaction.id}")
    moved = replace(transaction, state=following, updated_at=at)
    match event:
        case Prepared(nonce, unsigned, fee_max, valid_until):
            return replace(moved, nonce=nonce, unsigned=unsigned, fee_max=fee_max, valid_until=valid_until)
        case Signed(raw, hash_):
            return replace(moved, raw=raw, hash=hash_, next_send_at=at)
        case Sent():
            return _sent(transaction, moved, event, at)
        case Rejected(failure):
            return replace(moved, failure=failure, next_send_at=None)
        case Mined(height, fee, failure):
            state = State.CONFIRMED if failure is None else State.FAILED
            return replace(moved, state=state, block_height=height, fee=fee, failure=failure, next_send_at=None)
        case Unmined():
            if transaction.block_height is None:
                raise IllegalTransition(f"never mined: {transaction.id}")
            return replace(moved, block_height=None, fee=None, failure=None, nonce_used_height=None, next_send_at=at)
        case Overdue():
            return replace(moved, next_send_at=None)


def _sent(before: Transaction, moved: Transaction, event: Sent, at: datetime) -> Transaction:
    """The same bytes are sent again until they are seen, ever more slowly. What was not taken is still only signed."""
    state = State.SUBMITTED if event.taken else before.state
    first, most = (
        (RESEND_SECONDS_FIRST, RESEND_SECONDS_MAX) if event.taken else (RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX)
    )
    wait = min(first * 2 ** min(before.sends, 8), most)
    used = event.nonce_used_height
    return replace(
        moved,
        state=state,
        sends=before.sends + 1,
        next_send_at=at + timedelta(seconds=wait),
        # The first height of an unbroken row of such answers; any other answer says that the nonce is free again.
        nonce_used_height=None if used is None else before.nonce_used_height or used,
    )


def public_history(before: State, after: State) -> tuple[State, ...]:
    """What the history notes for a step: nothing new that a client could see is noted as nothing."""
    if after is State.SUBMITTED and before in (State.CONFIRMED, State.FAILED):
        return (State.REVERTED, State.SUBMITTED)
    if before.public == after.public:
        return ()
    return (after,)
