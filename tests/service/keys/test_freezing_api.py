"""The emergency stop over HTTP: few rights to freeze, more to lift it, and every refusal says who can and how."""

from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl.identity.model import ROLE_SCOPES, Role, Scope
from nsl.kit.clock import unix_seconds
from nsl_client.governance import approve, unfreezing
from nsl_client.model import Key
from nsl_client.policies import KeyPolicy
from tests.service.keys.answers import done, refused
from tests.support.service import Service, Tenant

ADDRESS = "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"
MESSAGE = {"kind": "message", "payload": {"text": "a"}}
ANN, BOB = b"a" * 32, b"b" * 32
APPROVERS = {
    name: {
        "algorithm": "ed25519",
        "public_key": Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw().hex(),
    }
    for name, key in (("ann", ANN), ("bob", BOB))
}


def _made(api: httpx.Client, **more: Any) -> dict[str, Any]:
    return done(api.post("/v1/keys", json={"name": "a", "curve": "secp256r1"} | more))


def test_a_frozen_key_does_nothing_and_says_who_lifts_that(api: httpx.Client) -> None:
    key = _made(api)
    place = f"/v1/keys/{key['id']}"
    frozen = done(api.post(f"{place}/freeze"))
    assert frozen == key | {"state": "frozen", "frozen_at": frozen["frozen_at"]}
    assert done(api.post(f"{place}/freeze")) == frozen, "done already"
    for path, body in (("sign", MESSAGE), ("sign-batch", {"items": [MESSAGE]})):
        answer = api.post(f"{place}/{path}", json=body)
        assert refused(answer) == (409, "KEY_FROZEN")
        assert "keys:unfreeze" in answer.json()["detail"]
        assert f"{place}/unfreeze" in answer.json()["detail"]
    assert refused(api.post(f"{place}/policy/evaluate", json=MESSAGE)) == (409, "KEY_FROZEN")
    for change in ("enable", "disable"):
        assert refused(api.post(f"{place}/{change}")) == (409, "KEY_STATE_CONFLICT")
    body = {"kind": "transfer", "chain": "neo-n3", "from_key": key["id"], "asset": "GAS", "to": ADDRESS, "amount": "1"}
    paid = api.post("/v1/transactions", json=body, headers={"idempotency-key": uuid4().hex})
    assert refused(paid) == (422, "KEY_NOT_USABLE")
    assert done(api.get("/v1/keys?state=frozen"))["items"] == [frozen]
    assert done(api.post(f"{place}/unfreeze", json={})) == key
    done(api.post(f"{place}/sign", json=MESSAGE))
    records = [each for each in done(api.get("/v1/audit/records"))["items"] if each["target"] == key["id"]]
    assert [each["action"] for each in records] == ["key.unfrozen", "key.frozen"]


def test_it_takes_few_rights_to_freeze_and_more_to_lift(tenant: Tenant, api: httpx.Client) -> None:
    place = f"/v1/keys/{_made(api)['id']}"
    with tenant.client(["keys:read", "keys:sign", "keys:manage", "keys:create", "keys:unfreeze"]) as other:
        assert refused(other.post(f"{place}/freeze")) == (403, "SCOPE_MISSING")
    with tenant.client(["keys:freeze", "keys:manage"]) as other:
        assert done(other.post(f"{place}/freeze"))["state"] == "frozen"
        assert refused(other.post(f"{place}/unfreeze", json={})) == (403, "SCOPE_MISSING")
    with tenant.client(["keys:unfreeze"]) as administrator:
        assert done(administrator.post(f"{place}/unfreeze", json={}))["state"] == "active"
    holding = {role for role, scopes in ROLE_SCOPES.items() if Scope.KEYS_UNFREEZE in scopes}
    assert holding == {Role.PLATFORM_ADMIN, Role.TENANT_ADMIN}
    freezing = {role for role, scopes in ROLE_SCOPES.items() if Scope.KEYS_FREEZE in scopes}
    assert freezing == holding | {Role.KEY_MANAGER, Role.KEY_USER, Role.TRADER, Role.OPERATOR}


def test_approvers_lift_it_where_the_policy_names_some(tenant: Tenant, api: httpx.Client) -> None:
    key = _made(api, policy={"approvers": APPROVERS, "change": {"threshold": 2}})
    place = f"/v1/keys/{key['id']}"
    frozen = msgspec.json.decode(api.post(f"{place}/freeze").content, type=Key)
    assert "with the signatures of 2 of its approvers" in api.post(f"{place}/sign", json=MESSAGE).json()["detail"]
    answer = api.post(f"{place}/unfreeze", json={})
    assert refused(answer) == (403, "TOO_FEW_APPROVALS")
    assert "nsl keys approve-unfreeze" in answer.json()["detail"]
    policy = msgspec.json.decode(api.get(f"{place}/policy").content, type=KeyPolicy)
    until = unix_seconds() + 3600
    statement = unfreezing(frozen, tenant.credentials["tenant_id"], policy, expires_at=until)
    approvals = {name: approve(statement, key) for name, key in (("ann", ANN), ("bob", BOB))}
    one = {"expires_at": until, "approvals": {"ann": approvals["ann"]}}
    assert refused(api.post(f"{place}/unfreeze", json=one)) == (403, "TOO_FEW_APPROVALS")
    late = {"expires_at": until - 7200, "approvals": approvals}
    assert refused(api.post(f"{place}/unfreeze", json=late)) == (422, "APPROVALS_EXPIRED")
    assert done(api.post(f"{place}/unfreeze", json={"expires_at": until, "approvals": approvals})) == key


@pytest.mark.parametrize("body", [None, [], {"approvals": {"ann": "00"}}, {"expires_at": "1"}, {"a": 1}])
def test_approvals_are_read_at_the_edge(api: httpx.Client, body: Any) -> None:
    place = f"/v1/keys/{_made(api, curve='ed25519')['id']}"
    assert api.post(f"{place}/unfreeze", json=body).status_code == 400


def test_a_whole_tenant_is_stopped_and_no_key_gets_around_it(service: Service) -> None:
    own = service.tenant()
    named = {"tenant_id": own.credentials["tenant_id"]}
    with own.client() as api:
        keys = [_made(api, curve="ed25519") for _ in range(3)]
        done(api.post(f"/v1/keys/{keys[1]['id']}/disable"))
        assert refused(api.post("/v1/freeze", json={"tenant_id": str(uuid4())})) == (422, "TENANT_MISMATCH")
        assert done(api.get("/v1/freeze"))["frozen"] is False
        frozen = done(api.post("/v1/freeze", json=named))
        assert (frozen["frozen"], frozen["keys_left"]) == (True, 0)
        assert done(api.post("/v1/freeze", json=named)) == frozen == done(api.get("/v1/freeze"))
        assert {each["state"] for each in done(api.get("/v1/keys"))["items"]} == {"frozen"}
        made = api.post("/v1/keys", json={"name": "a", "curve": "ed25519"})
        assert refused(made) == (409, "TENANT_FROZEN")
        assert "nsl keys unfreeze-all" in made.json()["detail"]
        places = [f"/v1/keys/{key['id']}" for key in keys]
        assert {refused(api.post(f"{place}/unfreeze", json={})) for place in places} == {(409, "TENANT_FROZEN")}
        with own.client(["keys:freeze", "keys:manage"]) as other:
            assert refused(other.post("/v1/unfreeze", json=named)) == (403, "SCOPE_MISSING")
        assert done(api.post("/v1/unfreeze", json=named))["frozen"] is False
        assert refused(api.post(f"{places[0]}/sign", json=MESSAGE)) == (409, "KEY_FROZEN"), "it unfreezes none"
        assert [done(api.post(f"{place}/unfreeze", json={}))["state"] for place in places] == [
            "active",
            "disabled",
            "active",
        ]
        acts = [each["action"] for each in done(api.get("/v1/audit/records"))["items"] if "tenant.f" in each["action"]]
        assert acts == ["tenant.frozen"]
