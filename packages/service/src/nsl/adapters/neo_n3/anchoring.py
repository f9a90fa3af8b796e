"""What anchoring heads of the audit log asks of Neo N3: transactions that carry one, and those that blocks have."""

from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from nsl.adapters.json_rpc import JsonRpc, Request, RpcError, accepted
from nsl.adapters.neo_n3 import building, node, sending
from nsl.adapters.neo_n3.chain import BLOCKS_PER_CALL
from nsl.kit.clock import random_bytes
from nsl.ledger.errors import NodeError
from nsl.transactions.ports import Sending
from nsl_protocol.audit.anchors import anchor_script, anchored
from nsl_protocol.audit.heads import SignedHead
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.verification import invocation
from nsl_protocol.n3.witness import Scope, Signer, Witness

VALID_FOR_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head on the chain; ``time`` in Unix seconds, of its block."""

    signed: SignedHead
    transaction: str
    height: int
    time: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A signed transaction that anchors a head. ``fee`` in datoshi."""

    hash: str
    raw: bytes
    valid_until: int
    fee: int


class AnchorChain:
    """Use as an async context manager. Raises WrongNetwork on entry, and NodeDown, NodeError wherever it asks."""

    def __init__(self, magic: int, rpc_urls: Sequence[str]) -> None:
        self._magic = magic
        self._rpc = JsonRpc(node.network(magic), rpc_urls)

    async def __aenter__(self) -> Self:
        await self._rpc.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._rpc.__aexit__(*exc)

    async def height(self) -> int:
        """The tip's."""
        return await self._rpc.one(node.BLOCK_COUNT) - 1

    async def balance(self, private_key: bytes) -> int:
        """GAS of a key's account, datoshi."""
        owner, _ = building.verification(PublicKey.of(private_key).raw)
        request = node.invoke_function(building.GAS, "balanceOf", owner)
        return node.integer_result(await self._rpc.one(request), "balanceOf of GAS")

    async def paid(self, signed: SignedHead, private_key: bytes) -> Payment:
        """A transaction that anchors the head, priced by the node. Its signer's witness counts for nothing but fees."""
        owner, verification = building.verification(PublicKey.of(private_key).raw)
        script = anchor_script(signed)
        probe = _transaction(owner, script, 0, 0, 0).signed(Witness(b"", verification)).to_bytes()
        requests: list[Request[Any]] = [
            node.VERSION,
            node.BLOCK_COUNT,
            node.invoke_script(script, owner),
            node.network_fee(probe),
        ]
        version, count, run, network_fee = await self._rpc.all(requests)
        if not run.halted:
            raise NodeError(f"The node cannot run an anchor: {run.exception}")
        transaction = _transaction(
            owner,
            script,
            building.system_fee(int(run.gasconsumed)),
            int(network_fee.networkfee),
            building.valid_until(count - 1, VALID_FOR_SECONDS, version.protocol),
        )
        signature = building.sign(private_key, sign_data(self._magic, transaction))
        whole = transaction.signed(Witness(invocation(signature), verification))
        fee = transaction.system_fee + transaction.network_fee
        return Payment(transaction.hash, whole.to_bytes(), transaction.valid_until_block, fee)

    async def send(self, raw: bytes) -> None:
        """Send, also again. Raises NodeError: these bytes will always be refused, such as for lack of GAS."""
        answer = (await self._rpc.batch([node.send(raw)]))[0]
        if isinstance(answer, RpcError):
            sent = sending.outcome(answer)
            if sent.outcome in (Sending.REJECTED, Sending.EXPIRED):
                raise NodeError(f"The node refuses the anchor: {sent.message}")

    async def is_on_a_block(self, transaction: str) -> bool:
        """Whether a block has it."""
        request = node.raw_transaction(transaction)
        answer = (await self._rpc.batch([request]))[0]
        if isinstance(answer, RpcError) and answer.code == node.UNKNOWN_TRANSACTION:
            return False
        return accepted(request, answer).blockhash is not None

    async def anchors(self, first: int, last: int, origin: str) -> AsyncIterator[Anchor]:
        """Of a log's name in the blocks from ``first`` to ``last``, whoever has signed them."""
        for start in range(first, last + 1, BLOCKS_PER_CALL):
            heights = range(start, min(start + BLOCKS_PER_CALL, last + 1))
            for block in await self._rpc.all([node.block(height) for height in heights]):
                for transaction in block.tx:
                    signed = anchored(b64decode(transaction.script))
                    if signed is not None and signed.head.origin == origin:
                        yield Anchor(signed, transaction.hash, block.index, block.time // 1000)


def _transaction(owner: ScriptHash, script: bytes, system_fee: int, network_fee: int, valid_until: int) -> Transaction:
    return Transaction(
        nonce=int.from_bytes(random_bytes(4)),
        system_fee=system_fee,
        network_fee=network_fee,
        valid_until_block=valid_until,
        signers=(Signer(owner, Scope.NONE),),
        script=script,
    )
