"""The ready policies: each allows what it is for, and refuses what would hurt."""

import json
from typing import Any

import pytest
from coincurve import PrivateKey
from typer.testing import CliRunner

from nsl.cli.app import app
from nsl.cli.policy_cases import run_cases
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.policy.document import read_policy

NETWORK = 47763
KEY = PrivateKey(b"k" * 32).public_key.format(compressed=True).hex()
FRIEND, STRANGER, BRIDGE = (EvmAddress(bytes([each]) * 20) for each in (7, 8, 9))
MINT, UPGRADE = "0x40c10f19", "0x3659cfe6"
APPROVER = "ann=" + "ab" * 32
GAS = 10**18


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["policy", "ready", *arguments])


def made(name: str, *more: str) -> dict[str, Any]:
    found = run(name, "--chain", "neo-x", "--network", str(NETWORK), "--day", "100", "--approver", APPROVER, *more)
    assert found.exit_code == 0, found.output
    document: dict[str, Any] = json.loads(found.stdout)
    return document


def outcome(policy: dict[str, Any], to: EvmAddress, amount: float, data: str = "", **more: Any) -> str:
    """``allow``, or the codes of the refusal."""
    value = int(amount * GAS)
    transaction = FeeMarketTransaction(
        more.pop("network", NETWORK), 1, 60_000, to, value, bytes.fromhex(data.removeprefix("0x")), 10**9, 40 * 10**9
    )
    case = {
        "name": "case", "kind": "evm-transaction", "payload": transaction.unsigned_bytes().hex(),
        "network": transaction.chain_id, "public_key": KEY, "at": "2100-01-01T00:00:00Z", "expect": "allow", **more,
    }  # fmt: skip
    (found,) = run_cases(read_policy(json.dumps(policy).encode()), json.dumps([case]).encode())
    return found.got


def test_treasury() -> None:
    policy = made("treasury", "--to", str(FRIEND))
    assert outcome(policy, FRIEND, 50) == "allow"
    assert outcome(policy, FRIEND, 51) == "AMOUNT_TOO_HIGH"
    assert outcome(policy, FRIEND, 50, spent={"named/GAS/86400": "60"}) == "WINDOW_EXCEEDED"
    assert outcome(policy, STRANGER, 1) == "NOT_ALLOWED_BY_ANY_RULE"
    assert outcome(policy, FRIEND, 1, network=1) == "NETWORK_NOT_ALLOWED"
    assert policy["change"] == {"threshold": 1, "time_lock_seconds": 172_800}


def test_hot_wallet() -> None:
    policy = made("hot-wallet")
    assert outcome(policy, STRANGER, 1) == "allow"
    assert outcome(policy, STRANGER, 1.01) == "AMOUNT_TOO_HIGH"
    assert outcome(policy, STRANGER, 1, spent={"small/GAS/3600": "9.5"}) == "WINDOW_EXCEEDED"
    assert outcome(policy, STRANGER, 1, spent={"rate/60": "60"}) == "WINDOW_EXCEEDED"
    assert outcome(policy, BRIDGE, 0, MINT + "00" * 64) == "NOT_ALLOWED_BY_ANY_RULE"


def test_payout() -> None:
    policy = made("payout", "--to", str(FRIEND))
    assert outcome(policy, FRIEND, 5) == "allow"
    assert outcome(policy, STRANGER, 5) == "NOT_ALLOWED_BY_ANY_RULE"
    entered = next(iter(policy["books"]["customers"]["entries"].values()))
    assert outcome(policy, FRIEND, 5, at=entered) == "NOT_ALLOWED_BY_ANY_RULE", "he counts a day later"


@pytest.mark.parametrize("name", ["bridge-relayer", "token-issuer"])
def test_those_that_call(name: str) -> None:
    policy = made(name, "--contract", str(BRIDGE), "--method", MINT)
    assert outcome(policy, BRIDGE, 0, MINT + "00" * 64) == "allow"
    assert outcome(policy, BRIDGE, 0, UPGRADE + "00" * 32) == "NOT_ALLOWED_BY_ANY_RULE"
    assert outcome(policy, STRANGER, 0, MINT + "00" * 64) == "NOT_ALLOWED_BY_ANY_RULE"
    assert outcome(policy, STRANGER, 1) == "NOT_ALLOWED_BY_ANY_RULE"


@pytest.mark.parametrize("name", ["treasury", "hot-wallet", "payout", "bridge-relayer", "token-issuer"])
def test_each_is_a_policy_on_neo_n3_too(name: str) -> None:
    more = ("--to", "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK", "--contract", "0x" + "12" * 20, "--method", "mint")
    found = run(name, "--chain", "neo-n3", "--network", "860833102", "--day", "1", *more)
    assert found.exit_code == 0, found.output
    assert read_policy(found.stdout.encode()).change is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("treasury",), "--to ADDRESS"),
        (("token-issuer",), "--contract"),
        (("hot-wallet", "--day", "much"), "no amount of GAS"),
        (("hot-wallet", "--approver", "ann"), "NAME=PUBLIC_KEY"),
        (("hot-wallet", "--approver", APPROVER, "--threshold", "2"), "can never sign"),
    ],
)
def test_what_is_missing_is_said(arguments: tuple[str, ...], says: str) -> None:
    found = run(*arguments, "--chain", "neo-x", "--network", "1")
    assert found.exit_code == 1
    assert says in found.stderr


@pytest.mark.parametrize(("score", "got"), [(None, "RISK_SCORE_NEEDED"), (30, "allow"), (31, "RISK_TOO_HIGH")])
def test_a_case_has_the_score_that_was_given(score: int | None, got: str) -> None:
    scorer = {"algorithm": "ed25519", "public_key": "00" * 32}
    policy = json.dumps({"risk": {"score_max": 30, "scorers": {"model": scorer}}}).encode()
    case = {"name": "c", "kind": "message", "payload": "pay", "public_key": "00" * 32, "at": "2026-03-04T12:00:00Z"}
    cases = json.dumps([case | {"expect": got, "score": score}]).encode()
    (found,) = run_cases(read_policy(policy), cases)
    assert (found.got, found.as_expected) == (got, True)
