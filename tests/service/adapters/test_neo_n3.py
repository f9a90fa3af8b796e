"""Neo N3: the contract of every chain, and what only N3 does."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from nsl.adapters.neo_n3 import NeoN3
from nsl.cli.up.faucet import Payment, pay_n3
from nsl.cli.up.n3 import MAGIC
from nsl.ledger.errors import WrongNetwork
from nsl.ledger.model import GAS_N3, NEO_N3
from nsl.transactions.ports import Expected, Sending, SignedBytes, Unsigned
from nsl_protocol.enclave.fields import MarkedLeaf
from nsl_protocol.enclave.messages import Signature
from nsl_protocol.errors import CodecError
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.attributes import NotValidBefore
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import transfer_script
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.verification import account
from tests.contract.chain_port import ChainPort, Scene, expectation
from tests.support.drivers import n3_node

NO_LEAF = MarkedLeaf(b"{}", bytes(32), bytes(16))

# a wrong checksum, an address of Neo X, nothing, an address of Neo Legacy
BAD_ADDRESSES = ("NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAL", "0x" + "aa" * 20, "", "AGofsxAUDwt52KjaB664GYsqVAkULYvKNt")


@dataclass
class N3Scene(Scene):
    key: ec.EllipticCurvePrivateKey

    def sign(self, unsigned: bytes) -> Signature:
        try:
            data = sign_data(MAGIC, Transaction.from_unsigned_bytes(unsigned))
        except CodecError:
            data = unsigned
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32) + s.to_bytes(32)
        return Signature(signature, None, "ecdsa-p256-sha256", None, self.public_key, b"{}", NO_LEAF)

    def stranger(self) -> str:
        return ScriptHash(new_key()[1][1:21]).address

    async def rebuilt(self, **changes: Any) -> SignedBytes:
        """A good transfer with some of its fields changed before it is signed."""
        [draft] = await self.drafts((GAS_N3, 1))
        [unsigned] = await self.chain.prepare([draft])
        assert isinstance(unsigned, Unsigned)
        fields = {"network_fee": 20_000_000} | changes
        changed = replace(Transaction.from_unsigned_bytes(unsigned.unsigned), **fields).unsigned_bytes()
        return self.chain.attach(changed, self.sign(changed))

    async def outcome(self, **changes: Any) -> tuple[Sending, str]:
        [sent] = await self.chain.send([await self.rebuilt(**changes)])
        return sent.outcome, sent.code


def new_key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    return key, bytes((2 + numbers.y % 2,)) + numbers.x.to_bytes(32)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[N3Scene]:
    folder: Path = tmp_path_factory.mktemp("n3")
    async with n3_node(folder) as node, NeoN3(MAGIC, [node.url]) as chain:
        key, public_key = new_key()
        address = account(PublicKey(public_key)).address
        await pay_n3(node, [Payment(address, 1000 * 10**8), Payment(address, 1000, NEO_N3.contract or "")])
        yield N3Scene(
            chain=chain,
            sender=address,
            public_key=public_key,
            native=GAS_N3,
            token=NEO_N3,
            bad_addresses=BAD_ADDRESSES,
            key=key,
        )


@pytest.mark.asyncio(loop_scope="module")
class TestNeoN3(ChainPort):
    async def test_a_node_with_another_magic_number_is_refused_with_advice(self, scene: N3Scene) -> None:
        url = scene.chain.health()[0].url
        with pytest.raises(WrongNetwork, match=f"{MAGIC}, but 860833102 is configured"):
            async with NeoN3(860833102, [url]):
                pass

    async def test_a_height_that_has_passed_is_expired(self, scene: N3Scene) -> None:
        height = await scene.chain.height()
        assert await scene.outcome(valid_until_block=height) == (Sending.EXPIRED, "EXPIRED")

    async def test_a_transaction_that_was_mined_is_not_expired_however_late_it_is_sent(self, scene: N3Scene) -> None:
        height = await scene.chain.height()
        signed = await scene.rebuilt(valid_until_block=height + 4)
        assert (await scene.chain.send([signed]))[0].outcome is Sending.TAKEN
        await scene.until_height(height + 5)
        assert (await scene.chain.send([signed]))[0].outcome is Sending.TAKEN

    async def test_one_that_is_not_valid_yet_is_kept(self, scene: N3Scene) -> None:
        later = (NotValidBefore(await scene.chain.height() + 100),)
        assert await scene.outcome(attributes=later) == (Sending.LATER, "NOT_YET_VALID")

    async def test_too_small_a_network_fee_is_rejected(self, scene: N3Scene) -> None:
        assert await scene.outcome(network_fee=1) == (Sending.REJECTED, "FEE_TOO_LOW")

    async def test_a_fee_that_the_sender_cannot_pay_is_rejected(self, scene: N3Scene) -> None:
        assert await scene.outcome(network_fee=2000 * 10**8) == (Sending.REJECTED, "INSUFFICIENT_FUNDS")

    async def test_a_key_of_another_account_cannot_be_attached(self, scene: N3Scene) -> None:
        signature = scene.sign(b"")
        [draft] = await scene.drafts((GAS_N3, 1))
        [unsigned] = await scene.chain.prepare([draft])
        assert isinstance(unsigned, Unsigned)
        other = Signature(signature.signature, None, "", None, new_key()[1], b"{}", NO_LEAF)
        with pytest.raises(CodecError, match="another account"):
            scene.chain.attach(unsigned.unsigned, other)

    async def test_a_script_that_faults_on_chain_is_a_failure_that_was_paid(self, scene: N3Scene) -> None:
        [draft] = await scene.drafts((GAS_N3, 1))
        signed = await scene.rebuilt(system_fee=1_000_000)
        assert (await scene.chain.send([signed]))[0].outcome is Sending.TAKEN
        [done] = await scene.mined([expectation(draft, signed)])
        assert done.failure is not None
        assert done.failure.code == "EXECUTION_FAULT"
        assert done.fee > 1_000_000

    async def test_a_transfer_that_the_token_answers_false_is_a_failure(self, scene: N3Scene) -> None:
        to, sender = scene.stranger(), ScriptHash.from_address(scene.sender)
        script = transfer_script(
            ScriptHash.parse(GAS_N3.contract or ""), sender, ScriptHash.from_address(to), 10**17, asserted=False
        )
        signed = await scene.rebuilt(script=script)
        assert (await scene.chain.send([signed]))[0].outcome is Sending.TAKEN
        [done] = await scene.mined([Expected(signed.hash, GAS_N3, scene.sender, to, 10**17)])
        assert done.failure is not None
        assert done.failure.code == "TRANSFER_REFUSED"
