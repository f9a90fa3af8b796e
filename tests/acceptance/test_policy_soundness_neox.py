"""What a policy allows on Neo X, executed: no balance and no allowance changes beyond what it counted.

The judge is the node's own difference of the whole state before and after. The token is a real contract with every
method that the enclave reads as a move or an approval; slots of it that nobody knows must not change.
"""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_utils import keccak

from nsl.cli.up.faucet import Rpc
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import SignEvmTransaction
from nsl_protocol.evm.transaction import parse_unsigned
from nsl_protocol.policy.reading import own_account
from tests.acceptance.soundness import NATIVE, Counted, allowed
from tests.protocol.policy.generated import EVM_CONTRACTS, EVM_OTHERS, NETWORKS, evm_transaction
from tests.support.drivers import neox_node
from tests.support.evm_assembler import assemble
from tests.support.long import examples

PUBLIC_KEY = PrivateKey((7).to_bytes(32)).public_key.format()
OWN = own_account(Curve.SECP256K1, PUBLIC_KEY)
RICH = 10**30
_TRUE = "0x01 PUSH0 MSTORE 0x20 PUSH0 RETURN"
_ALLOWANCE = "CALLER PUSH0 MSTORE 0x04 CALLDATALOAD 0x20 MSTORE 0x40 PUSH0 SHA3"
#: a balance lies at the slot that is its owner, an allowance at keccak(owner, spender), an operator at keccak(both, 1)
TOKEN = assemble(f"""
PUSH0 CALLDATALOAD 0xe0 SHR
DUP1 0xa9059cbb EQ @transfer JUMPI
DUP1 0x23b872dd EQ @from JUMPI
DUP1 0x095ea7b3 EQ @approve JUMPI
DUP1 0x39509351 EQ @increase JUMPI
DUP1 0xa22cb465 EQ @operator JUMPI
DUP1 0xac9650d8 EQ @multicall JUMPI
:fail PUSH0 PUSH0 REVERT
:transfer CALLER 0x04 CALLDATALOAD 0x24 CALLDATALOAD @move JUMP
:from 0x04 CALLDATALOAD 0x24 CALLDATALOAD 0x44 CALLDATALOAD DUP3 CALLER EQ @move JUMPI @fail JUMP
:move DUP3 SLOAD DUP2 DUP2 LT @fail JUMPI DUP2 SWAP1 SUB DUP4 SSTORE DUP2 SLOAD ADD SWAP1 SSTORE {_TRUE}
:approve 0x24 CALLDATALOAD {_ALLOWANCE} SSTORE {_TRUE}
:increase {_ALLOWANCE} SLOAD 0x24 CALLDATALOAD ADD {_ALLOWANCE} SSTORE {_TRUE}
:operator 0x24 CALLDATALOAD
CALLER PUSH0 MSTORE 0x04 CALLDATALOAD 0x20 MSTORE 0x01 0x40 MSTORE 0x60 PUSH0 SHA3 SSTORE STOP
:multicall 0x04 CALLDATALOAD 0x04 ADD PUSH0
:loop DUP2 CALLDATALOAD DUP2 LT ISZERO @done JUMPI
DUP1 0x05 SHL DUP3 ADD 0x20 ADD CALLDATALOAD DUP3 ADD 0x20 ADD DUP1 CALLDATALOAD
DUP1 DUP3 0x20 ADD PUSH0 CALLDATACOPY
PUSH0 PUSH0 DUP3 PUSH0 ADDRESS GAS DELEGATECALL ISZERO @fail JUMPI
POP POP 0x01 ADD @loop JUMP
:done STOP
""")


def slot(*words: int) -> int:
    return int.from_bytes(keccak(b"".join(each.to_bytes(32) for each in words)))


def known(accounts: list[str]) -> dict[int, tuple[str, str]]:
    """What lies in which slot of the token: a balance, an allowance or an operator of ours; and of whom."""
    own = int(OWN, 16)
    found = {int(each, 16): ("balance", each) for each in accounts}
    for each in accounts:
        found[slot(own, int(each, 16))] = ("allowance", each)
        found[slot(own, int(each, 16), 1)] = ("operator", each)
    return found


class Judge:
    """Reads a difference of states. Raises AssertionError: more has changed than was counted."""

    def __init__(self) -> None:
        self._known = known([OWN, *map(str.lower, EVM_OTHERS)])
        self.seen: Counter[str] = Counter()

    def __call__(self, difference: dict[str, Any], counted: Counted) -> None:
        for account in {*difference["pre"], *difference["post"]}:
            before, after = (difference[each].get(account, {}) for each in ("pre", "post"))
            if "balance" in after:
                self._native(account, int(after["balance"], 16) - int(before.get("balance", "0x0"), 16), counted)
            for place in {*before.get("storage", {}), *after.get("storage", {})}:
                was, is_ = (int(each.get("storage", {}).get(place, "0x0"), 16) for each in (before, after))
                if is_ != was and account not in counted.called:
                    self._token(account, int(place, 16), was, is_, counted)

    def _native(self, account: str, gained: int, counted: Counted) -> None:
        if account == OWN:
            assert -gained <= counted.out(NATIVE)
        else:
            made_here = counted.moves[NATIVE, ""] if account not in map(str.lower, EVM_OTHERS) else 0
            assert gained <= counted.moves[NATIVE, account] + made_here, account
        self.seen["native"] += gained > 0

    def _token(self, contract: str, place: int, was: int, is_: int, counted: Counted) -> None:
        assert place in self._known, "a slot that belongs to nobody of ours"
        what, whose = self._known[place]
        self.seen[what] += 1
        if what == "balance":
            most = counted.moves[contract, whose]
            assert (was - is_ <= counted.out(contract)) if whose == OWN else (is_ - was <= most), (contract, whose)
        elif (contract, whose) not in counted.approvals:
            assert is_ <= was, (what, contract, whose)
        else:
            most_allowed = counted.approvals[contract, whose]
            assert most_allowed is None or (what == "allowance" and is_ - was <= most_allowed), (what, contract, whose)


def made(random: Random) -> SignEvmTransaction:
    network = random.choice(NETWORKS["neo-x"])
    return SignEvmTransaction(network, evm_transaction(random, network, OWN))


async def test_what_is_allowed_does_on_neo_x_what_was_counted(tmp_path: Path) -> None:
    judge, outcomes = Judge(), Counter[str]()
    many = examples(10_000, 500)
    async with neox_node(tmp_path) as node, Rpc(node.node_url) as rpc:
        await rpc.call("anvil_setBalance", OWN, hex(RICH))
        for contract in EVM_CONTRACTS:
            await rpc.call("anvil_setCode", contract, "0x" + TOKEN.hex())
            place = "0x" + int(OWN, 16).to_bytes(32).hex()
            await rpc.call("anvil_setStorageAt", contract, place, "0x" + RICH.to_bytes(32).hex())
        for what, counted in allowed(20261127, many, made, Curve.SECP256K1, PUBLIC_KEY):
            assert isinstance(what, SignEvmTransaction)
            transaction = parse_unsigned(what.unsigned)
            call = {"from": OWN, "value": hex(transaction.value), "data": "0x" + transaction.data.hex()}
            call |= {"gas": hex(1_000_000)} | ({} if transaction.to is None else {"to": str(transaction.to)})
            tracer = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
            difference = await rpc.call("debug_traceCall", call, "latest", tracer)
            judge(difference, counted)
            if any(counted.moves.values()) and len(difference["post"]) > 1:
                with pytest.raises(AssertionError):
                    judge(difference, Counted())
            outcomes["changed something" if len(difference["post"]) > 1 else "did nothing"] += 1
    assert outcomes["changed something"] > many // 4, outcomes
    assert all(judge.seen[each] > 1 for each in ("native", "balance", "allowance", "operator")), judge.seen
