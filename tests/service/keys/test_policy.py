"""Policies over HTTP, with a real enclave: it keeps to them, says why, and its leaves say by which rule."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from coincurve import PrivateKey

from nsl_protocol.evm.abi import encode_transfer
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.policy.document import read_policy
from tests.support.service import Service

CHAIN_ID = 12227332
TOKEN = EvmAddress(b"\x07" * 20)
FRIEND = EvmAddress.from_public_key(PrivateKey(b"f" * 32).public_key.format(compressed=False))
STRANGER = EvmAddress(b"\x09" * 20)
POLICY: dict[str, Any] = {
    "kinds": ["evm-transaction", "typed-data"],
    "networks": [{"chain": "neo-x", "number": CHAIN_ID}],
    "assets": {
        "USDC": {"chain": "neo-x", "contract": str(TOKEN).lower(), "decimals": 6},
        "GAS": {"chain": "neo-x", "contract": "native", "decimals": 18},
    },
    "fee_max": {"neo-x": "0.01"},
    "rules": [
        {"allow": "transfer", "name": "payout", "assets": ["USDC", "GAS"], "to": [str(FRIEND)], "amount_max": "5"}
    ],
}


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[httpx.Client]:
    tenant = service.tenant()
    with service.client(service.token(tenant.credentials)) as client:
        yield client


@pytest.fixture(scope="module")
def key(api: httpx.Client) -> dict[str, Any]:
    answer = api.post("/v1/keys", json={"name": "payout", "curve": "secp256k1", "policy": POLICY})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def transaction(to: EvmAddress, amount: int, *, chain_id: int = CHAIN_ID, gas: int = 60_000) -> dict[str, Any]:
    """A token transfer, as a request to sign."""
    data = encode_transfer(to, amount)
    made = FeeMarketTransaction(chain_id, 1, gas, TOKEN, 0, data, 20 * 10**9, 60 * 10**9)
    return {"kind": "evm-transaction", "payload": {"hex": made.unsigned_bytes().hex()}, "network": chain_id}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "another recipient": (
        transaction(STRANGER, 1),
        "NOT_ALLOWED_BY_ANY_RULE",
        "No rule allows to move 0.000001 USDC to",
    ),
    "one unit too many": (transaction(FRIEND, 5_000_001), "AMOUNT_TOO_HIGH", "at most 5 USDC"),
    "another network": (transaction(FRIEND, 1, chain_id=1), "NETWORK_NOT_ALLOWED", "network 1 of neo-x"),
    "dear": (
        transaction(FRIEND, 1, gas=400_000),
        "FEE_TOO_HIGH",
        "up to 0.024 GAS in fees on neo-x, and the policy's fee_max there is 0.01 GAS",
    ),
    "a message": ({"kind": "message", "payload": {"text": "m"}}, "KIND_NOT_ALLOWED", "does not allow message"),
}


def test_what_the_policy_allows_is_signed(api: httpx.Client, key: dict[str, Any]) -> None:
    answer = api.post(f"/v1/keys/{key['id']}/sign", json=transaction(FRIEND, 5_000_000))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("what", REFUSED)
def test_what_it_does_not_is_refused_and_says_why(api: httpx.Client, key: dict[str, Any], what: str) -> None:
    request, code, reason = REFUSED[what]
    answer = api.post(f"/v1/keys/{key['id']}/sign", json=request)
    assert answer.status_code == 403, answer.text
    assert (answer.json()["code"], reason in answer.json()["detail"]) == (code, True), answer.text
    assert "What would change it:" in answer.json()["detail"]
    evaluated = api.post(f"/v1/keys/{key['id']}/policy/evaluate", json=request).json()
    assert not evaluated["allowed"]
    assert code in [each["code"] for each in evaluated["reasons"]]
    assert len(evaluated["would_change"]) == len(evaluated["reasons"])


def test_a_dry_run_says_what_it_would_do(api: httpx.Client, key: dict[str, Any]) -> None:
    evaluated = api.post(f"/v1/keys/{key['id']}/policy/evaluate", json=transaction(FRIEND, 2_500_000)).json()
    assert (evaluated["allowed"], evaluated["rules"]) == (True, ["payout"])
    assert evaluated["decoded"]["summary"] == f"move 2.5 USDC to {str(FRIEND).lower()}"
    assert evaluated["policy_hash"] == read_policy(json.dumps(POLICY).encode()).hash
    junk = {"kind": "evm-transaction", "payload": {"hex": "02"}, "network": CHAIN_ID}
    assert api.post(f"/v1/keys/{key['id']}/policy/evaluate", json=junk).json()["code"] == "PAYLOAD_UNREADABLE"


def test_a_permit_is_an_approval_however_it_is_dressed(api: httpx.Client, key: dict[str, Any]) -> None:
    fields = ["owner", "spender", "value", "nonce", "deadline"]
    permit = {
        "types": {
            "EIP712Domain": [{"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
            "Permit": [{"name": each, "type": "uint256" if each not in fields[:2] else "address"} for each in fields],
        },
        "primaryType": "Permit",
        "domain": {"chainId": CHAIN_ID, "verifyingContract": str(TOKEN)},
        "message": dict(zip(fields, [key["addresses"]["neo-x"], str(FRIEND), str(2**256 - 1), "0", "9"], strict=True)),
    }
    answer = api.post(f"/v1/keys/{key['id']}/sign", json={"kind": "typed-data", "payload": permit})
    assert answer.json()["code"] == "NOT_ALLOWED_BY_ANY_RULE", answer.text
    assert "take any amount" in answer.json()["detail"]


def test_the_policy_is_shown_and_stays(api: httpx.Client, key: dict[str, Any]) -> None:
    shown = api.get(f"/v1/keys/{key['id']}/policy").json()
    assert read_policy(json.dumps(shown["policy"]).encode()) == read_policy(json.dumps(POLICY).encode())
    assert shown["hash"] == read_policy(json.dumps(POLICY).encode()).hash
    assert api.get(f"/v1/keys/{key['id']}").json()["policy"] == shown["policy"]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"rules": [{"allow": "transfer", "name": "x", "assets": ["GAS"], "to": "any"}]}, "GAS is not among"),
        ({"rules": [{"allow": "steal", "name": "x"}]}, "policy.rules[0].allow"),
        ({"rule": []}, "policy"),
        ({"kinds": ["n3-transaction"]}, "cannot sign"),
        ({"books": {"b": {"entries": {"nobody": "2026-01-01T00:00:00Z"}}}}, "no address of Neo N3 or Neo X"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(api: httpx.Client, policy: dict[str, Any], says: str) -> None:
    answer = api.post("/v1/keys", json={"name": "x", "curve": "secp256k1", "policy": policy})
    assert answer.status_code in (400, 422), answer.text
    assert says in answer.text


WINDOWED = POLICY | {
    "kinds": ["evm-transaction", "message"],
    "rules": [
        POLICY["rules"][0] | {"windows": [{"seconds": 3600, "amount_max": "8"}]},  # type: ignore[index, operator]
        {"allow": "message", "name": "words"},
    ],
    "rate": [{"seconds": 60, "count_max": 6}],
}


def test_a_window_is_used_up_and_says_what_is_left(api: httpx.Client) -> None:
    made = api.post("/v1/keys", json={"name": "windowed", "curve": "secp256k1", "policy": WINDOWED}).json()
    path = f"/v1/keys/{made['id']}"
    assert api.post(f"{path}/sign", json=transaction(FRIEND, 5_000_000)).status_code == 200
    evaluated = api.post(f"{path}/policy/evaluate", json=transaction(FRIEND, 5_000_000)).json()
    assert not evaluated["allowed"]
    assert {each["window"]: (each["amount"], each["limit"], each["left"]) for each in evaluated["windows"]} == {
        "rate/60": ("1", "6", "5"),
        "payout/USDC/3600": ("5000000", "8000000", "3000000"),
    }
    refused = api.post(f"{path}/sign", json=transaction(FRIEND, 5_000_000))
    assert (refused.status_code, refused.json()["code"]) == (403, "WINDOW_EXCEEDED")
    assert "Rule payout's window for USDC is used up" in refused.json()["detail"]
    assert "3 USDC is left, and this is 5 USDC" in refused.json()["detail"]
    assert api.post(f"{path}/sign", json=transaction(FRIEND, 3_000_000)).status_code == 200
    items = [{"kind": "message", "payload": {"text": str(number)}} for number in range(6)]
    results = api.post(f"{path}/sign-batch", json={"items": items}).json()["items"]
    assert sum(each["signature"] is not None for each in results) == 4, "six signatures in any minute"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rate": [{"seconds": 59, "count_max": 1}]}, "policy.rate"),
        ({"rate": [{"seconds": 60, "count_max": 1}, {"seconds": 60, "count_max": 2}]}, "stands there twice"),
        ({"rules": [POLICY["rules"][0] | {"windows": [{"seconds": 60, "amount_max": "0.0000001"}]}]}, "6 decimals"),  # type: ignore[index, operator]
    ],
)
def test_windows_that_cannot_be_meant_are_refused(api: httpx.Client, change: dict[str, Any], says: str) -> None:
    answer = api.post("/v1/keys", json={"name": "x", "curve": "secp256k1", "policy": POLICY | change})
    assert answer.status_code in (400, 422)
    assert says in answer.text
