"""An approver's passkey in a real browser: made there, named by a policy, and what it asserts signs."""

from typing import Any

import msgspec
from playwright.sync_api import Page

from nsl_client.approvals import Approval
from nsl_client.passkeys import approver, challenge, proof
from tests.service.console.test_browser import Open, add_authenticator, open_page
from tests.support.service import Service

__all__ = ["open_page"]

MESSAGE = {"kind": "message", "payload": {"text": "pay"}}
BYTES = "const bytes = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), c => c.charCodeAt(0));"
CREATE = """async () => (await navigator.credentials.create({publicKey: {
    rp: {id: "localhost", name: "Approvals"}, user: {id: new Uint8Array(8), name: "dora", displayName: "Dora"},
    challenge: new Uint8Array(32), pubKeyCredParams: [{type: "public-key", alg: -7}],
    authenticatorSelection: {residentKey: "required", userVerification: "required"},
}})).toJSON()"""
GET = f"""async challenge => {{ {BYTES} return (await navigator.credentials.get({{publicKey: {{
    challenge: bytes(challenge), rpId: "localhost", userVerification: "required"}}}})).toJSON(); }}"""


def asserted(page: Page, statement: Any) -> str:
    """What the browser's passkey makes of the statement, as it is brought."""
    return proof(page.evaluate(GET, challenge(statement)))


def test_what_a_passkey_has_asserted_in_a_browser_is_signed(service: Service, open_page: Open) -> None:
    page = open_page()
    add_authenticator(page)
    page.goto("/console/login")
    origin = page.evaluate("location.origin")
    named = approver(page.evaluate(CREATE), rp_id="localhost", origin=origin)
    policy = {"approvers": {"dora": named}, "approvals": [{"threshold": 1}]}
    tenant = service.tenant()
    with tenant.client() as api:
        key = api.post("/v1/keys", json={"name": "k", "curve": "ed25519", "policy": policy}).json()["id"]
        other = api.post("/v1/clients", json={"name": "other", "scopes": ["keys:read", "keys:sign"]}).json()
        approval = msgspec.convert(api.post(f"/v1/keys/{key}/approvals", json=MESSAGE).json(), Approval)
        body = {"approver": "dora", "decision": "approve", "signature": asserted(page, approval.statement)}
        with service.client(service.token(other)) as brings:
            decided = brings.post(f"/v1/approvals/{approval.id}/decisions", json=body)
            assert decided.json()["state"] == "approved", decided.text
        signed = api.post(f"/v1/keys/{key}/sign", json=MESSAGE | {"approval_id": approval.id})
        assert signed.status_code == 200, signed.text
