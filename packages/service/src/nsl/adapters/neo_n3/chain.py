"""Neo N3 as the pipeline and the ledger see it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from nsl.adapters.json_rpc import UNREADABLE, JsonRpc, Request, RpcError, accepted
from nsl.adapters.neo_n3 import building, execution, node, sending
from nsl.ledger.errors import NodeError
from nsl.ledger.model import GAS_N3, Asset, Balance, Block, ChainName, EndpointHealth, Fees, Mined
from nsl.transactions.ports import (
    Draft,
    Executed,
    Expected,
    Rejected,
    Sending,
    Sent,
    SignedBytes,
    Unsigned,
)
from nsl_protocol.enclave.messages import Signature
from nsl_protocol.errors import CodecError
from nsl_protocol.n3.address import ScriptHash

POLICY = "0xcc5e4edd9f5f8dba8bb65734541df7a1c081c67b"
BLOCKS_PER_CALL = 8
NOT_THERE = frozenset({node.UNKNOWN_BLOCK, node.UNKNOWN_HEIGHT, node.UNKNOWN_TRANSACTION, node.UNKNOWN_CONTAINER})


class NeoN3:
    """One Neo N3 network. Use as an async context manager.

    Raises:
        WrongNetwork: on entry, when a node has another magic number.
        NodeDown: from every method that asks, when no node answers.
    """

    name = ChainName.NEO_N3

    def __init__(self, magic: int, rpc_urls: Sequence[str]) -> None:
        self.network = magic
        self._rpc = JsonRpc(node.network(magic), rpc_urls)

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
        """The balance of one asset at the tip, by the token's own ``balanceOf``."""
        contract = asset.contract or GAS_N3.contract or ""
        request = node.invoke_function(contract, "balanceOf", ScriptHash.from_address(address))
        return node.integer_result(await self._rpc.one(request), f"balanceOf of {asset.symbol}")

    async def next_nonce(self, address: str) -> int:  # noqa: ARG002 - the port's shape
        """N3 has no account nonces."""
        return 0

    async def prepare(self, drafts: Sequence[Draft]) -> Sequence[Unsigned | Rejected]:
        """Test-run, price and build: one batch for all, and a second only for those whose test run failed."""
        plans = [_plan(draft) for draft in drafts]
        good = [plan for plan in plans if isinstance(plan, building.Plan)]
        if not good:
            return [plan for plan in plans if isinstance(plan, Rejected)]
        priced = iter(await self._price(good))
        return [plan if isinstance(plan, Rejected) else next(priced) for plan in plans]

    async def _price(self, plans: Sequence[building.Plan]) -> list[Unsigned | Rejected]:
        probes = [plan.probe() for plan in plans]
        # The network fee is a price per byte and one per signature check: one answer serves all of a size and sender.
        sizes = {(plan.account, len(probe)): probe for plan, probe in zip(plans, probes, strict=True)}
        accounts = list(dict.fromkeys(plan.account for plan in plans))
        common: list[Request[Any]] = [
            node.VERSION,
            node.BLOCK_COUNT,
            *(node.invoke_function(building.GAS, "balanceOf", each) for each in accounts),
            *(node.network_fee(probe) for probe in sizes.values()),
        ]
        answers = await self._rpc.batch([*common, *(node.invoke_script(plan.script, plan.account) for plan in plans)])
        known = map(accepted, common, answers)
        protocol, height = next(known).protocol, next(known) - 1
        balances = {each: node.integer_result(next(known), "balanceOf of GAS") for each in accounts}
        network_fees = {size: int(next(known).networkfee) for size in sizes}
        made = [
            plan.build(
                run,
                network_fee=network_fees[plan.account, len(probe)],
                valid_until=building.valid_until(height, plan.draft.valid_for_seconds, protocol),
                balance=balances[plan.account],
            )
            for plan, probe, run in zip(plans, probes, answers[len(common) :], strict=True)
        ]
        return await self._explained(plans, made)

    async def _explained(
        self, plans: Sequence[building.Plan], made: list[Unsigned | Rejected]
    ) -> list[Unsigned | Rejected]:
        """A test run says only that it failed: look whether the sender's balance of the asset is short."""
        failed = [index for index, each in enumerate(made) if isinstance(each, Rejected)]
        requests = [
            node.invoke_function(plans[index].draft.asset.contract or "", "balanceOf", plans[index].account)
            for index in failed
        ]
        answers = await self._rpc.batch(requests)
        for index, answer in zip(failed, answers, strict=True):
            draft, balance = plans[index].draft, None if isinstance(answer, RpcError) else answer.integer()
            if balance is not None and balance < draft.amount:
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
        doubtful = [index for index, each in enumerate(sent) if each.outcome in (Sending.REJECTED, Sending.EXPIRED)]
        if not doubtful:
            return sent
        known = await self._rpc.batch([node.raw_transaction(signed[index].hash) for index in doubtful])
        for index, answer in zip(doubtful, known, strict=True):
            if isinstance(answer, node.RawTransaction):
                sent[index] = Sent(Sending.TAKEN)
            elif answer.code != node.UNKNOWN_TRANSACTION or self._rpc.failovers != failovers:
                # A node that then failed may hold it: only time, or the chain, can tell.
                sent[index] = Sent(Sending.LATER, sent[index].code, sent[index].message)
        return sent

    async def height(self) -> int:
        """The tip's height."""
        return await self._rpc.one(node.BLOCK_COUNT) - 1

    async def block_hash(self, height: int) -> str | None:
        """A block's hash, None above the tip."""
        request = node.block_hash(height)
        return _found(request, (await self._rpc.batch([request]))[0])

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        """Blocks in order; fewer when the chain is shorter than ``last``."""
        found: list[Block] = []
        for start in range(first, last + 1, BLOCKS_PER_CALL):
            requests = [node.block(height) for height in range(start, min(start + BLOCKS_PER_CALL, last + 1))]
            answers = await self._rpc.batch(requests)
            for request, answer in zip(requests, answers, strict=True):
                block = _found(request, answer)
                if block is None:
                    return found
                found.append(_block(block))
        return found

    async def executed(self, expected: Sequence[Expected]) -> Sequence[Executed | None]:
        """The verdict on each: a node has one chain, without forks (dBFT), so what is on a block of it is final."""
        requests: list[Request[Any]] = []
        for each in expected:
            requests += [node.raw_transaction(each.hash), node.application_log(each.hash)]
        answers = iter(zip(requests, await self._rpc.batch(requests), strict=True))
        verdicts: list[Executed | None] = []
        for each in expected:
            raw = _found(*next(answers))
            log_request, log = next(answers)
            if isinstance(log, RpcError) and log.code == UNREADABLE:
                failure: Rejected | None = Rejected("EXECUTION_UNREADABLE", f"The node's record is an {log.text}"[:400])
            elif (found := _found(log_request, log)) is not None:
                failure = execution.failure(found, each)
            else:
                raw = None
            verdicts.append(Executed(each.hash, raw.fee, failure) if raw is not None and raw.blockhash else None)
        return verdicts

    # What the ledger asks -----------------------------------------------------------------------------------------

    async def mined(self, transaction: str) -> Mined | None:
        """A transaction on a block; None for one that is in the pool or nowhere."""
        raw_request, log_request = node.raw_transaction(transaction), node.application_log(transaction)
        requests: list[Request[Any]] = [raw_request, log_request]
        answers = await self._rpc.batch(requests)
        raw, log = _found(raw_request, answers[0]), _found(log_request, answers[1])
        if raw is None or raw.blockhash is None or log is None:
            return None
        block = await self._rpc.one(node.header(raw.blockhash))
        return Mined(
            chain=self.name,
            hash=raw.hash,
            sender=raw.sender,
            fee=raw.fee,
            block_height=block.index,
            block_hash=block.hash,
            time=_time(block.time),
            succeeded=execution.halted(log),
        )

    async def asset(self, contract: str) -> Asset | None:
        """A NEP-17 token's symbol and decimals, by its own word."""
        symbol, decimals = await self._rpc.all(
            [node.invoke_function(contract, each) for each in ("symbol", "decimals")]
        )
        return node.token(contract, symbol, decimals)

    async def balances(self, address: str, assets: Sequence[Asset]) -> Sequence[Balance]:
        """The named assets by ``balanceOf``, then what the node's token index adds, where it keeps one."""
        account = ScriptHash.from_address(address)
        named = [node.invoke_function(asset.contract or "", "balanceOf", account) for asset in assets]
        runs = await self._rpc.all(named)
        found = [
            Balance(asset, node.integer_result(run, f"balanceOf of {asset.symbol}"))
            for asset, run in zip(assets, runs, strict=True)
        ]
        index = (await self._rpc.batch([node.balances(account)]))[0]
        if isinstance(index, RpcError):
            return found
        known = {asset.contract for asset in assets}
        return found + [each.balance() for each in index.balance if each.assethash not in known and each.symbol]

    async def fees(self) -> Fees:
        """The price of a test run of one GAS transfer, and the Policy contract's own numbers.

        The validators' account sends it, which holds GAS on most networks; where not, a transfer of nothing is run,
        whose price is a little lower.
        """
        validators = ScriptHash.from_address((await self._rpc.one(node.block(await self.height()))).nextconsensus)
        probes = [building.price_probe(validators, amount) for amount in (1, 0)]
        requests: list[Request[Any]] = [
            node.network_fee(building.PRICE_PROBE),
            node.invoke_function(POLICY, "getFeePerByte"),
            node.invoke_function(POLICY, "getExecFeeFactor"),
            *(node.invoke_script(script, validators) for script in probes),
        ]
        network_fee, per_byte, factor, *runs = await self._rpc.all(requests)
        consumed = [int(run.gasconsumed) for run in runs if run.halted]
        if not consumed:
            raise NodeError("The node cannot test-run a transfer.")
        return Fees(
            chain=self.name,
            asset=GAS_N3,
            transfer=building.system_fee(consumed[0]) + int(network_fee.networkfee),
            prices={
                "fee_per_byte": node.integer_result(per_byte, "getFeePerByte"),
                "exec_fee_factor": node.integer_result(factor, "getExecFeeFactor"),
            },
        )


def _plan(draft: Draft) -> building.Plan | Rejected:
    try:
        return building.plan(draft)
    except CodecError as error:
        return Rejected("INVALID_TRANSACTION", str(error))


def _found[T](request: Request[T], answer: T | RpcError) -> T | None:
    """The answer, or None where there is no such thing. Raises NodeError."""
    return None if isinstance(answer, RpcError) and answer.code in NOT_THERE else accepted(request, answer)


def _block(answer: node.BlockAnswer) -> Block:
    return Block(
        chain=ChainName.NEO_N3,
        height=answer.index,
        hash=answer.hash,
        previous_hash=answer.previousblockhash,
        time=_time(answer.time),
        transactions=tuple(each.hash for each in answer.tx),
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
