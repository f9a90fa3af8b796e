"""Permits that a policy allows, signed and brought to a real token: no allowance grows by more than was counted.

The token is OpenZeppelin's, compiled here. Documents differ from a permit in every part; where a policy allows one all
the same, the token must give no more for it than the policy has counted.
"""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_abi import encode
from eth_utils import keccak

from nsl.cli.up.faucet import Rpc
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import SignTypedData
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.abi import selector
from nsl_protocol.evm.typed_data import parse_typed_data
from nsl_protocol.policy.decision import decide
from nsl_protocol.policy.document import read_policy
from nsl_protocol.policy.reading import meaning_of, own_account
from tests.acceptance.soundness import Counted
from tests.protocol.policy.generated import EVM_OTHERS, NOW
from tests.support.drivers import neox_node
from tests.support.long import examples
from tests.support.solidity import compiled

KEY = PrivateKey((7).to_bytes(32))
PUBLIC_KEY = KEY.public_key.format()
OWN = own_account(Curve.SECP256K1, PUBLIC_KEY)
PERMIT = selector("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)")
FIELDS = {"owner": "address", "spender": "address", "value": "uint256", "nonce": "uint256", "deadline": "uint256"}
DOMAIN = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
#: of ERC20 and Nonces, in the order in which OpenZeppelin's contracts declare their state
ALLOWANCES, NONCES = 1, 7
DEADLINE = 2**40


def policy(random: Random, chain_id: int, token: str) -> bytes:
    rule: dict[str, Any] = {"allow": "approve", "name": "r", "assets": ["COIN"]}
    rule["spenders"] = random.choice(["any", random.sample(EVM_OTHERS, 2)])
    rule |= random.choice([{"unlimited": True}, {"amount_max": "1000"}, {"amount_max": "0"}])
    asset = {"chain": "neo-x", "contract": token, "decimals": 0, "network": chain_id}
    return json.dumps({"assets": {"COIN": asset}, "rules": [rule]}).encode()


def document(random: Random, chain_id: int, token: str) -> dict[str, Any]:
    """A permit, or what is nearly one."""
    fields = list(FIELDS.items())
    domain: dict[str, Any] = {"name": "Coin", "version": "1", "chainId": chain_id, "verifyingContract": token}
    amount = random.choice([0, 1, 1000, 1001, 2**255, 2**256 - 1])
    message: dict[str, Any] = {"owner": OWN, "spender": random.choice(EVM_OTHERS), "value": str(amount)}
    message |= {"nonce": 0, "deadline": DEADLINE}
    name = "Permit"
    match random.randrange(14):
        case 0:
            domain |= random.choice([{"name": "Other"}, {"chainId": 1}, {"verifyingContract": EVM_OTHERS[0]}])
        case 1:
            domain.pop(random.choice(list(domain)))
        case 2:
            message |= random.choice([{"owner": EVM_OTHERS[1]}, {"nonce": 1}, {"deadline": 1}])
        case 3:
            random.shuffle(fields)
        case 4:
            name = random.choice(["PermitOther", "permit"])
        case 5:
            fields.append(("note", "string"))
            message["note"] = "x"
        case 6:
            fields[2] = ("value", random.choice(["uint8", "string", "int256"]))
    types = {name: fields, "EIP712Domain": [(each, DOMAIN[each]) for each in domain]}
    spelled = {each: [{"name": field, "type": kind} for field, kind in of] for each, of in types.items()}
    return {"types": spelled, "primaryType": name, "domain": domain, "message": message}


def slot(key: int | str, mapping: int) -> int:
    return int.from_bytes(keccak(int(str(key), 0).to_bytes(32) + mapping.to_bytes(32)))


async def deployed(rpc: Rpc) -> str:
    """The token's address."""
    await rpc.call("anvil_setBalance", OWN, hex(10**20))
    await rpc.call("anvil_impersonateAccount", OWN)
    code = compiled(Path(__file__).with_name("permit_token.sol"), "Coin")
    sent = await rpc.call("eth_sendTransaction", {"from": OWN, "data": "0x" + code.hex(), "gas": hex(5_000_000)})
    await rpc.call("evm_mine")
    return str((await rpc.call("eth_getTransactionReceipt", sent))["contractAddress"])


def judged(difference: dict[str, Any], token: str, counted: Counted, spender: str) -> int:
    """By how much the allowance has grown. Raises AssertionError: by more than was counted, or more has changed."""
    assert {each for each, after in difference["post"].items() if after.get("storage")} <= {token}
    before, after = (difference[each].get(token, {}).get("storage", {}) for each in ("pre", "post"))
    changed = {int(place, 16): int(value, 16) - int(before.get(place, "0x0"), 16) for place, value in after.items()}
    changed.pop(slot(OWN, NONCES), None)
    grown = changed.pop(slot(spender, slot(OWN, ALLOWANCES)), 0)
    assert not changed, "a slot that is nothing of a permit's"
    most = counted.approvals.get((token, spender.lower()), 0)
    assert most is None or grown <= most, (grown, most)
    return grown


async def test_an_allowed_permit_gives_what_was_counted_and_no_more(tmp_path: Path) -> None:
    random, outcomes = Random(20261127), Counter[str]()
    many = examples(5_000, 400)
    async with neox_node(tmp_path) as node, Rpc(node.node_url) as rpc:
        chain_id, token = int(await rpc.call("eth_chainId"), 16), await deployed(rpc)
        while outcomes.total() < many:
            read = read_policy(policy(random, chain_id, token))
            made = document(random, chain_id, token)
            what = SignTypedData(json.dumps(made).encode())
            try:
                meaning = meaning_of(what, Curve.SECP256K1, PUBLIC_KEY)
                data = parse_typed_data(what.document)
            except CodecError:
                continue
            if decide(read, meaning, NOW).objections:
                continue
            signature = KEY.sign_recoverable(data.signing_hash(), hasher=None)
            message = made["message"]
            arguments = [message["owner"], message["spender"], int(message["value"]), message["deadline"]]
            arguments += [27 + signature[64], signature[:32], signature[32:64]]
            types = ["address", "address", "uint256", "uint256", "uint8", "bytes32", "bytes32"]
            call = {"from": EVM_OTHERS[1], "to": token, "data": "0x" + (PERMIT + encode(types, arguments)).hex()}
            tracer = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
            difference = await rpc.call("debug_traceCall", call, "latest", tracer)
            grown = judged(difference, token, Counted.of(meaning), message["spender"])
            if grown:
                with pytest.raises(AssertionError):
                    judged(difference, token, Counted(), message["spender"])
            outcomes["gave" if grown else "gave nothing"] += 1
    assert outcomes["gave"] > many // 4, outcomes
    assert outcomes["gave nothing"] > many // 40, outcomes
