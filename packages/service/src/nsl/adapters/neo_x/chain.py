"""Neo X as the pipeline and the ledger see it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from nsl.adapters.json_rpc import JsonRpc, Request, RpcError, accepted
from nsl.adapters.neo_x import building, execution, node, sending
from nsl.ledger.errors import NodeError
from nsl.ledger.model import GAS_NEO_X, Asset, Balance, Block, ChainName, EndpointHealth, Fees, Mined
from nsl.transactions.ports import Draft, Executed, Expected, Rejected, Sending, Sent, SignedBytes, Unsigned
from nsl_protocol.enclave.messages import Signature
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.abi import DECIMALS, SYMBOL
from nsl_protocol.evm.address import EvmAddress

BLOCKS_PER_CALL = 8


class NeoX:
    """One Neo X network. Use as an async context manager.

    Raises:
        WrongNetwork: on entry, when a node has another chain id.
        NodeDown: from every method that asks, when no node answers.
    """

    name = ChainName.NEO_X

    def __init__(self, chain_id: int, rpc_urls: Sequence[str]) -> None:
        self.network = chain_id
        self._rpc = JsonRpc(node.network(chain_id), rpc_urls)

    async def __aenter__(self) -> Self:
        await self._rpc.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._rpc.__aexit__(*exc)

    def health(self) -> list[EndpointHealth]:
        """What is known of each node, without asking."""
        return self._rpc.health()

    # What the pipeline asks --------------------------------------------------------------------------------------

    async def spendable(self, address: str, asset: Asset) -> int:
        """The balance of one asset at the tip."""
        if asset.contract is None:
            return await self._rpc.one(node.balance(address))
        answer = await self._rpc.one(node.call(building.balance_call(asset.contract, address)))
        return node.word(answer, f"balanceOf of {asset.symbol}")

    async def next_nonce(self, address: str) -> int:
        """The count of an account's mined transactions."""
        return await self._rpc.one(node.mined_count(address))

    async def prepare(self, drafts: Sequence[Draft]) -> Sequence[Unsigned | Rejected]:
        """Estimate, price and build: one batch for all, and a second only for tokens that would revert."""
        made = [_plan(draft) for draft in drafts]
        plans = [plan for plan in made if isinstance(plan, building.Plan)]
        priced = iter(await self._price(plans) if plans else [])
        return [plan if isinstance(plan, Rejected) else next(priced) for plan in made]

    async def _price(self, plans: Sequence[building.Plan]) -> list[Unsigned | Rejected]:
        senders = list(dict.fromkeys(plan.draft.sender for plan in plans))
        tokens = [plan for plan in plans if plan.draft.asset.contract is not None]
        requests: list[Request[Any]] = [
            node.TIP,
            node.PRIORITY_FEE,
            *(node.balance(sender) for sender in senders),
            *(node.estimate_gas(plan.call) for plan in plans),
            *(node.call(plan.call) for plan in tokens),
        ]
        tip, priority_fee, *rest = await self._rpc.batch(requests)
        fees = building.gas_fees(accepted(node.TIP, tip), accepted(node.PRIORITY_FEE, priority_fee))
        answers = iter(rest)
        balances = {each: int(accepted(node.balance(each), next(answers))) for each in senders}
        estimates: list[Any] = [next(answers) for _ in plans]
        refused = {id(plan) for plan in tokens if building.answers_false(next(answers))}
        made: list[Unsigned | Rejected] = []
        for plan, estimate in zip(plans, estimates, strict=True):
            if isinstance(estimate, RpcError):
                made.append(building.would_fail(estimate))
            elif id(plan) in refused:
                made.append(Rejected("EXECUTION_FAULT", "The test run failed: the token answers false."))
            else:
                made.append(plan.build(self.network, estimate, fees, balances[plan.draft.sender]))
        return await self._explained(plans, made)

    async def _explained(
        self, plans: Sequence[building.Plan], made: list[Unsigned | Rejected]
    ) -> list[Unsigned | Rejected]:
        """A token says only that it reverts: look whether the sender's balance of it is short."""
        faults = [
            (index, plan.draft, plan.draft.asset.contract)
            for index, plan in enumerate(plans)
            if isinstance(made[index], Rejected) and plan.draft.asset.contract is not None
        ]
        requests = [node.call(building.balance_call(contract or "", draft.sender)) for _, draft, contract in faults]
        answers = await self._rpc.batch(requests)
        for (index, draft, _), answer in zip(faults, answers, strict=True):
            if not isinstance(answer, RpcError) and len(answer) == node.WORD_BYTES:
                balance = int.from_bytes(answer)
                if balance < draft.amount:
                    made[index] = building.short(f"the transfer needs {draft.amount} of {draft.asset.symbol}", balance)
        return made

    def attach(self, unsigned: bytes, signature: Signature) -> SignedBytes:
        """Put the signature into the bytes that were signed. Raises CodecError."""
        return building.attach(unsigned, signature)

    async def send(self, signed: Sequence[SignedBytes]) -> Sequence[Sent]:
        """Broadcast, in order. A refusal is believed only when the node does not know the transaction."""
        failovers = self._rpc.failovers
        answers = await self._rpc.batch([node.send(each.raw) for each in signed])
        sent = [sending.outcome(answer) if isinstance(answer, RpcError) else Sent(Sending.TAKEN) for answer in answers]
        doubtful = [index for index, each in enumerate(sent) if each.outcome in (Sending.REJECTED, Sending.NONCE_USED)]
        known = await self._rpc.batch([node.known(signed[index].hash) for index in doubtful])
        for index, answer in zip(doubtful, known, strict=True):
            if isinstance(answer, node.Known):
                sent[index] = Sent(Sending.TAKEN)
            elif sent[index].outcome is Sending.REJECTED and (answer is not None or self._rpc.failovers != failovers):
                # A node that then failed may hold it: only the account's nonce can tell.
                sent[index] = Sent(Sending.LATER, sent[index].code, sent[index].message)
        return sent

    async def height(self) -> int:
        """The tip's height."""
        return await self._rpc.one(node.HEIGHT)

    async def block_hash(self, height: int) -> str | None:
        """A block's hash, None above the tip."""
        found = await self._rpc.one(node.header(height))
        return None if found is None else found.hash

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        """Blocks in order; fewer when the chain is shorter than ``last``."""
        found: list[Block] = []
        for start in range(first, last + 1, BLOCKS_PER_CALL):
            requests = [node.block(height) for height in range(start, min(start + BLOCKS_PER_CALL, last + 1))]
            for block in await self._rpc.all(requests):
                if block is None:
                    return found
                found.append(_block(block))
        return found

    async def executed(self, expected: Sequence[Expected]) -> Sequence[Executed | None]:
        """The verdict on each, if the block that its receipt names stands on the chain at that height."""
        requests = [node.receipt(each.hash) for each in expected]
        receipts = await self._rpc.all(requests)
        heights = sorted({int(receipt.block_number) for receipt in receipts if receipt is not None})
        asked = [node.header(height) for height in heights]
        headers = await self._rpc.all(asked)
        canonical = {header.hash for header in headers if header is not None}
        return [
            None
            if receipt is None or receipt.block_hash not in canonical
            else Executed(each.hash, receipt.fee, execution.failure(receipt, each))
            for each, receipt in zip(expected, receipts, strict=True)
        ]

    # What the ledger asks -----------------------------------------------------------------------------------------

    async def mined(self, transaction: str) -> Mined | None:
        """A transaction on a block of the canonical chain."""
        receipt = await self._rpc.one(node.receipt(transaction))
        block = None if receipt is None else await self._rpc.one(node.header(receipt.block_number))
        if receipt is None or block is None or block.hash != receipt.block_hash:
            return None
        return Mined(
            chain=self.name,
            hash=transaction,
            sender=str(EvmAddress.parse(receipt.from_)),
            fee=receipt.fee,
            block_height=receipt.block_number,
            block_hash=block.hash,
            time=_time(block.timestamp),
            succeeded=receipt.status == 1,
        )

    async def asset(self, contract: str) -> Asset | None:
        """An ERC-20 token's symbol and decimals, by its own word."""
        requests = [node.call(building.token_call(contract, each)) for each in (SYMBOL, DECIMALS)]
        symbol, decimals = await self._rpc.batch(requests)
        if isinstance(symbol, RpcError) or isinstance(decimals, RpcError):
            return None
        return building.token(contract, symbol, decimals)

    async def balances(self, address: str, assets: Sequence[Asset]) -> Sequence[Balance]:
        """The named assets. A node of Neo X keeps no index of what else an account holds."""
        requests: list[Request[Any]] = [
            node.balance(address) if each.contract is None else node.call(building.balance_call(each.contract, address))
            for each in assets
        ]
        answers = await self._rpc.all(requests)
        return [
            Balance(asset, int(answer) if asset.contract is None else node.word(answer, f"balanceOf of {asset.symbol}"))
            for asset, answer in zip(assets, answers, strict=True)
        ]

    async def fees(self) -> Fees:
        """What a transfer of nothing costs at the tip's base fee and the node's hint of a tip."""
        requests: list[Request[Any]] = [
            node.TIP,
            node.PRIORITY_FEE,
            node.GAS_PRICE,
            node.estimate_gas(building.PRICE_PROBE),
        ]
        tip, priority_fee, gas_price, gas = await self._rpc.all(requests)
        if tip is None:
            raise NodeError("The node has no latest block.")
        return Fees(
            chain=self.name,
            asset=GAS_NEO_X,
            transfer=gas * (tip.base_fee_per_gas + priority_fee),
            prices={
                "base_fee": int(tip.base_fee_per_gas),
                "priority_fee": int(priority_fee),
                "gas_price": int(gas_price),
            },
        )


def _plan(draft: Draft) -> building.Plan | Rejected:
    try:
        return building.plan(draft)
    except CodecError as error:
        return Rejected("INVALID_TRANSACTION", str(error))


def _block(answer: node.BlockAnswer) -> Block:
    return Block(
        chain=ChainName.NEO_X,
        height=answer.number,
        hash=answer.hash,
        previous_hash=answer.parent_hash,
        time=_time(answer.timestamp),
        transactions=tuple(answer.transactions),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
