"""Policies change over HTTP; receipts of before still verify; a crash between any two steps loses nothing."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_client.governance import approve, policy_change
from nsl_client.policies import KeyPolicy
from tests.support.service import Service

ANN, BOB = b"a" * 32, b"b" * 32


def approver(secret: bytes) -> dict[str, str]:
    public_key = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw().hex()
    return {"algorithm": "ed25519", "public_key": public_key}


POLICY: dict[str, Any] = {
    "kinds": ["message"],
    "approvers": {"ann": approver(ANN), "bob": approver(BOB)},
    "change": {"threshold": 2},
}
WIDER = POLICY | {"kinds": ["message", "digest"], "blind_signing": True}


@pytest.fixture(scope="module")
def tenant(service: Service) -> Any:
    return service.tenant()


@pytest.fixture(scope="module")
def api(service: Service, tenant: Any) -> Iterator[httpx.Client]:
    with service.client(service.token(tenant.credentials)) as client:
        yield client


def made(api: httpx.Client, policy: dict[str, Any]) -> str:
    answer = api.post("/v1/keys", json={"name": "governed", "curve": "secp256k1", "policy": policy})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def request(api: httpx.Client, tenant_id: str, key: str, policy: dict[str, Any], *by: bytes) -> dict[str, Any]:
    shown = api.get(f"/v1/keys/{key}/policy").json()
    present = KeyPolicy(shown["hash"], shown["policy"], shown["number"], shown["cluster"])
    until = int(time.time()) + 3600
    change = policy_change(key, tenant_id, present, policy, expires_at=until)
    names = {ANN: "ann", BOB: "bob"}
    return {"policy": policy, "expires_at": until, "approvals": {names[each]: approve(change, each) for each in by}}


def digest(api: httpx.Client, key: str) -> httpx.Response:
    return api.post(f"/v1/keys/{key}/sign", json={"kind": "digest", "payload": {"hex": "00" * 32}})


def test_two_approvers_change_a_policy_and_one_does_not(api: httpx.Client, tenant: Any) -> None:
    tenant_id = str(tenant.id)
    key = made(api, POLICY)
    message = {"kind": "message", "payload": {"text": "m"}}
    assert api.post(f"/v1/keys/{key}/sign", json=message).status_code == 200
    compared = api.post(f"/v1/keys/{key}/policy/compare", json={"policy": POLICY | {"kinds": ["digest"]}}).json()
    assert compared["examined"] == 1
    assert compared["differences"][0]["after"] == ["KIND_NOT_ALLOWED"]
    one = api.put(f"/v1/keys/{key}/policy", json=request(api, tenant_id, key, WIDER, ANN))
    assert (one.status_code, one.json()["code"]) == (403, "TOO_FEW_APPROVALS")
    assert "bob" in one.json()["detail"]
    both = request(api, tenant_id, key, WIDER, ANN, BOB)
    answer = api.put(f"/v1/keys/{key}/policy", json=both)
    assert answer.status_code == 200, answer.text
    assert answer.json()["policy"]["blind_signing"] is True
    assert digest(api, key).status_code == 200
    again = api.put(f"/v1/keys/{key}/policy", json=both)
    assert (again.status_code, again.json()["code"]) == (403, "TOO_FEW_APPROVALS"), "used"
    shown = api.get(f"/v1/keys/{key}/policy").json()
    assert [each["number"] for each in shown["history"]] == [2, 1]
    assert shown["number"] == 2
    disabled = api.post(f"/v1/keys/{key}/disable").json()
    assert disabled["policy"]["blind_signing"] is True, "another change keeps it"


def test_what_waits_is_shown_and_withdrawn(api: httpx.Client, tenant: Any) -> None:
    key = made(api, POLICY | {"change": {"threshold": 1, "time_lock_seconds": 3600}})
    order = request(api, str(tenant.id), key, WIDER, BOB)
    assert api.put(f"/v1/keys/{key}/policy", json=order).json()["policy"]["kinds"] == ["message"]
    shown = api.get(f"/v1/keys/{key}/policy").json()
    assert shown["following"]["blind_signing"] is True
    assert shown["following_at"] is not None
    assert digest(api, key).status_code == 403
    assert api.post(f"/v1/keys/{key}/policy/withdraw").status_code == 200
    assert api.get(f"/v1/keys/{key}/policy").json()["following"] is None
    nothing = api.post(f"/v1/keys/{key}/policy/withdraw")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "NO_POLICY_WAITS")


def test_a_fixed_policy_says_so(api: httpx.Client, tenant: Any) -> None:
    key = made(api, {"kinds": ["message"]})
    answer = api.put(
        f"/v1/keys/{key}/policy", json={"policy": WIDER, "expires_at": int(time.time()) + 60, "approvals": {}}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "POLICY_FIXED")
    assert "make another key" in json.loads(answer.text)["detail"]
