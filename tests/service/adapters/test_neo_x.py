"""Neo X: the contract of every chain, and what only Neo X does."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import coincurve
import pytest
import pytest_asyncio

from nsl.adapters.neo_x import NeoX
from nsl.cli.up.faucet import Payment, Rpc, pay_neox
from nsl.cli.up.neox import NeoxNode
from nsl.cli.up.neox.rules import CHAIN_ID
from nsl.ledger.errors import WrongNetwork
from nsl.ledger.model import GAS_NEO_X, Asset, ChainName
from nsl.transactions.ports import Expected, Rejected, Sending, SignedBytes, Unsigned
from nsl_protocol.enclave.fields import MarkedLeaf
from nsl_protocol.enclave.messages import Signature
from nsl_protocol.evm.abi import encode_transfer
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.keccak import keccak256
from nsl_protocol.evm.transaction import FeeMarketTransaction, parse_unsigned
from tests.contract.chain_port import MINED_TIMEOUT_SECONDS, ChainPort, Scene, expectation
from tests.service.adapters import erc20
from tests.service.adapters.erc20 import Manner
from tests.support.drivers import neox_node

NO_LEAF = MarkedLeaf(b"{}", bytes(32), bytes(16))

GWEI = 10**9

# a wrong checksum, an address of Neo N3, nothing, too short a one
BAD_ADDRESSES = ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAee", "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK", "", "0x12")


@dataclass
class NeoXScene(Scene):
    key: coincurve.PrivateKey
    tokens: dict[Manner, Asset]
    node: NeoxNode

    def sign(self, unsigned: bytes) -> Signature:
        made = self.key.sign_recoverable(keccak256(unsigned), hasher=None)
        return Signature(made[:64], made[64], "ecdsa-secp256k1", None, self.public_key, b"{}", NO_LEAF)

    def stranger(self) -> str:
        return str(EvmAddress(os.urandom(20)))

    async def rebuilt(self, **changes: Any) -> SignedBytes:
        """A good transfer with some of its fields changed before it is signed."""
        [draft] = await self.drafts((GAS_NEO_X, 1))
        [unsigned] = await self.chain.prepare([draft])
        assert isinstance(unsigned, Unsigned)
        transaction = parse_unsigned(unsigned.unsigned)
        assert isinstance(transaction, FeeMarketTransaction)
        changed = replace(transaction, **changes).unsigned_bytes()
        return self.chain.attach(changed, self.sign(changed))

    async def outcome(self, **changes: Any) -> tuple[Sending, str]:
        [sent] = await self.chain.send([await self.rebuilt(**changes)])
        return sent.outcome, sent.code


async def deploy(node: NeoxNode, owner: str, manner: Manner) -> Asset:
    """A token of that manner; half of the supply is the owner's."""
    async with Rpc(node.node_url) as rpc:
        bank = (await rpc.call("eth_accounts"))[0]

        async def run(**fields: str) -> Any:
            prices = {"maxFeePerGas": hex(40 * GWEI), "maxPriorityFeePerGas": hex(20 * GWEI)}
            sent = await rpc.call("eth_sendTransaction", {"from": bank, "gas": "0x100000", **prices, **fields})
            async with asyncio.timeout(MINED_TIMEOUT_SECONDS):
                while True:
                    receipt = await rpc.call("eth_getTransactionReceipt", sent)
                    if receipt is not None:
                        assert receipt["status"] == "0x1"
                        return receipt
                    await asyncio.sleep(0.02)

        created = await run(data="0x" + erc20.creation_code(manner).hex())
        contract = EvmAddress.parse(created["contractAddress"])
        if manner is not Manner.LIES:
            call = encode_transfer(EvmAddress.parse(owner), erc20.SUPPLY // 2)
            await run(to=str(contract), data="0x" + call.hex())
        return Asset(ChainName.NEO_X, str(contract), erc20.SYMBOL, erc20.DECIMALS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NeoXScene]:
    folder: Path = tmp_path_factory.mktemp("neox")
    async with neox_node(folder) as node, NeoX(CHAIN_ID, [node.url]) as chain:
        key = coincurve.PrivateKey()
        address = str(EvmAddress.from_public_key(key.public_key.format(compressed=False)))
        await pay_neox(node, [Payment(address, 1000 * 10**18)])
        tokens = {manner: await deploy(node, address, manner) for manner in Manner}
        yield NeoXScene(
            chain=chain,
            sender=address,
            public_key=key.public_key.format(),
            native=GAS_NEO_X,
            token=tokens[Manner.REVERTS],
            bad_addresses=BAD_ADDRESSES,
            key=key,
            tokens=tokens,
            node=node,
        )


@pytest.mark.asyncio(loop_scope="module")
class TestNeoX(ChainPort):
    async def test_a_node_with_another_chain_id_is_refused_with_advice(self, scene: NeoXScene) -> None:
        with pytest.raises(WrongNetwork, match=f"{CHAIN_ID}, but 47763 is configured"):
            async with NeoX(47763, [scene.node.url]):
                pass

    async def test_a_tip_below_the_policys_is_rejected(self, scene: NeoXScene) -> None:
        assert await scene.outcome(max_priority_fee_per_gas=1) == (Sending.REJECTED, "FEE_TOO_LOW")

    async def test_a_fee_cap_below_the_base_fee_is_rejected(self, scene: NeoXScene) -> None:
        low = {"max_fee_per_gas": GWEI, "max_priority_fee_per_gas": GWEI}
        assert await scene.outcome(**low) == (Sending.REJECTED, "FEE_TOO_LOW")

    async def test_a_value_that_the_sender_does_not_have_is_rejected(self, scene: NeoXScene) -> None:
        assert await scene.outcome(value=10**30) == (Sending.REJECTED, "INSUFFICIENT_FUNDS")

    async def test_too_little_gas_is_rejected(self, scene: NeoXScene) -> None:
        assert (await scene.outcome(gas_limit=20_000))[0] is Sending.REJECTED

    async def test_more_gas_than_a_block_holds_is_rejected(self, scene: NeoXScene) -> None:
        assert (await scene.outcome(gas_limit=31_000_000)) == (Sending.REJECTED, "TOO_LARGE")

    async def test_another_chains_transaction_is_rejected(self, scene: NeoXScene) -> None:
        assert (await scene.outcome(chain_id=47763))[0] is Sending.REJECTED

    async def test_a_nonce_that_was_used_by_another_transaction_says_so(self, scene: NeoXScene) -> None:
        nonce = await scene.chain.next_nonce(scene.sender)
        assert nonce > 0
        assert await scene.outcome(nonce=nonce - 1) == (Sending.NONCE_USED, "NONCE_USED")

    async def test_a_gap_in_the_nonces_waits_in_the_pool_until_it_is_filled(self, scene: NeoXScene) -> None:
        first, second = await scene.drafts((GAS_NEO_X, 1), (GAS_NEO_X, 1))
        signed = [scene.signed(each) for each in await scene.chain.prepare([first, second])]
        late = expectation(second, signed[1])
        assert (await scene.chain.send(signed[1:]))[0].outcome in (Sending.TAKEN, Sending.LATER)
        assert await scene.chain.executed([late]) == [None]
        assert (await scene.chain.send(signed))[0].outcome is Sending.TAKEN
        assert [each.failure for each in await scene.mined([late])] == [None]

    async def test_another_transaction_with_a_pooled_nonce_has_to_wait(self, scene: NeoXScene) -> None:
        [draft] = await scene.drafts((GAS_NEO_X, 1))
        # both are ahead of the account's nonce, so that neither is mined while this is asked
        assert (await scene.outcome(nonce=draft.nonce + 50))[0] in (Sending.TAKEN, Sending.LATER)
        assert await scene.outcome(nonce=draft.nonce + 50, value=2) == (Sending.LATER, "NONCE_CONTESTED")

    async def test_a_signature_without_recovery_bit_cannot_be_attached(self, scene: NeoXScene) -> None:
        [unsigned] = await scene.chain.prepare(await scene.drafts((GAS_NEO_X, 1)))
        assert isinstance(unsigned, Unsigned)
        bare = Signature(b"\1" * 64, None, "", None, scene.public_key, b"{}", NO_LEAF)
        with pytest.raises(ValueError, match="recovery"):
            scene.chain.attach(unsigned.unsigned, bare)

    async def test_a_token_that_answers_false_is_found_out_before_signing(self, scene: NeoXScene) -> None:
        token = scene.tokens[Manner.ANSWERS_FALSE]
        [answer] = await scene.chain.prepare(await scene.drafts((token, erc20.SUPPLY)))
        assert isinstance(answer, Rejected)
        assert answer.code == "INSUFFICIENT_FUNDS"

    async def test_a_token_that_lies_is_found_out_by_the_missing_event(self, scene: NeoXScene) -> None:
        [draft] = await scene.drafts((scene.tokens[Manner.LIES], 5))
        signed = scene.signed((await scene.chain.prepare([draft]))[0])
        await scene.chain.send([signed])
        [done] = await scene.mined([expectation(draft, signed)])
        assert done.failure is not None
        assert done.failure.code == "TRANSFER_MISSING"

    async def test_the_same_event_of_another_token_confirms_nothing(self, scene: NeoXScene) -> None:
        real, other = scene.tokens[Manner.REVERTS], scene.tokens[Manner.ANSWERS_FALSE]
        [draft] = await scene.drafts((real, 5))
        signed = scene.signed((await scene.chain.prepare([draft]))[0])
        await scene.chain.send([signed])
        good = expectation(draft, signed)
        assert [each.failure for each in await scene.mined([good])] == [None]
        [wrong] = await scene.chain.executed([Expected(good.hash, other, good.sender, good.to, good.amount)])
        assert wrong is not None
        assert wrong.failure is not None

    async def test_a_block_that_was_rolled_back_confirms_nothing_and_the_same_bytes_are_taken_again(
        self, scene: NeoXScene
    ) -> None:
        # so that no other transaction is rolled back with this one
        await scene.until_height(await scene.chain.height() + 10)
        [draft] = await scene.drafts((GAS_NEO_X, 1))
        signed = scene.signed((await scene.chain.prepare([draft]))[0])
        expected = expectation(draft, signed)
        await scene.chain.send([signed])
        await scene.mined([expected])
        mined = await scene.chain.mined(signed.hash)
        assert mined is not None
        async with Rpc(scene.node.node_url) as rpc:
            await rpc.call("anvil_rollback", await scene.chain.height() - mined.block_height + 5)
        assert await scene.chain.executed([expected]) == [None]
        assert (await scene.chain.send([signed]))[0].outcome is Sending.TAKEN
        assert [each.failure for each in await scene.mined([expected])] == [None]
