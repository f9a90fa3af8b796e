"""Development money: the genesis funds of the two devnets, sent to whoever asks.

The keys exist nowhere else: N3's is the validator's, made for this state folder; Neo X's stay inside anvil, whose
genesis accounts are unlocked there. Both faucets refuse a node that is not the private devnet.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import httpx

from nsl.adapters.neo_n3.building import sign
from nsl.cli.up.errors import DevnetOnly, NotReady
from nsl.cli.up.n3 import MAGIC, N3Node
from nsl.cli.up.neox import NeoxNode
from nsl.cli.up.neox.rules import BASE_FEE_WEI, CHAIN_ID, TIP_MIN_WEI
from nsl.cli.up.process import POLL_SECONDS
from nsl.kit.clock import monotonic, pause, random_bytes
from nsl.ledger.model import GAS_N3
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import transfer_script
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.verification import invocation, multi
from nsl_protocol.n3.witness import Signer, Witness

VALID_BLOCKS = 100
SYSTEM_FEE_MARGIN_DATOSHI = 1_000_000
MINED_TIMEOUT_SECONDS = 30.0
TRANSFER_GAS = 21_000


@dataclass(frozen=True)
class Payment:
    """``amount`` in the asset's smallest unit; ``asset`` is an N3 contract hash (0x, big-endian), unused on Neo X."""

    to: str
    amount: int
    asset: str = GAS_N3.contract or ""


class Rpc:
    """A JSON-RPC client for a node that we run ourselves. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=30, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def call(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises NotReady when the node refuses or does not answer."""
        try:
            answer = await self._http.post("/", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        except httpx.HTTPError as error:
            raise NotReady(f"The development node does not answer {method}: {error!r}.") from error
        document = answer.json()
        if "error" in document:
            raise NotReady(f"The development node refused {method}: {document['error']}.")
        return document["result"]


async def pay_n3(node: N3Node, payments: Sequence[Payment]) -> str:
    """Make NEP-17 transfers from the genesis account in one transaction, and wait until it is mined.

    Returns:
        The transaction's hash.

    Raises:
        DevnetOnly: the node serves another network.
        NotReady: the node refuses it, or it faults, or it is not mined in time.
    """
    key = PublicKey.of(node.validator_key)
    verification = multi(1, [key])
    source = ScriptHash.of(verification)
    async with Rpc(node.url) as rpc:
        magic = (await rpc.call("getversion"))["protocol"]["network"]
        if magic != MAGIC:
            raise DevnetOnly(f"The node at {node.url} serves network {magic}: development keys are for {MAGIC} alone.")
        script = b"".join(
            transfer_script(ScriptHash.parse(each.asset), source, ScriptHash.from_address(each.to), each.amount)
            for each in payments
        )
        signers = [{"account": str(source), "scopes": "CalledByEntry"}]
        run = await rpc.call("invokescript", b64encode(script).decode(), signers)
        if run["state"] != "HALT":
            raise NotReady(f"The development funds do not allow it: {run.get('exception')}.")
        unsigned = Transaction(
            nonce=int.from_bytes(random_bytes(4)),
            system_fee=int(run["gasconsumed"]) + SYSTEM_FEE_MARGIN_DATOSHI,
            network_fee=0,
            valid_until_block=await rpc.call("getblockcount") + VALID_BLOCKS,
            signers=(Signer(source),),
            script=script,
        )
        probe = b64encode(unsigned.signed(Witness(b"", verification)).to_bytes()).decode()
        fee = int((await rpc.call("calculatenetworkfee", probe))["networkfee"])
        unsigned = replace(unsigned, network_fee=fee)
        signature = sign(node.validator_key, sign_data(magic, unsigned))
        signed = unsigned.signed(Witness(invocation(signature), verification))
        await rpc.call("sendrawtransaction", b64encode(signed.to_bytes()).decode())
        return await _n3_mined(rpc, signed.hash)


async def pay_neox(node: NeoxNode, payments: Sequence[Payment]) -> list[str]:
    """Send native GAS (wei) from anvil's first genesis account, and wait until all is mined.

    Returns:
        The transactions' hashes, in order.

    Raises:
        DevnetOnly: the node is no anvil of the devnet's chain id (which the public testnet shares).
        NotReady: the node refuses one, or it is not mined in time.
    """
    async with Rpc(node.node_url) as rpc:
        version, chain = await rpc.call("web3_clientVersion"), int(await rpc.call("eth_chainId"), 16)
        if not version.startswith("anvil/") or chain != CHAIN_ID:
            raise DevnetOnly(f"The node at {node.node_url} is {version} on chain {chain}, not the private devnet.")
        source = (await rpc.call("eth_accounts"))[0]
        sent = [
            await rpc.call(
                "eth_sendTransaction",
                {
                    "from": source, "to": each.to, "value": hex(each.amount), "gas": hex(TRANSFER_GAS),
                    "maxFeePerGas": hex(BASE_FEE_WEI + TIP_MIN_WEI), "maxPriorityFeePerGas": hex(TIP_MIN_WEI),
                },
            )
            for each in payments
        ]  # fmt: skip
        for transaction in sent:
            await _neox_mined(rpc, transaction)
    return sent


async def _n3_mined(rpc: Rpc, transaction: str) -> str:
    deadline = monotonic() + MINED_TIMEOUT_SECONDS
    while monotonic() < deadline:
        try:
            log = await rpc.call("getapplicationlog", transaction)
        except NotReady:  # "unknown transaction" until it is mined
            await pause(POLL_SECONDS)
            continue
        run = log["executions"][0]
        if run["vmstate"] != "HALT":
            raise NotReady(f"The development payment {transaction} failed: {run.get('exception')}.")
        return transaction
    raise NotReady(f"The development payment {transaction} was not mined in {MINED_TIMEOUT_SECONDS:.0f} s.")


async def _neox_mined(rpc: Rpc, transaction: str) -> None:
    deadline = monotonic() + MINED_TIMEOUT_SECONDS
    while monotonic() < deadline:
        receipt = await rpc.call("eth_getTransactionReceipt", transaction)
        if receipt is None:
            await pause(POLL_SECONDS)
        elif receipt["status"] == "0x1":
            return
        else:
            raise NotReady(f"The development payment {transaction} failed.")
    raise NotReady(f"The development payment {transaction} was not mined in {MINED_TIMEOUT_SECONDS:.0f} s.")
