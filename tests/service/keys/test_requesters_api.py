"""Signed requests over HTTP, with a real enclave: whoever has the token alone gets nothing signed."""

from typing import Any

import httpx
import msgspec
import pytest

from nsl_client.approvals import Approval
from nsl_client.requests import Requester
from nsl_client.scoring import Scorer
from tests.service.keys.test_approvals_api import BODY, api, decided, other, tenant
from tests.service.keys.test_policy_changes import ANN, BOB, approver
from tests.support.service import Tenant

__all__ = ["api", "other", "tenant"]

API = b"\x11" * 32
POLICY: dict[str, Any] = {"requesters": {"api": approver(API)}, "approvers": {"ann": approver(ANN)}}


class Asking:
    """A key under a policy, and who asks."""

    def __init__(self, api: httpx.Client, tenant: Tenant, policy: dict[str, Any]) -> None:
        self.api = api
        made = api.post("/v1/keys", json={"name": "k", "curve": "secp256k1", "policy": policy})
        assert made.status_code == 201, made.text
        self.key = made.json()["id"]
        present = api.get(f"/v1/keys/{self.key}/policy").json()
        self.requester = Requester("api", API, present["cluster"], tenant.id, self.key, present["hash"])

    def signs(self, **more: Any) -> tuple[int, str]:
        """Status, and code of the refusal."""
        answer = self.api.post(f"/v1/keys/{self.key}/sign", json=BODY | more)
        return answer.status_code, answer.json().get("code", "")

    def asked(self, text: str = "pay", **more: Any) -> dict[str, Any]:
        return {"request_signature": msgspec.to_builtins(self.requester.sign("message", {"text": text}, **more))}


def test_the_token_alone_signs_nothing(api: httpx.Client, tenant: Tenant) -> None:
    asking = Asking(api, tenant, POLICY)
    assert asking.signs() == (403, "REQUEST_SIGNATURE_NEEDED")
    assert asking.signs(**asking.asked("another")) == (403, "REQUEST_SIGNATURE_NEEDED")
    assert asking.signs(**asking.asked(seconds=-1)) == (403, "REQUEST_SIGNATURE_NEEDED")
    assert asking.signs(**asking.asked()) == (200, "")
    evaluated = api.post(f"/v1/keys/{asking.key}/policy/evaluate", json=BODY).json()
    assert evaluated["approvals"] == [{"threshold": 1, "of": ["api"]}]


def test_a_batch_is_signed_item_by_item(api: httpx.Client, tenant: Tenant) -> None:
    asking = Asking(api, tenant, POLICY)
    items = [BODY | asking.asked(), BODY, BODY | asking.asked("another")]
    found = api.post(f"/v1/keys/{asking.key}/sign-batch", json={"items": items}).json()["items"]
    codes = [None if each["error"] is None else each["error"]["code"] for each in found]
    assert codes == [None, "REQUEST_SIGNATURE_NEEDED", "REQUEST_SIGNATURE_NEEDED"]


def test_who_approves_does_not_approve_by_asking(api: httpx.Client, tenant: Tenant) -> None:
    asking = Asking(api, tenant, POLICY | {"approvals": [{"threshold": 1}]})
    given = asking.asked()
    given["request_signature"]["requester"] = "ann"
    assert asking.signs(**given) == (422, "REQUESTER_UNKNOWN")
    items = {"items": [BODY | given]}
    assert api.post(f"/v1/keys/{asking.key}/sign-batch", json=items).json()["code"] == "REQUESTER_UNKNOWN"


def test_with_an_approval_it_is_over_the_same(api: httpx.Client, other: httpx.Client, tenant: Tenant) -> None:
    asking = Asking(api, tenant, POLICY | {"approvals": [{"threshold": 1}]})
    approval = msgspec.convert(api.post(f"/v1/keys/{asking.key}/approvals", json=BODY).json(), Approval)
    assert decided(other, approval, "ann", ANN).json()["state"] == "approved", "nobody waits for who asks"
    assert asking.signs(approval_id=approval.id) == (403, "REQUEST_SIGNATURE_NEEDED")
    assert asking.signs(approval_id=approval.id, **asking.asked())[0] == 400
    both = asking.asked(statement=approval.statement)
    assert asking.signs(approval_id=approval.id, **both) == (200, "")


@pytest.mark.parametrize("change", [{"signature": "00"}, {"nonce": "x"}, {"expires_at": -1}, {"requester": "A b"}])
def test_what_is_no_signature_is_not_read(api: httpx.Client, tenant: Tenant, change: dict[str, Any]) -> None:
    asking = Asking(api, tenant, POLICY)
    given = asking.asked()
    given["request_signature"] |= change
    assert asking.signs(**given)[0] == 400


def test_what_is_too_risky_is_not_signed(api: httpx.Client, tenant: Tenant) -> None:
    asking = Asking(api, tenant, {"risk": {"score_max": 30, "scorers": {"model": approver(BOB)}}})
    scorer = Scorer("model", BOB, asking.requester.cluster, tenant.id)

    def score(number: int) -> dict[str, Any]:
        return {"risk_score": msgspec.to_builtins(scorer.score(asking.key, "message", {"text": "pay"}, number))}

    assert asking.signs() == (403, "RISK_SCORE_NEEDED")
    assert asking.signs(**score(31)) == (403, "RISK_TOO_HIGH")
    assert asking.signs(**score(30)) == (200, "")
    items = [BODY | score(30), BODY]
    found = api.post(f"/v1/keys/{asking.key}/sign-batch", json={"items": items}).json()["items"]
    assert [each["error"] is None for each in found] == [True, False]
    assert api.post(f"/v1/keys/{asking.key}/policy/evaluate", json=BODY).json()["risk_score_max"] == 30
    for change in ({"score": 101}, {"scored_at": -1}, {"signature": "00"}, {"more": 1}):
        given = score(1)
        given["risk_score"] |= change
        assert asking.signs(**given)[0] == 400


def test_a_policy_says_who_asks_and_it_fits_the_key(api: httpx.Client) -> None:
    both = {"requesters": {"ann": approver(ANN)}, "approvers": {"bob": approver(ANN)}}
    asks, scores = {"requesters": {"api": approver(BOB)}}, {"risk": {"score_max": 1, "scorers": {"m": approver(BOB)}}}
    for policy, curve in ((both, "ed25519"), (asks, "aes-256-gcm"), (scores, "hmac-sha256")):
        answer = api.post("/v1/keys", json={"name": "k", "curve": curve, "policy": policy})
        assert (answer.status_code, answer.json()["code"]) == (422, "POLICY_UNSUITABLE"), answer.text
