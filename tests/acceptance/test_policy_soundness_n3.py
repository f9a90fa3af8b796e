"""What a policy allows on Neo N3, executed: no balance changes beyond what it counted, whoever is paid.

The judge is the node's own list of changes in the storage of the GAS and NEO contracts.
"""

import asyncio
import hashlib
import json
from base64 import b64decode, b64encode
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from nsl.cli.up.errors import NotReady
from nsl.cli.up.faucet import Payment, Rpc, pay_n3
from nsl.ledger.model import GAS_N3, NEO_N3
from nsl_enclave.kme.signing import private_half
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import SignN3Transaction
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import Op, call, op, transfer_script
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.verification import invocation, single
from nsl_protocol.n3.wire import var_bytes
from nsl_protocol.n3.witness import Scope, Signer, Witness
from nsl_protocol.policy.decision import decide
from nsl_protocol.policy.document import read_policy
from nsl_protocol.policy.reading import meaning_of, own_account
from tests.acceptance.soundness import Counted, allowed
from tests.protocol.policy.generated import NETWORKS, NOW, n3_transaction
from tests.support.drivers import n3_node
from tests.support.long import examples

SECRET = (7).to_bytes(32)
PUBLIC_KEY = private_half(Curve.SECP256R1, SECRET).public_key
OWN = own_account(Curve.SECP256R1, PUBLIC_KEY)
OWN_HASH = ScriptHash.from_address(OWN)
THIEF = ScriptHash(b"\x66" * 20)
GAS, NEO = str(GAS_N3.contract), str(NEO_N3.contract)
#: ids of the native contracts, as keys of their storage begin (little endian)
_CONTRACTS = {(-6).to_bytes(4, "little", signed=True): GAS, (-5).to_bytes(4, "little", signed=True): NEO}
_ACCOUNT = b"\x14"
_THREE_ARGUMENTS, _RET = bytes((0x57, 0, 3)), b"\x40"
_MANAGEMENT = ScriptHash.parse("0xfffdc93764dbaddd97c48f252a53ea4643faa3fd")


def amount_in(value: bytes) -> int:
    """The balance in an account's state: the first integer of a struct, in the VM's serialization."""
    assert value[0] == 0x41
    assert value[2] == 0x21
    return int.from_bytes(value[4 : 4 + value[3]], "little", signed=True)


class Node:
    """Runs scripts on the node without sending them, and says whose balance became what."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def balance(self, contract: str, account: str) -> int:
        argument = [{"type": "Hash160", "value": str(ScriptHash.from_address(account))}]
        answer = await self._rpc.call("invokefunction", contract, "balanceOf", argument)
        return int(answer["stack"][0]["value"])

    async def gains(self, transaction: Transaction) -> tuple[str, dict[tuple[str, str], int]]:
        """How it ends, and by contract and account what they have more afterwards."""
        signers = [_signer(each) for each in transaction.signers]
        script = b64encode(transaction.script).decode()
        run = await self._rpc.call("invokescript", script, signers, True)
        gained: dict[tuple[str, str], int] = {}
        if run["state"] == "HALT":
            for change in run["diagnostics"]["storagechanges"]:
                place = b64decode(change["key"])
                contract = _CONTRACTS.get(place[:4])
                if contract is None or place[4:5] != _ACCOUNT:
                    continue
                account = ScriptHash(place[5:]).address
                after = 0 if change["state"] == "Deleted" else amount_in(b64decode(change["value"]))
                gained[contract, account] = after - await self.balance(contract, account)
        return str(run["state"]), gained


def judged(gained: dict[tuple[str, str], int], counted: Counted) -> int:
    """How many others were paid. Raises AssertionError: more has changed than was counted."""
    for (contract, account), amount in gained.items():
        most = counted.out(contract) if account == OWN else counted.moves[contract, account]
        assert (-amount if account == OWN else amount) <= most, (contract, account, amount)
    return sum(account != OWN and amount > 0 for (_, account), amount in gained.items())


def made(random: Random) -> SignN3Transaction:
    return SignN3Transaction(random.choice(NETWORKS["neo-n3"]), n3_transaction(random, OWN_HASH))


async def test_what_is_allowed_does_on_n3_what_was_counted(tmp_path: Path) -> None:
    outcomes, paid, many = Counter[str](), 0, examples(10_000, 120)
    async with n3_node(tmp_path) as running, Rpc(running.url) as rpc:
        await pay_n3(running, [Payment(OWN, 5000 * 10**8, GAS), Payment(OWN, 1000, NEO)])
        node = Node(rpc)
        for what, counted in allowed(20261127, many, made, Curve.SECP256R1, PUBLIC_KEY):
            assert isinstance(what, SignN3Transaction)
            state, gained = await node.gains(Transaction.from_unsigned_bytes(what.unsigned))
            outcomes[state] += 1
            paid += judged(gained, counted)
    assert outcomes["HALT"] > many // 4, outcomes
    assert paid > many // 10


async def test_a_contract_that_is_paid_takes_nothing_more_by_its_own_calls(tmp_path: Path) -> None:
    async with n3_node(tmp_path) as running, Rpc(running.url) as rpc:
        await pay_n3(running, [Payment(OWN, 5000 * 10**8, GAS)])
        node = Node(rpc)
        trap = await deployed(rpc)
        rule = {"allow": "transfer", "name": "pay", "assets": ["GAS"], "to": [trap.address]}
        document: dict[str, Any] = {"assets": {"GAS": {"chain": "neo-n3", "contract": GAS, "decimals": 8}}}
        document["rules"] = [rule]
        script = transfer_script(ScriptHash.parse(GAS), OWN_HASH, trap, 5)
        for scope in (Scope.CALLED_BY_ENTRY, Scope.GLOBAL):
            transaction = Transaction(1, 10, 20, 30, (Signer(OWN_HASH, scope),), script=script)
            meaning = meaning_of(SignN3Transaction(1, transaction.unsigned_bytes()), Curve.SECP256R1, PUBLIC_KEY)
            codes = {each.code for each in decide(read_policy(json.dumps(document).encode()), meaning, NOW).objections}
            state, gained = await node.gains(transaction)
            assert state == "HALT"
            assert gained[GAS, trap.address] == 5
            if scope is Scope.CALLED_BY_ENTRY:
                assert codes == set()
                assert (GAS, THIEF.address) not in gained, "the trap's call has no witness of the payer"
                judged(gained, Counted.of(meaning))
            else:
                assert codes == {"SCOPE_NOT_ALLOWED"}, "which is why no policy with rules takes this by itself"
                assert gained[GAS, THIEF.address] == 1, "and this is what it would have cost"


async def deployed(rpc: Rpc) -> ScriptHash:
    """A contract that, when it is paid, sends GAS of the payer on to a thief, as far as it is let."""
    steal = transfer_script(ScriptHash.parse(GAS), OWN_HASH, THIEF, 1, asserted=False)
    code = _THREE_ARGUMENTS + steal + op(Op.DROP) + _RET
    nef = b"NEF3" + b"by hand".ljust(64, b"\0") + b"\0\0\0\0\0" + var_bytes(code)
    nef += hashlib.sha256(hashlib.sha256(nef).digest()).digest()[:4]
    parameters = [{"name": name, "type": kind} for name, kind in (("a", "Hash160"), ("b", "Integer"), ("c", "Any"))]
    method = {"name": "onNEP17Payment", "offset": 0, "parameters": parameters, "returntype": "Void", "safe": False}
    manifest = {
        "name": "trap", "groups": [], "features": {}, "supportedstandards": [], "trusts": [], "extra": None,
        "abi": {"methods": [method], "events": []}, "permissions": [{"contract": "*", "methods": "*"}],
    }  # fmt: skip
    script = call(_MANAGEMENT, "deploy", nef, json.dumps(manifest).encode())
    height = await rpc.call("getblockcount")
    unsigned = Transaction(1, 20 * 10**8, 10**8, height + 20, (Signer(OWN_HASH),), script=script)
    magic = (await rpc.call("getversion"))["protocol"]["network"]
    digest = hashlib.sha256(sign_data(magic, unsigned)).digest()
    signature = private_half(Curve.SECP256R1, SECRET).sign(digest).raw
    signed = unsigned.signed(Witness(invocation(signature), single(PublicKey.from_bytes(PUBLIC_KEY))))
    await rpc.call("sendrawtransaction", b64encode(signed.to_bytes()).decode())
    async with asyncio.timeout(20):
        while True:
            with suppress(NotReady):
                (execution,) = (await rpc.call("getapplicationlog", signed.hash))["executions"]
                assert execution["vmstate"] == "HALT", execution
                (event,) = [each for each in execution["notifications"] if each["eventname"] == "Deploy"]
                return ScriptHash(b64decode(event["state"]["value"][0]["value"]))
            await asyncio.sleep(0.05)


def _signer(signer: Signer) -> dict[str, Any]:
    contracts = [str(each) for each in signer.contracts]
    return {"account": str(signer.account), "scopes": _scopes(signer.scopes), "allowedcontracts": contracts}


def _scopes(scope: Scope) -> str:
    names = {Scope.CALLED_BY_ENTRY: "CalledByEntry", Scope.CUSTOM_CONTRACTS: "CustomContracts", Scope.GLOBAL: "Global"}
    return ",".join(name for each, name in names.items() if scope & each) or "None"
