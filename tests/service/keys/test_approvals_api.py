"""Approvals over HTTP, with a real enclave: asked for by one, decided by others, used for exactly that."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from nsl_client import passkeys
from nsl_client.approvals import Approval, read, sign_decision
from nsl_client.governance import read_document
from tests.service.keys.test_policy_changes import ANN, BOB, approver
from tests.support.passkey import SoftPasskey
from tests.support.service import Service

POLICY: dict[str, Any] = {
    "approvers": {"ann": approver(ANN), "bob": approver(BOB)},
    "approvals": [{"threshold": 2}],
}
BODY = {"kind": "message", "payload": {"text": "pay"}}


@pytest.fixture(scope="module")
def tenant(service: Service) -> Any:
    return service.tenant()


@pytest.fixture(scope="module")
def api(service: Service, tenant: Any) -> Iterator[httpx.Client]:
    with service.client(service.token(tenant.credentials)) as client:
        yield client


@pytest.fixture(scope="module")
def other(service: Service, tenant: Any, api: httpx.Client) -> Iterator[httpx.Client]:
    """Another client of the same tenant."""
    made = api.post("/v1/clients", json={"name": "other", "scopes": ["keys:read", "keys:sign"]}).json()
    with service.client(service.token(made)) as client:
        yield client


@pytest.fixture
def key(api: httpx.Client) -> str:
    answer = api.post("/v1/keys", json={"name": "k", "curve": "secp256k1", "policy": POLICY})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def asked(api: httpx.Client, key: str, **more: Any) -> Approval:
    answer = api.post(f"/v1/keys/{key}/approvals", json=BODY | more)
    assert answer.status_code == 201, answer.text
    return msgspec.convert(answer.json(), Approval)


def decided(
    api: httpx.Client, approval: Approval, name: str, secret: bytes, decision: str = "approve"
) -> httpx.Response:
    signature = sign_decision(approval, secret, reject=decision == "reject")
    body = {"approver": name, "decision": decision, "signature": signature}
    return api.post(f"/v1/approvals/{approval.id}/decisions", json=body)


def test_a_passkey_approves_and_it_is_signed(api: httpx.Client, other: httpx.Client) -> None:
    passkey = SoftPasskey()
    named = passkeys.approver(passkey.registered(), rp_id=passkey.rp_id, origin=passkey.origin)
    policy = {"approvers": {"ann": approver(ANN), "dora": named}, "approvals": [{"threshold": 2}]}
    key = str(api.post("/v1/keys", json={"name": "k", "curve": "ed25519", "policy": policy}).json()["id"])
    approval = asked(api, key)
    assert decided(other, approval, "ann", ANN).json()["state"] == "open"

    def decides(credential: dict[str, Any], decision: str = "approve") -> httpx.Response:
        body = {"approver": "dora", "decision": decision, "signature": passkeys.proof(credential)}
        return other.post(f"/v1/approvals/{approval.id}/decisions", json=body)

    elsewhere = decides(passkey.asserts(passkeys.challenge(approval.statement), origin="https://evil.example"))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "DECISION_NOT_SIGNED")
    rejecting = decides(passkey.asserts(passkeys.challenge(approval.statement, reject=True)))
    assert rejecting.json()["code"] == "DECISION_NOT_SIGNED"
    assert decides(passkey.asserts(passkeys.challenge(approval.statement))).json()["state"] == "approved"
    signed = api.post(f"/v1/keys/{key}/sign", json=BODY | {"approval_id": approval.id})
    assert signed.status_code == 200, signed.text


def test_two_approve_and_it_is_signed(api: httpx.Client, other: httpx.Client, key: str) -> None:
    refused = api.post(f"/v1/keys/{key}/sign", json=BODY)
    assert (refused.status_code, refused.json()["code"]) == (403, "APPROVAL_NEEDED")
    evaluated = api.post(f"/v1/keys/{key}/policy/evaluate", json=BODY).json()
    assert evaluated["approvals"] == [{"threshold": 2, "of": ["ann", "bob"]}]
    approval = asked(api, key)
    assert (approval.state, approval.meaning) == ("open", "sign a message")
    mine = decided(api, approval, "ann", ANN)
    assert (mine.status_code, mine.json()["code"]) == (403, "APPROVAL_NOT_YOURS")
    assert decided(other, approval, "ann", ANN).json()["state"] == "open"
    again = decided(other, approval, "ann", ANN)
    assert (again.status_code, again.json()["code"]) == (409, "APPROVAL_DECIDED")
    one = api.post(f"/v1/keys/{key}/sign", json=BODY | {"approval_id": approval.id})
    assert one.json()["code"] == "APPROVAL_NEEDED"
    assert decided(other, approval, "bob", BOB).json()["state"] == "approved"
    listed = other.get("/v1/approvals", params={"state": "open", "key_id": key}).json()["items"]
    assert [each["id"] for each in listed] == [approval.id]
    signed = api.post(f"/v1/keys/{key}/sign", json=BODY | {"approval_id": approval.id})
    assert signed.status_code == 200, signed.text
    assert api.get(f"/v1/approvals/{approval.id}").json()["state"] == "used"
    assert other.get("/v1/approvals", params={"state": "open", "key_id": key}).json()["items"] == []
    another = BODY | {"payload": {"text": "pay more"}, "approval_id": approval.id}
    assert api.post(f"/v1/keys/{key}/sign", json=another).json()["code"] == "APPROVAL_NEEDED"


def test_a_stranger_a_forgery_and_another_key_are_refused(
    service: Service, api: httpx.Client, other: httpx.Client, key: str
) -> None:
    approval = asked(api, key)
    forged = other.post(
        f"/v1/approvals/{approval.id}/decisions",
        json={"approver": "ann", "decision": "approve", "signature": "00" * 64},
    )
    assert (forged.status_code, forged.json()["code"]) == (422, "DECISION_NOT_SIGNED")
    crossed = sign_decision(approval, ANN, reject=True)
    body = {"approver": "ann", "decision": "approve", "signature": crossed}
    assert other.post(f"/v1/approvals/{approval.id}/decisions", json=body).status_code == 422
    with service.tenant().client() as stranger:
        assert stranger.get(f"/v1/approvals/{approval.id}").status_code == 404
        assert stranger.get("/v1/approvals").json()["items"] == []
    second = api.post("/v1/keys", json={"name": "k", "curve": "secp256k1", "policy": POLICY}).json()["id"]
    answer = api.post(f"/v1/keys/{second}/sign", json=BODY | {"approval_id": approval.id})
    assert (answer.status_code, answer.json()["code"]) == (404, "APPROVAL_NOT_FOUND")


def test_rejected_revoked_and_expired(api: httpx.Client, other: httpx.Client, key: str) -> None:
    rejected = asked(api, key)
    assert decided(other, rejected, "bob", BOB, "reject").json()["state"] == "rejected"
    assert decided(other, rejected, "ann", ANN).status_code == 409
    revoked = asked(api, key)
    for name, secret in (("ann", ANN), ("bob", BOB)):
        decided(other, revoked, name, secret)
    assert api.post(f"/v1/approvals/{revoked.id}/revoke").json()["state"] == "revoked"
    answer = api.post(f"/v1/keys/{key}/sign", json=BODY | {"approval_id": revoked.id})
    assert (answer.status_code, answer.json()["code"]) == (409, "APPROVAL_DECIDED")
    assert api.post(f"/v1/approvals/{revoked.id}/revoke").status_code == 409
    assert api.post(f"/v1/keys/{key}/approvals", json=BODY | {"expires_in_seconds": 1}).status_code == 400


def test_an_approver_reads_the_bytes_himself(api: httpx.Client, key: str) -> None:
    approval = asked(api, key)
    shown = api.get(f"/v1/keys/{key}").json()
    policy = read_document(shown["policy"])
    assert read(approval, policy, shown["curve"], shown["public_key"]) == "sign a message"
    for bad in (
        msgspec.structs.replace(approval, request=asked(api, key, payload={"text": "other"}).request),
        msgspec.structs.replace(approval, key_id=approval.id),
        msgspec.structs.replace(approval, request="c0"),
    ):
        with pytest.raises(ValueError, match=r"do not sign it|cannot be read"):
            read(bad, policy, shown["curve"], shown["public_key"])
