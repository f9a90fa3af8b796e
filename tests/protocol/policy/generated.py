"""Policies and things to sign, generated so that each is often about the other."""

from datetime import UTC, datetime
from random import Random
from typing import Any

from eth_abi import encode

from nsl_protocol.enclave.signable import Signable, SignDigest, SignEvmTransaction, SignMessage, SignN3Transaction
from nsl_protocol.evm.abi import selector
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.script import CallFlags, call, op, push_int, transfer_script
from nsl_protocol.n3.script import Op as OpCode
from nsl_protocol.n3.transaction import Transaction
from nsl_protocol.n3.witness import Scope, Signer

NOW = int(datetime(2026, 3, 4, 12, 30, tzinfo=UTC).timestamp())
NETWORKS = {"neo-n3": (860833102, 894710606), "neo-x": (47763, 12227332)}
N3_OTHERS = [ScriptHash(bytes([each]) * 20) for each in (1, 2, 3)]
EVM_OTHERS = ["0x" + bytes([each]).hex() * 20 for each in (1, 2, 0xAB)]
N3_CONTRACTS = ["0xd2a4cff31913016155e38e474a2c06d08be276cf", "0xef4073a0f2b305a38ec4050e4d3d28bc40ea63f5"]
EVM_CONTRACTS = ["0x" + "c1" * 20, "0x" + "Ab" * 20]
ASSETS = {
    "GAS": {"chain": "neo-n3", "contract": N3_CONTRACTS[0], "decimals": 8},
    "NEO": {"chain": "neo-n3", "contract": N3_CONTRACTS[1], "decimals": 0, "network": NETWORKS["neo-n3"][0]},
    "GASX": {"chain": "neo-x", "contract": "native", "decimals": 18},
    "USDC": {"chain": "neo-x", "contract": EVM_CONTRACTS[0], "decimals": 6},
    "WGAS": {"chain": "neo-x", "contract": EVM_CONTRACTS[1], "decimals": 18, "network": NETWORKS["neo-x"][1]},
}
METHODS = ["vote", "balanceOf", "0x" + selector("deposit()").hex(), "0x" + selector("burn(uint256)").hex()]
AMOUNTS = ["0.000001", "1", "2.5", "1000", "0"]


def some(random: Random, items: list[Any]) -> list[Any]:
    return random.sample(items, random.randint(1, len(items)))


def policy(random: Random) -> dict[str, Any]:
    """As JSON."""
    made: dict[str, Any] = {"assets": ASSETS}
    made["books"] = {
        "friends": {
            "entries": {
                N3_OTHERS[0].address: "2026-03-01T00:00:00Z",
                EVM_OTHERS[0]: "2026-03-04T12:00:00Z",
                EVM_OTHERS[2]: "2026-01-01T00:00:00+00:00",
            },
            "cool_down_seconds": random.choice([0, 1800, 1801, 86400]),
        }
    }
    if random.random() < 0.3:
        made["kinds"] = some(random, ["message", "digest", "n3-transaction", "evm-transaction"])
    if random.random() < 0.3:
        made["blind_signing"] = True
    if random.random() < 0.3:
        made["networks"] = [{"chain": chain, "number": random.choice(NETWORKS[chain])} for chain in NETWORKS]
    if random.random() < 0.3:
        made["fee_max"] = {"neo-n3": random.choice(["0.1", "1"]), "neo-x": random.choice(["0.001", "0.1"])}
    if random.random() < 0.3:
        made["scopes"] = some(random, ["None", "CalledByEntry", "Global", "CustomContracts"])
    if random.random() < 0.2:
        made["hours"] = [
            {"days": some(random, ["mon", "wed", "sun"]), "from": random.choice(["09:00", "12:31"]), "to": "17:00"}
        ]
    if random.random() < 0.85:
        made["rules"] = [_rule(random, number) for number in range(random.randint(0, 6))]
    if random.random() < 0.3:
        made["rate"] = [{"seconds": seconds, "count_max": random.choice([1, 1000])} for seconds in (60, 3600)]
    for rule in [each for each in made.get("rules", []) if "assets" in each and not each.get("unlimited")][:1]:
        seconds = some(random, [3600, 86_400])
        rule["windows"] = [{"seconds": each, "amount_max": random.choice(["0", "7", "1000"])} for each in seconds][
            : 6 // len(rule["assets"])
        ]
    return made


def _rule(random: Random, number: int) -> dict[str, Any]:
    kind = random.choice(["transfer", "transfer", "transfer", "approve", "approve", "call", "deploy", "message"])
    made: dict[str, Any] = {"allow": kind, "name": f"r{number}"}
    everybody = [each.address for each in N3_OTHERS] + EVM_OTHERS
    whom = random.choice(["any", {"book": "friends"}, some(random, everybody)])
    if kind in ("transfer", "approve"):
        made["assets"] = some(random, list(ASSETS))
        made["to" if kind == "transfer" else "spenders"] = whom
        if random.random() < 0.6:
            whole = any(ASSETS[each]["decimals"] == 0 for each in made["assets"])
            made["amount_max"] = random.choice(["1", "1000", "0"] if whole else AMOUNTS)
    if kind == "approve" and random.random() < 0.3:
        made["unlimited"] = True
    if kind == "call":
        made["chain"] = random.choice(["neo-n3", "neo-x"])
        made["contract"] = random.choice(N3_CONTRACTS if made["chain"] == "neo-n3" else EVM_CONTRACTS)
        made["methods"] = random.choice(["any", some(random, METHODS)])
        if made["chain"] == "neo-x" and random.random() < 0.5:
            made["value_max"] = random.choice(AMOUNTS)
    return made


def to_sign(random: Random, n3_own: ScriptHash, evm_own: str) -> tuple[str, bytes, int | None, Signable]:
    """Kind, payload, network, and the same as the enclave is asked it."""
    kind = random.choice(["message", "digest", *["n3-transaction"] * 4, *["evm-transaction"] * 6])
    if kind == "message":
        return kind, b"m", None, SignMessage(b"m")
    if kind == "digest":
        return kind, b"d" * 32, None, SignDigest(b"d" * 32)
    if kind == "n3-transaction":
        network = random.choice(NETWORKS["neo-n3"])
        payload = n3_transaction(random, n3_own)
        return kind, payload, network, SignN3Transaction(network, payload)
    network = random.choice(NETWORKS["neo-x"])
    payload = evm_transaction(random, network, evm_own)
    return kind, payload, network, SignEvmTransaction(network, payload)


def n3_transaction(random: Random, own: ScriptHash) -> bytes:
    script = b""
    for _ in range(random.randint(1, 3)):
        contract = ScriptHash.parse(random.choice([*N3_CONTRACTS, "0x" + "07" * 20]))
        if random.random() < 0.75:
            source = own if random.random() < 0.9 else N3_OTHERS[2]
            data = random.choice([None, None, 7, b"memo", (b"a", 1)])
            amount = random.choice([0, 1, 1000, 10**8, 250_000_001, 10**11])
            script += transfer_script(
                contract, source, random.choice(N3_OTHERS), amount, data, asserted=random.random() < 0.7
            )
        else:
            arguments = random.choice([(), (own,), (own, b"x" * 20, True, None), (own, N3_OTHERS[0], -1, None)])
            method = random.choice(["vote", "balanceOf", "transfer"])
            script += call(contract, method, *arguments, flags=random.choice([CallFlags.ALL, CallFlags.READ_ONLY]))
            script += random.choice([b"", op(OpCode.DROP), op(OpCode.ASSERT)])
    if random.random() < 0.15:
        script += random.choice([op(OpCode.ASSERT), push_int(1), b"\x40", b"\x21"])
    if random.random() < 0.05:
        script = random.choice([b"\x10" + script, script[1:] or b"\x10"])
    scope = random.choice([Scope.CALLED_BY_ENTRY] * 5 + [Scope.GLOBAL, Scope.NONE, Scope.CUSTOM_CONTRACTS])
    contracts = (ScriptHash.parse(N3_CONTRACTS[0]),) if scope is Scope.CUSTOM_CONTRACTS else ()
    signers = [Signer(own, scope, contracts)]
    if random.random() < 0.3:
        signers.append(Signer(N3_OTHERS[2], Scope.CALLED_BY_ENTRY))
    fees = random.choice([(10, 20), (5_000_000, 5_000_001), (10**8, 1)])
    return Transaction(1, *fees, 30, tuple(signers), script=script).unsigned_bytes()


def evm_transaction(random: Random, network: int, own: str) -> bytes:
    to: EvmAddress | None = EvmAddress.parse(random.choice([*EVM_CONTRACTS, *EVM_OTHERS]).lower())
    value = random.choice([0, 0, 0, 1, 10**18])
    data = b""
    if random.random() < 0.06:
        to, data = None, b"\x60\x00"
    elif random.random() < 0.8:
        data = _data(random, own, 3)
        value = value if random.random() < 0.2 else 0
    gas = random.choice([21_000, 200_000])
    price = random.choice([20 * 10**9, 500 * 10**9])
    return FeeMarketTransaction(network, 3, gas, to, value, data, price, price).unsigned_bytes()


def _data(random: Random, own: str, depth: int) -> bytes:
    who = random.choice(EVM_OTHERS)
    amount = random.choice([0, 1, 10**6, 2_500_000, 10**18, 2**255 - 1, 2**255, 2**256 - 1])
    made = random.choice(
        [
            ("transfer(address,uint256)", [who, amount]),
            ("transfer(address,uint256)", [who, amount]),
            ("transferFrom(address,address,uint256)", [random.choice([own, EVM_OTHERS[1]]), who, amount]),
            ("approve(address,uint256)", [who, amount]),
            ("increaseAllowance(address,uint256)", [who, amount]),
            ("setApprovalForAll(address,bool)", [who, random.choice([True, False])]),
            ("deposit()", []),
            ("burn(uint256)", [amount]),
        ]
    )
    name, arguments = made
    kinds = [each for each in name[name.index("(") + 1 : -1].split(",") if each]
    data = selector(name) + encode(kinds, arguments)
    if random.random() < 0.25 and depth:
        parts = [_data(random, own, depth - 1) for _ in range(random.randint(0, 3))]
        data = selector("multicall(bytes[])") + encode(["bytes[]"], [parts])
    if random.random() < 0.08:
        dirty = bytearray(data)
        dirty[random.randrange(len(dirty))] ^= 1 << random.randrange(8)
        data = random.choice([bytes(dirty), data + b"\0", data[:-1], data[:3]])
    return data
