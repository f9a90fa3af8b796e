"""The end of a key: after a wait, by whom its policy names, and with a certificate."""

from collections.abc import Mapping
from urllib.parse import quote

from nsl_client.calls import Call, change_key, without_none
from nsl_client.model import Key
from nsl_protocol.attestation.keys import DestructionCertificate


def destroy_key(
    key_id: str,
    *,
    wait_days: int | None = None,
    accept_balances: bool = False,
    expires_at: int = 0,
    approvals: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Call[Key]:
    """Let a key sign nothing from now on, and destroy it after 7 to 365 days, 30 unless said otherwise.

    ``accept_balances``: what its addresses hold is lost with it. ``approvals``: by approver, where its policy names who
    changes it, as ``nsl_client.governance.approve`` signs what ``governance.destruction`` makes.
    """
    body = without_none(
        wait_days=wait_days, accept_balances=accept_balances, expires_at=expires_at, approvals=dict(approvals or {})
    )
    return change_key(key_id, "destroy", body, idempotency_key)


def destruction_certificate(key_id: str, nonce: bytes | None = None) -> Call[DestructionCertificate]:
    """That a key was destroyed, over your 32-byte nonce; ``nsl_client.attestation`` verifies its ``attestation``."""
    query = {} if nonce is None else {"nonce": nonce.hex()}
    path = f"/v1/keys/{quote(key_id, safe='')}/destruction-certificate"
    return Call("GET", path, DestructionCertificate, query=query)
