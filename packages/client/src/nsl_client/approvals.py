"""Approvals of single signatures: the calls, and an approver's part, which asks nobody."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_client.calls import Call
from nsl_client.clock import fresh_key
from nsl_client.model import Page
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signed import read_signable
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.approving import SigningApproval, request_digest
from nsl_protocol.policy.decision import summary
from nsl_protocol.policy.document import Policy
from nsl_protocol.policy.reading import meaning_of


class Needed(msgspec.Struct, frozen=True):
    """So many of these approvers."""

    threshold: int
    of: list[str]


class Decision(msgspec.Struct, frozen=True):
    approver: str
    decision: str
    decided_at: datetime


class Approval(msgspec.Struct, frozen=True):
    """``request``: what is to be signed, hex; ``meaning``: as the layer reads it, which ``read`` does itself.

    ``public_key``: whose signature it is about: the key's, or that of a deposit address below it.
    """

    id: str
    key_id: str
    state: str
    kind: str
    meaning: str
    needed: list[Needed]
    decisions: list[Decision]
    request: str
    statement: SigningApproval
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    public_key: str


def ask(
    key_id: str,
    kind: str,
    payload: Mapping[str, Any],
    *,
    network: int | None = None,
    address_index: int | None = None,
    expires_in_seconds: int | None = None,
    idempotency_key: str | None = None,
) -> Call[Approval]:
    """Ask for the approval of a signature; then sign with ``approval_id``."""
    body = {
        "kind": kind,
        "payload": dict(payload),
        "network": network,
        "address_index": address_index,
        "expires_in_seconds": expires_in_seconds,
    }
    path = f"/v1/keys/{quote(key_id, safe='')}/approvals"
    given = {name: value for name, value in body.items() if value is not None}
    return Call("POST", path, Approval, given, idempotency_key=idempotency_key or fresh_key())


def list_approvals(
    *, key_id: str | None = None, open_only: bool = False, limit: int | None = None, cursor: str | None = None
) -> Call[Page[Approval]]:
    """A page of the tenant's approvals, newest first."""
    query = {"key_id": key_id, "state": "open" if open_only else None, "limit": limit, "cursor": cursor}
    given = {name: value for name, value in query.items() if value is not None}
    return Call("GET", "/v1/approvals", Page[Approval], query=given)


def get(approval_id: str) -> Call[Approval]:
    """One approval."""
    return Call("GET", f"/v1/approvals/{quote(approval_id, safe='')}", Approval)


def decide(approval_id: str, approver: str, decision: Literal["approve", "reject"], signature: str) -> Call[Approval]:
    """Bring what an approver has decided and signed. Whoever asked for it may not."""
    body = {"approver": approver, "decision": decision, "signature": signature}
    return Call("POST", f"/v1/approvals/{quote(approval_id, safe='')}/decisions", Approval, body)


def revoke(approval_id: str) -> Call[Approval]:
    """Let it be used no more."""
    return Call("POST", f"/v1/approvals/{quote(approval_id, safe='')}/revoke", Approval)


# The approver's part ----------------------------------------------------------------------------------------------


def read(approval: Approval, policy: Policy, curve: str, public_key: str) -> str:
    """What would be signed, read here from its bytes.

    Raises:
        ValueError: the statement is not about these bytes, this key or this policy: do not sign it.
    """
    try:
        what = read_signable(bytes.fromhex(approval.request))
        statement = approval.statement
        if statement.request != request_digest(what) or statement.policy != policy.hash:
            raise ValueError("The statement is about something else than is shown: do not sign it.")
        if (str(statement.key), str(statement.id)) != (approval.key_id, approval.id):
            raise ValueError("The statement is for another key or approval: do not sign it.")
        return summary(policy, meaning_of(what, Curve(curve), bytes.fromhex(public_key)))
    except CodecError as error:
        raise ValueError(f"What is to be signed cannot be read: {error}") from error


def sign_decision(approval: Approval, private_key: bytes, *, reject: bool = False) -> str:
    """The signature of an approver who has an Ed25519 key (32 bytes), as ``approvals.decide`` takes it."""
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    return key.sign(approval.statement.signed(rejected=reject)).hex()
