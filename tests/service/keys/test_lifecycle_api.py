"""The life of a key over HTTP: who may, what is answered, and what no longer goes with a key that is not active."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from nsl.identity.model import ROLE_SCOPES, Role, Scope
from nsl.kit.clock import now
from tests.service.keys.answers import done
from tests.support.service import Tenant

ADDRESS = "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"
MESSAGE = {"kind": "message", "payload": {"text": "a"}}


@pytest.fixture
def key(api: httpx.Client) -> dict[str, Any]:
    return done(api.post("/v1/keys", json={"name": "a", "curve": "secp256r1"}))


def _change(api: httpx.Client, key: dict[str, Any], change: str, **more: Any) -> httpx.Response:
    body = {"wait_days": 7, "accept_balances": True} if change == "destroy" else None
    return api.post(f"/v1/keys/{key['id']}/{change}", json=more.pop("json", body), **more)


def _sign(api: httpx.Client, key: dict[str, Any]) -> httpx.Response:
    return api.post(f"/v1/keys/{key['id']}/sign", json=MESSAGE)


def test_a_disabled_key_signs_nothing_until_it_is_enabled(api: httpx.Client, key: dict[str, Any]) -> None:
    assert _sign(api, key).status_code == 200
    disabled = done(_change(api, key, "disable"))
    assert disabled == key | {"state": "disabled", "last_used_at": disabled["last_used_at"]}
    assert done(api.get(f"/v1/keys/{key['id']}")) == disabled
    refused = _sign(api, key)
    assert (refused.status_code, refused.json()["code"]) == (409, "KEY_NOT_ACTIVE")
    assert "disabled" in refused.json()["detail"]
    batch = api.post(f"/v1/keys/{key['id']}/sign-batch", json={"items": [MESSAGE]})
    assert (batch.status_code, batch.json()["code"]) == (409, "KEY_NOT_ACTIVE")
    assert done(_change(api, key, "enable")) == disabled | {"state": "active"}
    assert _sign(api, key).status_code == 200


def test_a_destruction_waits_and_is_undone(api: httpx.Client, key: dict[str, Any]) -> None:
    for wait, days in (({}, 30), ({"wait_days": 365}, 365), ({"wait_days": 7}, 7)):
        waiting = done(_change(api, key, "destroy", json=wait | {"accept_balances": True}))
        assert waiting["state"] == "destroying"
        left = datetime.fromisoformat(waiting["destroys_at"]) - now()
        assert round(left.total_seconds() / 86_400) == days
        assert _sign(api, key).json()["code"] == "KEY_NOT_ACTIVE"
        assert done(_change(api, key, "destroy", json={"wait_days": 100})) == waiting, "done already"
        assert done(_change(api, key, "enable")) == key
    assert done(_change(api, key, "destroy"))["state"] == "destroying"
    assert done(_change(api, key, "disable")) == key | {"state": "disabled"}


@pytest.mark.parametrize("body", [{"wait_days": 6}, {"wait_days": 366}, {"wait_days": "a"}, {"days": 7}, [], None])
def test_a_wait_is_7_to_365_days(api: httpx.Client, key: dict[str, Any], body: Any) -> None:
    assert api.post(f"/v1/keys/{key['id']}/destroy", json=body).status_code == 400
    assert done(api.get(f"/v1/keys/{key['id']}"))["state"] == "active"


def test_no_transaction_is_taken_from_a_key_that_is_not_active(api: httpx.Client, key: dict[str, Any]) -> None:
    done(_change(api, key, "destroy"))
    body = {"kind": "transfer", "chain": "neo-n3", "from_key": key["id"], "asset": "GAS", "to": ADDRESS, "amount": "1"}
    refused = api.post("/v1/transactions", json=body, headers={"idempotency-key": uuid4().hex})
    assert (refused.status_code, refused.json()["code"]) == (422, "KEY_NOT_USABLE")
    assert "destroying" in refused.json()["detail"]


def test_a_repeated_request_is_answered_as_the_first_was(api: httpx.Client, key: dict[str, Any]) -> None:
    headers = {"idempotency-key": uuid4().hex}
    first = done(_change(api, key, "disable", headers=headers))
    assert done(_change(api, key, "enable")) == key
    assert done(_change(api, key, "disable", headers=headers)) == first
    assert done(api.get(f"/v1/keys/{key['id']}"))["state"] == "active"
    other = _change(api, key, "enable", headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_it_takes_a_scope_of_its_own(tenant: Tenant, key: dict[str, Any]) -> None:
    with tenant.client(["keys:read", "keys:sign", "keys:create"]) as other:
        for change in ("disable", "enable", "destroy"):
            refused = _change(other, key, change)
            assert (refused.status_code, refused.json()["code"]) == (403, "SCOPE_MISSING")
    with tenant.client(["keys:manage"]) as manager:
        assert done(_change(manager, key, "disable"))["state"] == "disabled"
    holding = {role for role, scopes in ROLE_SCOPES.items() if Scope.KEYS_MANAGE in scopes}
    assert holding == {Role.PLATFORM_ADMIN, Role.TENANT_ADMIN, Role.KEY_MANAGER}


def test_every_change_is_on_record_once(tenant: Tenant, api: httpx.Client, key: dict[str, Any]) -> None:
    for change in ("disable", "disable", "enable", "destroy"):
        done(_change(api, key, change))
    records = [each for each in done(api.get("/v1/audit/records"))["items"] if each["target"] == key["id"]]
    assert [each["action"] for each in records] == ["key.destruction_scheduled", "key.enabled", "key.disabled"]
    assert {each["actor"] for each in records} == {tenant.credentials["client_id"]}
    assert datetime.fromisoformat(records[0]["detail"]["destroys_at"]) > now()
