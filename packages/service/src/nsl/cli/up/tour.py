"""The guided tour: a tenant, its keys, real transfers on both devnets, and the nodes' own word on the balances."""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nsl.cli.anchoring import N3Network
from nsl.cli.heads import is_signed
from nsl.cli.up.faucet import Payment, Rpc, pay_n3, pay_neox
from nsl.cli.up.n3 import MAGIC, N3Node
from nsl.cli.up.neox import NeoxNode
from nsl.cli.up.stack import Stack
from nsl.cli.up.witness import LogToFollow
from nsl.kit.clock import monotonic, pause
from nsl.kit.errors import Failure
from nsl.ledger.model import GAS_N3, GAS_NEO_X, NEO_N3, Asset, format_amount
from nsl_client import AsyncClient, NslError, Timeout, TransactionFailed
from nsl_client.calls import ChainName, Curve
from nsl_client.model import Key, Transaction
from nsl_client.receipts import PinnedTrust, Verdict, holds, read_trust, verify_receipt
from nsl_protocol.n3.address import ScriptHash

SCOPES: Final = (
    "keys:create", "keys:read", "keys:sign", "keys:encrypt", "keys:decrypt", "transactions:create",
    "transactions:read", "ledger:read",
)  # fmt: skip
TRANSFER_TIMEOUT_SECONDS: Final = 60
RECEIPT_TIMEOUT_SECONDS: Final = 15
POLL_SECONDS: Final = 0.2

type Progress = Callable[[str], None]


@dataclass(frozen=True)
class Transfer:
    """One transfer as it happened. Amounts are decimal text; ``fee`` is in GAS; ``receipt``: verified, if it was."""

    chain: str
    kind: str
    asset: str
    amount: str
    from_: str
    to: str
    hash: str | None
    block_height: int | None
    fee: str | None
    state: str
    seconds: float
    receipt: str = ""

    def document(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {name.rstrip("_"): value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Claim:
    """GAS that the chain paid to a NEO holder because its NEO moved."""

    account: str
    amount: str
    hash: str


@dataclass(frozen=True)
class TourResult:
    """``problems`` is empty when every transfer is confirmed and every balance moved exactly.

    ``left_out`` names the chains that are not there, each with its reason. ``anchor``: the transaction that the
    audit log was anchored in.
    """

    ready_seconds: float
    transfers: Sequence[Transfer]
    claims: Sequence[Claim]
    problems: Sequence[str]
    left_out: Mapping[str, str] = field(default_factory=dict)
    anchor: str | None = None

    @property
    def ok(self) -> bool:
        return not self.problems

    def document(self) -> dict[str, Any]:
        """The one object of ``nsl up --tour --exit --json``."""
        return {
            "ok": self.ok,
            "ready_seconds": round(self.ready_seconds, 3),
            "transfers": [each.document() for each in self.transfers],
            "claims": [asdict(each) for each in self.claims],
            "left_out": dict(self.left_out),
            "problems": list(self.problems),
            "anchor": self.anchor,
        }

    def print(self) -> None:
        """A table for people."""
        table = Table(title="The tour: real transfers, checked on the nodes themselves")
        for name in ("what", "hash", "block", "fee (GAS)", "seconds", "receipt"):
            table.add_column(name, overflow="fold")
        for each in self.transfers:
            what = f"{each.amount} {each.asset} on {each.chain}: {each.state}"
            table.add_row(
                what, each.hash or "", str(each.block_height or ""), each.fee or "", f"{each.seconds:.1f}", each.receipt
            )
        console = Console()
        console.print(table)
        for claim in self.claims:
            console.print(f"claimed by holding NEO: {claim.amount} GAS for {claim.account}")
        if self.anchor is not None:
            console.print(f"the audit log is anchored on Neo N3: {self.anchor}")
        for chain, reason in self.left_out.items():
            console.print(f"left out: {chain}. {reason}")
        for problem in self.problems:
            console.print(Text.assemble(("not as it should be: ", "red"), problem))


class _N3Reader:
    """Balances and events by the N3 node's own word, not by ours."""

    def __init__(self, node: N3Node) -> None:
        self._node = node

    async def balance(self, address: str, asset: Asset) -> int:
        arguments = [{"type": "Hash160", "value": str(ScriptHash.from_address(address))}]
        async with Rpc(self._node.url) as rpc:
            run = await rpc.call("invokefunction", asset.contract, "balanceOf", arguments)
        return int(run["stack"][0]["value"])

    async def claimed(self, transaction: str, address: str) -> int:
        """GAS minted to an account by a transaction: a GAS transfer from nobody."""
        account = ScriptHash.from_address(address).raw
        async with Rpc(self._node.url) as rpc:
            log = await rpc.call("getapplicationlog", transaction)
        total = 0
        for event in log["executions"][0]["notifications"]:
            source, recipient, amount = (item.get("value") for item in event["state"]["value"][:3])
            minted = event["contract"] == GAS_N3.contract and event["eventname"] == "Transfer" and source is None
            if minted and recipient is not None and b64decode(recipient) == account:
                total += int(amount)
        return total


class _NeoXReader:
    def __init__(self, node: NeoxNode) -> None:
        self._node = node

    async def balance(self, address: str, _: Asset) -> int:
        async with Rpc(self._node.url) as rpc:
            return int(await rpc.call("eth_getBalance", address, "latest"), 16)

    async def claimed(self, _: str, __: str) -> int:
        return 0


type _Reader = _N3Reader | _NeoXReader


async def run_tour(stack: Stack, progress: Progress) -> TourResult:
    """Make the tour on a running stack. What goes wrong is a problem of the result, never an exception."""
    try:
        return await _tour(stack, progress)
    except (NslError, Failure) as error:
        return TourResult(stack.ready_seconds, [], [], [str(error)])


async def _tour(stack: Stack, progress: Progress) -> TourResult:
    progress("tour: a tenant with a client of its own")
    async with AsyncClient.from_credentials(stack.credentials) as platform:
        tenant = await platform.tenants.create("Tour")
        made = await platform.clients.create("tour", SCOPES, tenant_id=tenant.id)
    left_out: dict[str, str] = {}
    trust = read_trust(stack.trust.read_bytes())
    async with AsyncClient(stack.base_url, made.client_id, made.client_secret) as client:
        parts = []
        if stack.n3 is not None:
            parts.append(_told(_tour_n3(client, stack.n3, progress, trust)))
        if stack.neox is not None:
            parts.append(_told(_tour_neox(client, stack.neox, progress, trust)))
        else:
            left_out["neo-x"] = "Its development node needs Node.js and `make install`."
            progress(f"tour: Neo X is left out. {left_out['neo-x']}")
        results = await asyncio.gather(*parts)
    transfers = [transfer for part in results for transfer in part.transfers]
    problems = [problem for part in results for problem in part.problems]
    if not transfers and not problems:
        problems.append("no development chain runs here, and the tour spends development money alone")
    claims = [claim for part in results for claim in part.claims]
    anchor = None
    if stack.n3 is not None:
        anchor = await _first_anchor(stack.n3, stack.log)
        if anchor is None:
            problems.append("no head of the audit log was anchored on Neo N3: the log of `anchor` says why")
    return TourResult(stack.ready_seconds, transfers, claims, problems, left_out, anchor)


async def _first_anchor(node: N3Node, log: LogToFollow) -> str | None:
    """The transaction that a head of the audit log was anchored in first, read from the chain as anybody would."""
    until = monotonic() + RECEIPT_TIMEOUT_SECONDS
    async with N3Network(MAGIC, (node.url,)).chain() as chain:
        while monotonic() < until:
            async for anchor in chain.anchors(0, await chain.height(), log.origin):
                if is_signed(anchor.signed, [log.key]):
                    return anchor.transaction
            await pause(POLL_SECONDS)
    return None


async def _told(part: Awaitable[TourResult]) -> TourResult:
    """One chain's trouble does not hide what the other one did."""
    try:
        return await part
    except (NslError, Failure) as error:
        return TourResult(0.0, [], [], [str(error)])


async def _tour_n3(client: AsyncClient, node: N3Node, progress: Progress, trust: PinnedTrust) -> TourResult:
    progress("tour: a Neo N3 key in the enclave, funded from the devnet's genesis account")
    sender = await client.keys.create("tour-n3", "secp256r1")
    address = sender.addresses["neo-n3"]
    await pay_n3(
        node, [Payment(address, 100 * 10**8, str(GAS_N3.contract)), Payment(address, 100, str(NEO_N3.contract))]
    )
    guide = _Guide(client, _N3Reader(node), progress, trust, "neo-n3", "secp256r1", GAS_N3)
    await guide.send(sender, GAS_N3, "12.5")
    await guide.send(sender, NEO_N3, "7")
    return guide.result()


async def _tour_neox(client: AsyncClient, node: NeoxNode, progress: Progress, trust: PinnedTrust) -> TourResult:
    progress("tour: a Neo X key in the enclave, funded from the devnet's genesis account")
    sender = await client.keys.create("tour-neox", "secp256k1")
    await pay_neox(node, [Payment(sender.addresses["neo-x"], 100 * 10**18)])
    guide = _Guide(client, _NeoXReader(node), progress, trust, "neo-x", "secp256k1", GAS_NEO_X)
    await guide.send(sender, GAS_NEO_X, "2.25")
    return guide.result()


class _Guide:
    """Makes transfers on one chain to fresh recipients and compares balances before and after."""

    def __init__(
        self,
        client: AsyncClient,
        reader: _Reader,
        progress: Progress,
        trust: PinnedTrust,
        chain: ChainName,
        curve: Curve,
        gas: Asset,
    ) -> None:
        self._client = client
        self._reader = reader
        self._progress = progress
        self._trust = trust
        self._chain: ChainName = chain
        self._curve: Curve = curve
        self._gas = gas
        self._transfers: list[Transfer] = []
        self._claims: list[Claim] = []
        self._problems: list[str] = []

    def result(self) -> TourResult:
        return TourResult(0.0, self._transfers, self._claims, self._problems)

    async def send(self, sender: Key, asset: Asset, amount: str) -> None:
        """One transfer, from the POST to its confirmation, and what it did to the balances."""
        try:
            await self._send(sender, asset, amount)
        except (NslError, Failure) as error:
            self._problems.append(f"{amount} {asset.symbol} on {self._chain}: {error}")

    async def _send(self, sender: Key, asset: Asset, amount: str) -> None:
        recipient = (await self._client.keys.create("tour-recipient", self._curve)).addresses[self._chain]
        address = sender.addresses[self._chain]
        before = await self._balances(address, asset)
        if await self._reader.balance(recipient, asset):
            self._problems.append(f"{recipient} is fresh, and holds {asset.symbol} already")
        began = monotonic()
        made = await self._client.transactions.transfer(
            chain=self._chain, from_key=sender.id, asset=asset.symbol, to=recipient, amount=amount
        )
        try:
            done = await self._client.wait_for_transaction(made.id, timeout_seconds=TRANSFER_TIMEOUT_SECONDS)
        except (Timeout, TransactionFailed) as ended:
            done = await self._client.transactions.get(made.id)
            self._problems.append(str(ended))
        seconds = monotonic() - began
        receipt = await self._verified(done) if done.state == "confirmed" else ""
        self._note(done, address, seconds, receipt)
        self._progress(f"tour: {amount} {asset.symbol} on {self._chain} {done.state} in {seconds:.1f} s")
        if done.state == "confirmed":
            await self._compare(done, address, asset, before)

    async def _verified(self, done: Transaction) -> str:
        """Check the receipt as anybody would, once the witness has cosigned its head."""
        until = monotonic() + RECEIPT_TIMEOUT_SECONDS
        while True:
            steps = verify_receipt(await self._client.audit.receipt(done.id), self._trust)
            if holds(steps):
                return "verified"
            if monotonic() > until:
                failed = [f"{step.name}: {step.detail}" for step in steps if step.verdict is Verdict.FAILED]
                self._problems.append(f"the receipt of {done.hash} does not hold: {'; '.join(failed)}")
                return ""
            await pause(POLL_SECONDS)

    def _note(self, done: Transaction, sender: str, seconds: float, receipt: str) -> None:
        self._transfers.append(
            Transfer(
                chain=done.chain,
                kind=done.kind,
                asset=done.asset,
                amount=done.amount,
                from_=sender,
                to=done.to,
                hash=done.hash,
                block_height=done.block_height,
                fee=done.fee,
                state=done.state,
                seconds=round(seconds, 3),
                receipt=receipt,
            )
        )

    async def _balances(self, address: str, asset: Asset) -> tuple[int, int]:
        return await self._reader.balance(address, asset), await self._reader.balance(address, self._gas)

    async def _compare(self, done: Transaction, sender: str, asset: Asset, before: tuple[int, int]) -> None:
        amount, fee = _units(done.amount, asset), _units(done.fee or "0", self._gas)
        claimed = await self._reader.claimed(done.hash or "", sender)
        if claimed:
            self._claims.append(Claim(sender, format_amount(claimed, self._gas.decimals), done.hash or ""))
        after = await self._balances(sender, asset)
        gas_out = fee - claimed
        expected = (before[0] - amount - gas_out, before[1] - amount - gas_out)
        if asset != self._gas:
            expected = (before[0] - amount, before[1] - gas_out)
        if after != expected:
            self._problems.append(f"{sender} holds {after} units after {done.hash}, and should hold {expected}")
        received = await self._reader.balance(done.to, asset)
        if received != amount:
            self._problems.append(f"{done.to} holds {received} units after {done.hash}, and should hold {amount}")


def _units(text: str, asset: Asset) -> int:
    return int(Decimal(text).scaleb(asset.decimals))
