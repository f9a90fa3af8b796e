"""What every adapter of ``nsl.transactions.ports.Chain`` and ``nsl.ledger.ports.ChainReader`` must do, on a real node.

A test module inherits ``ChainPort`` and gives it a ``scene``: an adapter, an account with money, and its key.
"""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from nsl.adapters.neo_n3 import NeoN3
from nsl.adapters.neo_x import NeoX
from nsl.kit.ids import new_id
from nsl.ledger.model import Asset, parse_address
from nsl.transactions.ports import Draft, Executed, Expected, Rejected, Sending, SignedBytes, Unsigned
from nsl_protocol.enclave.messages import Signature

UNKNOWN_HASH = "0x" + "ab" * 32
MINED_TIMEOUT_SECONDS = 20


@dataclass
class Scene(ABC):
    """A chain with an account that holds at least 100 of the native GAS and 100 of ``token``'s smallest unit."""

    chain: NeoN3 | NeoX
    sender: str
    public_key: bytes
    native: Asset
    token: Asset
    #: addresses of the account's chain whose checksum is wrong, and of the other chain
    bad_addresses: tuple[str, ...]

    @abstractmethod
    def sign(self, unsigned: bytes) -> Signature:
        """What the enclave would answer."""

    @abstractmethod
    def stranger(self) -> str:
        """A fresh address that holds nothing."""

    def draft(self, asset: Asset, amount: int, *, to: str | None = None, nonce: int = 0) -> Draft:
        return Draft(
            id=new_id(),
            sender=self.sender,
            public_key=self.public_key,
            asset=asset,
            to=self.stranger() if to is None else to,
            amount=amount,
            nonce=nonce,
            valid_for_seconds=60,
        )

    async def drafts(self, *wanted: tuple[Asset, int]) -> list[Draft]:
        """Drafts that can stand beside each other: consecutive nonces, where the chain has them."""
        first = await self.chain.next_nonce(self.sender)
        random = int.from_bytes(os.urandom(3))
        return [
            self.draft(asset, amount, nonce=first + index if first or self.chain.name == "neo-x" else random + index)
            for index, (asset, amount) in enumerate(wanted)
        ]

    def signed(self, unsigned: Unsigned | Rejected) -> SignedBytes:
        assert isinstance(unsigned, Unsigned), unsigned
        return self.chain.attach(unsigned.unsigned, self.sign(unsigned.unsigned))

    async def mined(self, expected: Sequence[Expected]) -> list[Executed]:
        """The verdicts, once all are on blocks."""
        async with asyncio.timeout(MINED_TIMEOUT_SECONDS):
            while True:
                found = await self.chain.executed(expected)
                if all(found):
                    return [each for each in found if each is not None]
                await asyncio.sleep(0.05)

    async def until_height(self, height: int) -> None:
        """Until the chain is that long."""
        async with asyncio.timeout(MINED_TIMEOUT_SECONDS):
            while True:
                if await self.chain.height() >= height:
                    return
                await asyncio.sleep(0.02)


def expectation(draft: Draft, signed: SignedBytes) -> Expected:
    return Expected(signed.hash, draft.asset, draft.sender, draft.to, draft.amount)


@pytest.mark.asyncio(loop_scope="module")
class ChainPort:
    """Inherit, and provide the fixture ``scene``."""

    async def test_a_transfer_moves_exactly_its_amount_and_costs_at_most_what_was_said(self, scene: Scene) -> None:
        before = await scene.chain.spendable(scene.sender, scene.native)
        [draft] = await scene.drafts((scene.native, 12345))
        [unsigned] = await scene.chain.prepare([draft])
        signed = scene.signed(unsigned)
        assert [each.outcome for each in await scene.chain.send([signed])] == [Sending.TAKEN]
        [done] = await scene.mined([expectation(draft, signed)])
        assert done.failure is None
        assert isinstance(unsigned, Unsigned)
        assert 0 < done.fee <= unsigned.fee_max
        assert await scene.chain.spendable(draft.to, scene.native) == 12345
        assert await scene.chain.spendable(scene.sender, scene.native) == before - 12345 - done.fee

    async def test_a_token_moves_and_its_own_event_is_what_confirms_it(self, scene: Scene) -> None:
        [draft] = await scene.drafts((scene.token, 7))
        signed = scene.signed((await scene.chain.prepare([draft]))[0])
        await scene.chain.send([signed])
        expected = expectation(draft, signed)
        [done] = await scene.mined([expected])
        assert done.failure is None
        assert await scene.chain.spendable(draft.to, scene.token) == 7
        wrong = Expected(expected.hash, expected.asset, expected.sender, expected.to, 8)
        [verdict] = await scene.chain.executed([wrong])
        assert verdict is not None
        assert verdict.failure is not None
        assert verdict.failure.code == "TRANSFER_MISSING"

    async def test_equal_transfers_stand_beside_each_other(self, scene: Scene) -> None:
        to = scene.stranger()
        drafts = await scene.drafts(*[(scene.native, 5)] * 60)
        drafts = [scene.draft(each.asset, each.amount, to=to, nonce=each.nonce) for each in drafts]
        signed = [scene.signed(each) for each in await scene.chain.prepare(drafts)]
        assert len({each.hash for each in signed}) == 60
        assert {each.outcome for each in await scene.chain.send(signed)} == {Sending.TAKEN}
        done = await scene.mined([expectation(draft, each) for draft, each in zip(drafts, signed, strict=True)])
        assert [each.failure for each in done] == [None] * 60
        assert await scene.chain.spendable(to, scene.native) == 300

    async def test_the_same_bytes_sent_again_are_taken_in_the_pool_and_on_chain(self, scene: Scene) -> None:
        [draft] = await scene.drafts((scene.native, 1))
        signed = scene.signed((await scene.chain.prepare([draft]))[0])
        first, second = [(await scene.chain.send([signed]))[0].outcome for _ in range(2)]
        await scene.mined([expectation(draft, signed)])
        third = (await scene.chain.send([signed]))[0].outcome
        assert (first, second, third) == (Sending.TAKEN, Sending.TAKEN, Sending.TAKEN)
        assert await scene.chain.spendable(draft.to, scene.native) == 1

    async def test_what_cannot_be_paid_is_rejected_before_it_is_signed(self, scene: Scene) -> None:
        good, native, token = await scene.drafts((scene.native, 1), (scene.native, 10**30), (scene.token, 10**30))
        answers = await scene.chain.prepare([native, good, token])
        assert [getattr(each, "code", "") for each in answers] == ["INSUFFICIENT_FUNDS", "", "INSUFFICIENT_FUNDS"]

    async def test_the_whole_balance_is_too_much_because_of_the_fee(self, scene: Scene) -> None:
        [draft] = await scene.drafts((scene.native, await scene.chain.spendable(scene.sender, scene.native)))
        [answer] = await scene.chain.prepare([draft])
        assert isinstance(answer, Rejected)
        assert answer.code == "INSUFFICIENT_FUNDS"

    async def test_an_address_that_is_wrong_or_of_the_other_chain_is_rejected(self, scene: Scene) -> None:
        drafts = [scene.draft(scene.native, 1, to=bad) for bad in scene.bad_addresses]
        answers = await scene.chain.prepare(drafts)
        assert [getattr(each, "code", None) for each in answers] == ["INVALID_TRANSACTION"] * len(drafts)

    async def test_a_signature_by_another_key_is_never_taken(self, scene: Scene) -> None:
        [draft] = await scene.drafts((scene.native, 1))
        [unsigned] = await scene.chain.prepare([draft])
        assert isinstance(unsigned, Unsigned)
        other = scene.sign(b"something else")
        signed = scene.chain.attach(unsigned.unsigned, other)
        [answer] = await scene.chain.send([signed])
        assert answer.outcome is Sending.REJECTED, answer
        assert answer.code
        assert answer.message

    async def test_a_transaction_that_was_never_sent_is_on_no_block(self, scene: Scene) -> None:
        unknown = Expected(UNKNOWN_HASH, scene.native, scene.sender, scene.stranger(), 1)
        assert await scene.chain.executed([unknown]) == [None]
        assert await scene.chain.mined(UNKNOWN_HASH) is None

    async def test_nothing_asked_is_nothing_answered(self, scene: Scene) -> None:
        assert list(await scene.chain.prepare([])) == []
        assert list(await scene.chain.send([])) == []
        assert list(await scene.chain.executed([])) == []

    async def test_blocks_come_in_order_and_hang_together(self, scene: Scene) -> None:
        [draft] = await scene.drafts((scene.native, 3))
        signed = scene.signed((await scene.chain.prepare([draft]))[0])
        first = await scene.chain.height()
        await scene.chain.send([signed])
        await scene.mined([expectation(draft, signed)])
        last = await scene.chain.height()
        blocks = await scene.chain.blocks(first, last)
        assert [each.height for each in blocks] == list(range(first, last + 1))
        assert [each.previous_hash for each in blocks[1:]] == [each.hash for each in blocks[:-1]]
        assert [signed.hash in each.transactions for each in blocks].count(True) == 1
        assert await scene.chain.block_hash(last) == blocks[-1].hash
        assert abs(blocks[-1].time - datetime.now(UTC)) < timedelta(minutes=5)

    async def test_above_the_tip_there_is_nothing(self, scene: Scene) -> None:
        height = await scene.chain.height()
        assert await scene.chain.block_hash(height + 1000) is None
        assert list(await scene.chain.blocks(height + 1000, height + 1010)) == []
        assert [each.height for each in await scene.chain.blocks(height - 1, height + 1000)][:2] == [height - 1, height]

    async def test_a_mined_transaction_can_be_read(self, scene: Scene) -> None:
        [draft] = await scene.drafts((scene.native, 2))
        signed = scene.signed((await scene.chain.prepare([draft]))[0])
        await scene.chain.send([signed])
        [done] = await scene.mined([expectation(draft, signed)])
        found = await scene.chain.mined(signed.hash)
        assert found is not None
        assert (found.hash, found.sender, found.fee, found.succeeded) == (signed.hash, scene.sender, done.fee, True)
        assert await scene.chain.block_hash(found.block_height) == found.block_hash

    async def test_balances_name_their_assets(self, scene: Scene) -> None:
        found = await scene.chain.balances(scene.sender, [scene.native, scene.token])
        amounts = {each.asset: each.amount for each in found}
        assert amounts[scene.native] == await scene.chain.spendable(scene.sender, scene.native)
        assert amounts[scene.token] == await scene.chain.spendable(scene.sender, scene.token)
        assert all(parse_address(scene.chain.name, scene.sender) for _ in found)

    async def test_a_token_says_its_symbol_and_decimals_and_what_is_none_is_no_asset(self, scene: Scene) -> None:
        assert scene.token.contract is not None
        assert await scene.chain.asset(scene.token.contract) == scene.token
        assert await scene.chain.asset("0x" + "12" * 20) is None

    async def test_the_fee_shown_is_about_what_a_transfer_costs(self, scene: Scene) -> None:
        fees = await scene.chain.fees()
        [draft] = await scene.drafts((scene.native, 1))
        signed = scene.signed((await scene.chain.prepare([draft]))[0])
        await scene.chain.send([signed])
        [done] = await scene.mined([expectation(draft, signed)])
        assert 0.8 < fees.transfer / done.fee < 1.25
        assert all(fees.prices.values())
