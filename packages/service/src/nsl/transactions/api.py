"""Transactions over HTTP. Amounts are decimal text in the asset's unit, fees in GAS."""

import hashlib
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.kit.errors import Malformed
from nsl.ledger.model import NATIVE_ASSETS, ChainName, format_amount
from nsl.transactions.errors import IdempotencyKeyMissing
from nsl.transactions.model import State, Transaction
from nsl.transactions.service import NewTransfer, Transactions
from nsl_protocol.enclave.signable import AddressIndex

IDEMPOTENCY_KEY_MAX = 255
PAGE_MAX = 200
VALID_FOR_SECONDS = 900

Intents = NamedDependency[SkipValidation[Transactions]]


class CreateTransfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``asset``: a symbol (GAS, NEO) or a token's contract. ``amount``: decimal text, such as "1.5".

    ``valid_for_seconds``: on Neo N3 the transaction cannot be mined later; on Neo X nothing expires by itself.
    ``address_index``: of an address below the key, which it is sent from and which pays the fee.
    """

    kind: Literal["transfer"]
    chain: ChainName
    from_key: UUID
    asset: Annotated[str, Meta(min_length=1, max_length=100)]
    to: Annotated[str, Meta(min_length=1, max_length=100)]
    amount: Annotated[str, Meta(min_length=1, max_length=160)]
    valid_for_seconds: Annotated[int, Meta(ge=15, le=86_400)] = VALID_FOR_SECONDS
    address_index: AddressIndex | None = None


class FailureView(msgspec.Struct, frozen=True):
    code: str
    message: str
    retryable: bool


class HistoryView(msgspec.Struct, frozen=True):
    state: str
    at: datetime


class TransactionView(msgspec.Struct, frozen=True):
    """``fee`` is what the chain charged, ``fee_max`` the most that it can, both in GAS."""

    id: UUID
    chain: str
    kind: str
    state: str
    created_at: datetime
    updated_at: datetime
    from_key: UUID
    sender: str
    asset: str
    contract: str | None
    to: str
    amount: str
    hash: str | None
    block_height: int | None
    fee: str | None
    fee_max: str | None
    valid_until_block: int | None
    nonce: int | None
    failure: FailureView | None
    history: list[HistoryView] | None = None
    address_index: int | None = None


class TransactionPage(msgspec.Struct, frozen=True):
    items: list[TransactionView]
    next_cursor: str | None


@post(
    "/v1/transactions",
    operation_id="createTransaction",
    summary="Accept a transfer: made exactly once, whatever happens to us",
    tags=["transactions"],
    status_code=HTTP_202_ACCEPTED,
)
async def create_transaction(
    caller: Annotated[Caller, Requires(Scope.TRANSACTIONS_CREATE)],
    transactions: Intents,
    data: JSONBody[CreateTransfer],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key", description="Required, at most 255 characters; the same key, the same intent"
        ),
    ] = None,
) -> TransactionView:
    request = NewTransfer(
        chain=data.chain,
        from_key=data.from_key,
        asset=data.asset,
        to=data.to,
        amount=data.amount,
        valid_for_seconds=data.valid_for_seconds,
        address_index=data.address_index,
    )
    digest = hashlib.sha256(msgspec.json.encode(data, order="deterministic")).digest()
    return _view(await transactions.create(caller.tenant, _key(idempotency_key), digest, request))


@get(
    "/v1/transactions/{transaction_id:uuid}",
    operation_id="getTransaction",
    summary="A transaction with its history",
    tags=["transactions"],
)
async def get_transaction(
    caller: Annotated[Caller, Requires(Scope.TRANSACTIONS_READ)], transactions: Intents, transaction_id: FromPath[UUID]
) -> TransactionView:
    found, history = await transactions.get(caller.tenant, transaction_id)
    return _view(found, [HistoryView(state.public, at) for state, at in history])


@get("/v1/transactions", operation_id="listTransactions", summary="Transactions, newest first", tags=["transactions"])
async def list_transactions(
    caller: Annotated[Caller, Requires(Scope.TRANSACTIONS_READ)],
    transactions: Intents,
    in_state: Annotated[str | None, QueryParameter(name="state", description="one of a transaction's states")] = None,
    chain: Annotated[ChainName | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    cursor: Annotated[UUID | None, QueryParameter(description="next_cursor of the page before")] = None,
) -> TransactionPage:
    page = await transactions.page(caller.tenant, state=_state(in_state), chain=chain, before=cursor, limit=limit)
    following = None if page.next_cursor is None else str(page.next_cursor)
    return TransactionPage(list(map(_view, page.items)), following)


#: what ``nsl.http`` mounts
HANDLERS = (create_transaction, get_transaction, list_transactions)


def _key(text: str | None) -> str:
    if text is None or not text.strip():
        raise IdempotencyKeyMissing(
            "Send an Idempotency-Key header: the same key makes the same intent once, however often you repeat it."
        )
    if len(text) > IDEMPOTENCY_KEY_MAX or not text.isascii() or not text.isprintable():
        raise Malformed(f"An Idempotency-Key is at most {IDEMPOTENCY_KEY_MAX} printable ASCII characters.")
    return text


def _state(text: str | None) -> State | None:
    if text is None:
        return None
    shown = {state.public for state in State}
    if text not in shown:
        raise Malformed(f"A state is one of {', '.join(sorted(shown))}.", field="state")
    return State(text)


def _view(transaction: Transaction, history: list[HistoryView] | None = None) -> TransactionView:
    asset = transaction.asset
    failure = transaction.failure
    return TransactionView(
        id=transaction.id,
        chain=transaction.chain,
        kind=transaction.kind,
        state=transaction.state.public,
        created_at=transaction.created_at,
        updated_at=transaction.updated_at,
        from_key=transaction.from_key,
        sender=transaction.sender,
        asset=asset.symbol,
        contract=asset.contract,
        to=transaction.to,
        amount=format_amount(transaction.amount, asset.decimals),
        hash=transaction.hash,
        block_height=transaction.block_height,
        fee=_gas(transaction, transaction.fee),
        fee_max=_gas(transaction, transaction.fee_max),
        valid_until_block=transaction.valid_until,
        nonce=transaction.nonce if transaction.chain is ChainName.NEO_X else None,
        failure=None if failure is None else FailureView(failure.code, failure.message, failure.retryable),
        history=history,
        address_index=transaction.address_index,
    )


def _gas(transaction: Transaction, amount: int | None) -> str | None:
    decimals = NATIVE_ASSETS[transaction.chain]["GAS"].decimals
    return None if amount is None else format_amount(amount, decimals)
