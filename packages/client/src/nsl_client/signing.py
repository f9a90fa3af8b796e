"""Signatures: made, checked, made together."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from nsl_client.calls import Call, without_none
from nsl_client.clock import fresh_key
from nsl_client.model import BatchResult, Page, Signature, SignatureVerdict
from nsl_client.requests import RequestSignature
from nsl_client.scoring import SignedScore


def sign(
    key_id: str,
    kind: str,
    payload: Mapping[str, Any],
    *,
    network: int | None = None,
    approval_id: str | None = None,
    address_index: int | None = None,
    request_signature: RequestSignature | None = None,
    risk_score: SignedScore | None = None,
) -> Call[Signature]:
    """Sign. ``kind``: message, digest, n3-transaction, evm-transaction or typed-data; ``payload`` as the API says.

    ``approval_id``: of the approval of exactly this, where the key's policy asks for one. ``address_index``: of a
    deposit address below the key, whose key signs. ``request_signature``: where the policy has requesters, as
    ``nsl_client.requests.Requester`` makes it. ``risk_score``: where it has a ceiling, as a scorer signs it
    (``nsl_client.scoring``).
    """
    body = without_none(
        kind=kind,
        payload=dict(payload),
        network=network,
        approval_id=approval_id,
        address_index=address_index,
        request_signature=None if request_signature is None else msgspec.to_builtins(request_signature),
        risk_score=None if risk_score is None else msgspec.to_builtins(risk_score),
    )
    return Call("POST", f"/v1/keys/{quote(key_id, safe='')}/sign", Signature, body, idempotency_key=fresh_key())


def verify(
    key_id: str,
    kind: str,
    payload: Mapping[str, Any],
    signature: str,
    *,
    network: int | None = None,
    salt: str | None = None,
    address_index: int | None = None,
) -> Call[SignatureVerdict]:
    """Whether a signature (hex) is this key's over exactly that; or that of a deposit address below it.

    ``salt``: as ``sign`` answered it.
    """
    body = without_none(
        kind=kind,
        payload=dict(payload),
        network=network,
        signature=signature,
        salt=salt,
        address_index=address_index,
    )
    return Call("POST", f"/v1/keys/{quote(key_id, safe='')}/verify", SignatureVerdict, body, repeats=True)


def sign_batch(key_id: str, items: Sequence[Mapping[str, Any]]) -> Call[Page[BatchResult]]:
    """Up to 256 signatures in one call, each answered on its own."""
    path = f"/v1/keys/{quote(key_id, safe='')}/sign-batch"
    return Call("POST", path, Page[BatchResult], {"items": list(items)}, idempotency_key=fresh_key())
