"""Destroying over HTTP: what is held is named first, approvers sign where the policy names some."""

from typing import Any

import httpx
import msgspec
import pytest

from nsl.kit.clock import unix_seconds
from nsl_client import Key, KeyPolicy
from nsl_client.governance import approve, destruction
from tests.service.keys.answers import done, refused
from tests.service.keys.test_freezing_api import ANN, APPROVERS, BOB
from tests.support.service import Tenant


def _made(api: httpx.Client, **more: Any) -> dict[str, Any]:
    return done(api.post("/v1/keys", json={"name": "a", "curve": "ed25519"} | more))


@pytest.mark.parametrize("curve", ["secp256r1", "secp256k1"])
def test_what_nobody_says_is_empty_is_not_destroyed_unasked(api: httpx.Client, curve: str) -> None:
    key = _made(api, curve=curve)
    place = f"/v1/keys/{key['id']}/destroy"
    answer = api.post(place, json={})
    assert refused(answer) == (409, "BALANCES_REMAIN")
    (address,) = key["addresses"].values()
    assert address in answer.json()["detail"]
    assert "--accept-balances" in answer.json()["detail"]
    assert done(api.post(place, json={"accept_balances": True}))["state"] == "destroying"
    assert done(api.post(place, json={}))["state"] == "destroying", "done already"


def test_approvers_destroy_it_where_the_policy_names_some(tenant: Tenant, api: httpx.Client) -> None:
    made = _made(api, policy={"approvers": APPROVERS, "change": {"threshold": 2}})
    place = f"/v1/keys/{made['id']}"
    answer = api.post(f"{place}/destroy", json={"wait_days": 7})
    assert refused(answer) == (403, "TOO_FEW_APPROVALS")
    assert "nsl keys approve-destroy" in answer.json()["detail"]
    key = msgspec.json.decode(api.get(place).content, type=Key)
    policy = msgspec.json.decode(api.get(f"{place}/policy").content, type=KeyPolicy)
    until = unix_seconds() + 3600
    statement = destruction(key, tenant.credentials["tenant_id"], policy, wait_days=7, expires_at=until)
    body = {
        "wait_days": 7,
        "expires_at": until,
        "approvals": {name: approve(statement, each) for name, each in (("ann", ANN), ("bob", BOB))},
    }
    assert refused(api.post(f"{place}/destroy", json=body | {"wait_days": 8})) == (403, "TOO_FEW_APPROVALS")
    late = body | {"expires_at": until - 7200}
    assert refused(api.post(f"{place}/destroy", json=late)) == (422, "APPROVALS_EXPIRED")
    assert done(api.post(f"{place}/destroy", json=body))["state"] == "destroying"
    assert done(api.post(f"{place}/enable"))["state"] == "active"
    assert refused(api.post(f"{place}/destroy", json=body)) == (403, "TOO_FEW_APPROVALS"), "it was undone"


def test_there_is_no_certificate_before(api: httpx.Client) -> None:
    place = f"/v1/keys/{_made(api)['id']}"
    done(api.post(f"{place}/destroy", json={}))
    answer = api.get(f"{place}/destruction-certificate")
    assert refused(answer) == (409, "KEY_STATE_CONFLICT")
    assert "destroying" in answer.json()["detail"]
