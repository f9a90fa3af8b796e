"""The pipeline's four steps for one chain: prepare, sign, send, follow.

Each takes a batch under row locks, does its I/O, and commits what came of it; each may be repeated at any time and run
by any number of workers. The order of commitments is what keeps money safe: unsigned bytes before the enclave sees
them, signed bytes before the node does (ARCHITECTURE.md, decision 5).
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from nsl.identity.service import keep_leaves
from nsl.kit.clock import now, random_bytes
from nsl.kit.db import Connection, Database
from nsl.kit.ids import new_id
from nsl.ledger.model import Block, ChainName
from nsl.transactions import store
from nsl.transactions.errors import ChainReplaced
from nsl.transactions.model import (
    Failed,
    Mined,
    Overdue,
    Prepared,
    Rejected,
    Sent,
    Signed,
    State,
    Transaction,
    Unmined,
    transition,
)
from nsl.transactions.ports import Chain, Draft, Expected, Sending, SignedBytes, Signer, Unsigned
from nsl.transactions.ports import Rejected as CannotBuild
from nsl.transactions.store import SignedOrder
from nsl_protocol.enclave.fields import MarkedLeaf
from nsl_protocol.enclave.messages import Refused, Signature, SignOrder
from nsl_protocol.enclave.signable import Signable, SignBelow, SignEvmTransaction, SignN3Transaction
from nsl_protocol.enclave.wrapped import KeyName

BATCH_MAX: Final = 256
BLOCKS_AT_ONCE_MAX: Final = 20
BLOCKS_KEPT: Final = 1000
_N3_NONCE_BYTES: Final = 4
_NOT_REGISTERED: Final = "NOT_REGISTERED"

type Step = tuple[Transaction, Transaction]


class Pipeline:
    """Drives every tenant's transactions on one chain. Each method answers how many it moved.

    Raises:
        Unavailable: from every method, when database, node or enclave is down; nothing of that batch has happened, or
            what has happened is found again by the next try.
    """

    def __init__(self, database: Database, chain: Chain, signer: Signer) -> None:
        self._database = database
        self._chain = chain
        self._signer = signer
        self.name = chain.name

    # Prepare ----------------------------------------------------------------------------------------------------------

    async def prepare(self) -> int:
        """Price and build accepted intents, and commit the bytes unsigned."""
        async with self._database.transaction() as connection:
            taken = await store.take_accepted(connection, self.name, BATCH_MAX)
            if not taken:
                return 0
            transactions = [each for each, _ in taken]
            nonces = await self._nonces(connection, transactions)
            drafts = [
                Draft(
                    id=each.id,
                    sender=each.sender,
                    public_key=public_key,
                    asset=each.asset,
                    to=each.to,
                    amount=each.amount,
                    nonce=nonce,
                    valid_for_seconds=each.valid_for_seconds,
                )
                for (each, public_key), nonce in zip(taken, nonces, strict=True)
            ]
            steps = self._prepared(transactions, drafts, await self._chain.prepare(drafts))
            await store.save(connection, steps)
        return len(steps)

    async def _nonces(self, connection: Connection, transactions: Sequence[Transaction]) -> list[int]:
        """On Neo X each account's lowest free nonces, held until this database transaction ends; on N3 random bits."""
        if self.name is ChainName.NEO_N3:
            return [int.from_bytes(random_bytes(_N3_NONCE_BYTES)) for _ in transactions]
        senders = sorted({each.sender for each in transactions})
        await store.lock_accounts(connection, self.name, senders)
        following = {sender: await self._chain.next_nonce(sender) for sender in senders}
        held = await store.nonces_held(connection, self.name, following)
        nonces = []
        for each in transactions:
            nonce = following[each.sender]
            while nonce in held[each.sender]:
                nonce += 1
            following[each.sender] = nonce + 1
            nonces.append(nonce)
        return nonces

    def _prepared(
        self, transactions: Sequence[Transaction], drafts: Sequence[Draft], built: Sequence[Unsigned | CannotBuild]
    ) -> list[Step]:
        """A nonce that is not used leaves a gap, so on Neo X what follows it in this batch waits for the next one."""
        at, steps, gaps = now(), [], set[str]()
        for transaction, draft, answer in zip(transactions, drafts, built, strict=True):
            if isinstance(answer, CannotBuild):
                gaps.add(transaction.sender)
                event: Prepared | Rejected = Rejected(Failed(answer.code, answer.message))
            elif self.name is ChainName.NEO_X and transaction.sender in gaps:
                continue
            else:
                event = Prepared(draft.nonce, answer.unsigned, answer.fee_max, answer.valid_until)
            steps.append((transaction, transition(transaction, event, at)))
        return steps

    # Sign -------------------------------------------------------------------------------------------------------------

    async def sign(self) -> int:
        """Have the enclave sign exactly the committed bytes, and commit the result."""
        async with self._database.transaction() as connection:
            taken = await store.take_prepared(connection, self.name, BATCH_MAX)
            if not taken:
                return 0
            orders = [SignOrder(_key_of(each), wrapped, self._what(each), each.id.bytes) for each, wrapped in taken]
            answers = await self._signer.sign(orders)
            moved = await _whose_key_moved(connection, taken, answers)
            at, steps = now(), []
            for (transaction, _), answer in zip(taken, answers, strict=True):
                if transaction.id in moved:
                    continue
                if isinstance(answer, Refused):
                    event: Signed | Rejected = Rejected(Failed(answer.code, answer.reason))
                else:
                    made = self._chain.attach(_unsigned(transaction), answer)
                    event = Signed(made.raw, made.hash)
                steps.append((transaction, transition(transaction, event, at)))
            await store.save(connection, steps)
            await keep_leaves(connection, _leaves_of(taken, answers))
            signed = [
                SignedOrder(transaction, order.what, answer)
                for (transaction, _), order, answer in zip(taken, orders, answers, strict=True)
                if isinstance(answer, Signature)
            ]
            kind = "n3-transaction" if self.name is ChainName.NEO_N3 else "evm-transaction"
            await store.note_signatures(connection, signed, kind, at)
        return len(steps)

    def _what(self, transaction: Transaction) -> Signable:
        kind = SignN3Transaction if self.name is ChainName.NEO_N3 else SignEvmTransaction
        what = kind(self._chain.network, _unsigned(transaction))
        return what if transaction.address_index is None else SignBelow(transaction.address_index, what)

    # Send -------------------------------------------------------------------------------------------------------------

    async def send(self) -> int:
        """Broadcast committed bytes that are due, for the first time or again."""
        async with self._database.transaction() as connection:
            taken = await store.take_to_send(connection, self.name, now(), BATCH_MAX)
            if not taken:
                return 0
            answers = await self._chain.send([SignedBytes(_raw(each), str(each.hash)) for each in taken])
            used = any(answer.outcome is Sending.NONCE_USED for answer in answers)
            # Asked after the answers: the block that used the nonce is not above this height.
            height = await self._chain.height() if used else None
            at, steps = now(), []
            for transaction, answer in zip(taken, answers, strict=True):
                match answer.outcome:
                    case Sending.TAKEN:
                        event: Sent | Rejected = Sent(taken=True)
                    case Sending.REJECTED if transaction.state is State.SIGNED:
                        event = Rejected(Failed(answer.code, answer.message))
                    case Sending.NONCE_USED:
                        event = Sent(taken=False, nonce_used_height=height)
                    case Sending.REJECTED | Sending.LATER | Sending.EXPIRED:
                        # What one node took before may still wait in another's pool, whatever this one says now; and
                        # only the follower, who has seen every block, says that something expired.
                        event = Sent(taken=False)
                steps.append((transaction, transition(transaction, event, at)))
            await store.save(connection, steps)
        return len(steps)

    # Follow -----------------------------------------------------------------------------------------------------------

    async def follow(self) -> int:
        """Read the blocks since the last time, or go back to where the chain still is what was read.

        Answers how many blocks the cursor moved.
        """
        async with self._database.transaction() as connection:
            place = await store.cursor(connection, self.name, lock=True)
            if place is None:
                return await self._begin(connection)
            height, hash_ = place
            tip = await self._chain.height()
            if tip > height:
                blocks = await self._chain.blocks(height + 1, min(tip, height + BLOCKS_AT_ONCE_MAX))
                if blocks and _continues(blocks, height, hash_):
                    await self._advance(connection, blocks)
                    return len(blocks)
            if await self._chain.block_hash(height) == hash_:
                return 0
            return await self._rewind(connection, height)

    async def _begin(self, connection: Connection) -> int:
        """The first time, following begins at the tip: nothing of ours can stand below it."""
        if await store.cursor(connection, self.name) is not None:
            return 0
        height = await self._chain.height()
        hash_ = await self._chain.block_hash(height)
        if hash_ is not None:
            await store.begin_cursor(connection, self.name, height, hash_)
        return 0

    async def _advance(self, connection: Connection, blocks: Sequence[Block]) -> None:
        heights = {hash_: block.height for block in blocks for hash_ in block.transactions}
        found = await store.to_find(connection, self.name, list(heights)) if heights else []
        at, steps = now(), []
        for transaction, executed in zip(found, await self._chain.executed(list(map(_expected, found))), strict=True):
            if executed is None:
                # The chain changed under our hands: the next turn finds the fork.
                return
            failure = None if executed.failure is None else Failed(executed.failure.code, executed.failure.message)
            mined = Mined(heights[executed.hash], executed.fee, failure)
            steps.append((transaction, transition(transaction, mined, at)))
        await store.save(connection, steps)
        last = blocks[-1]
        await store.remember_blocks(connection, self.name, {block.height: block.hash for block in blocks})
        await store.move_cursor(connection, self.name, last.height, last.hash, keep=BLOCKS_KEPT)
        await self._close_overdue(connection, last.height)

    async def _close_overdue(self, connection: Connection, height: int) -> None:
        at, steps = now(), []
        for transaction in await store.overdue(connection, self.name, height):
            if transaction.valid_until is not None and transaction.valid_until < height:
                event: Overdue | Rejected = Overdue()
            elif await self._replaced(transaction):
                event = Rejected(
                    Failed("NONCE_USED", "Another transaction of this account, sent from elsewhere, took its nonce.")
                )
            else:
                continue
            steps.append((transaction, transition(transaction, event, at)))
        await store.save(connection, steps)

    async def _replaced(self, transaction: Transaction) -> bool:
        """Whether the chain, as it is now, gave the nonce to another transaction: a reorganisation frees nonces."""
        if transaction.nonce is None or await self._chain.next_nonce(transaction.sender) <= transaction.nonce:
            return False
        return await self._chain.executed([_expected(transaction)]) == [None]

    async def _rewind(self, connection: Connection, height: int) -> int:
        """Back to the last block that the chain still has; what stood above it is sent again, the same bytes."""
        common, hash_ = await self._common(connection, height)
        at = now()
        gone = await store.mined_above(connection, self.name, common)
        await store.save(connection, [(each, transition(each, Unmined(), at)) for each in gone])
        await store.remember_blocks(connection, self.name, {common: hash_})
        await store.move_cursor(connection, self.name, common, hash_, keep=BLOCKS_KEPT)
        return common - height

    async def _common(self, connection: Connection, height: int) -> tuple[int, str]:
        """The highest followed block that stands. Where none does, the block below them all, if that loses nothing.

        Raises:
            ChainReplaced: transactions of ours stood below every block that is remembered.
        """
        kept = await store.blocks_below(connection, self.name, height, BLOCKS_KEPT)
        for each_height, each_hash in kept:
            if await self._chain.block_hash(each_height) == each_hash:
                return each_height, each_hash
        oldest, _ = kept[-1]
        below = max(min(oldest - 1, await self._chain.height()), 0)
        found = await self._chain.block_hash(below)
        if found is None or await store.mined_below(connection, self.name, oldest):
            raise ChainReplaced(f"{self.name}: no block that was followed stands. Is this node of another chain?")
        return below, found


def _continues(blocks: Sequence[Block], height: int, hash_: str) -> bool:
    """Whether the blocks are the ones right after that one."""
    previous = hash_
    for number, block in enumerate(blocks, start=height + 1):
        if block.height != number or block.previous_hash != previous:
            return False
        previous = block.hash
    return True


def _expected(transaction: Transaction) -> Expected:
    return Expected(str(transaction.hash), transaction.asset, transaction.sender, transaction.to, transaction.amount)


async def _whose_key_moved(
    connection: Connection, taken: Sequence[tuple[Transaction, bytes]], answers: Sequence[Signature | Refused]
) -> set[UUID]:
    """Those that were refused because their key was changed after it was read: the next pass finds the key as it is."""
    pairs = zip(taken, answers, strict=True)
    refused = {
        transaction.id: wrapped
        for (transaction, wrapped), answer in pairs
        if isinstance(answer, Refused) and answer.code == _NOT_REGISTERED
    }
    if not refused:
        return set()
    stored = await store.stored_keys(connection, list(refused))
    return {each for each, wrapped in refused.items() if stored.get(each) != wrapped}


def _leaves_of(
    taken: Sequence[tuple[Transaction, bytes]], answers: Sequence[Signature | Refused]
) -> list[tuple[UUID, UUID, MarkedLeaf]]:
    """A signature's leaf has the transaction's id: that is what its receipt is asked by."""
    return [
        (each.id if isinstance(answer, Signature) else new_id(), each.tenant, answer.leaf)
        for (each, _), answer in zip(taken, answers, strict=True)
        if answer.leaf is not None
    ]


def _key_of(transaction: Transaction) -> KeyName:
    return KeyName(transaction.tenant.bytes, transaction.from_key.bytes, transaction.key_version)


def _unsigned(transaction: Transaction) -> bytes:
    if transaction.unsigned is None:
        raise ValueError(f"{transaction.id} has no unsigned bytes while {State.PREPARED}")
    return transaction.unsigned


def _raw(transaction: Transaction) -> bytes:
    if transaction.raw is None:
        raise ValueError(f"{transaction.id} has no signed bytes while {State.SIGNED}")
    return transaction.raw
