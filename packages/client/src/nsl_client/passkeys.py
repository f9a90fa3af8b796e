"""An approver's part with a passkey, around what a page does: which challenge it asks for, and what is carried of it.

Over the statement of an approval (``approvals.get``), or over what ``nsl_client.governance`` makes for a change:

    credential = await navigator.credentials.get({publicKey: {challenge, rpId, userVerification: "required"}})
    credential.toJSON()
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from nsl_protocol.policy.approving import SigningApproval
from nsl_protocol.policy.changing import Approvable
from nsl_protocol.policy.passkeys import Assertion
from nsl_protocol.policy.passkeys import challenge as challenge_of


def challenge(statement: SigningApproval | Approvable, *, reject: bool = False) -> str:
    """What the page asks the passkey for, base64url without padding. ``reject``: of an approval of a signature."""
    content = statement.signed(rejected=reject) if isinstance(statement, SigningApproval) else statement.signed
    return base64.urlsafe_b64encode(challenge_of(content)).rstrip(b"=").decode()


def proof(credential: Mapping[str, Any]) -> str:
    """What is brought in the place of a signature, hex.

    Args:
        credential: as ``toJSON()`` of what ``navigator.credentials.get`` gave.

    Raises:
        ValueError: it is none.
    """
    try:
        said = credential["response"]
        parts = [_bytes(said[each]) for each in ("authenticatorData", "clientDataJSON", "signature")]
        return msgspec.convert(parts, Assertion).proof.hex()
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"This is no answer of navigator.credentials.get for ES256: {error!r}.") from error


def approver(credential: Mapping[str, Any], *, rp_id: str, origin: str) -> dict[str, Any]:
    """What a policy's ``approvers`` name a passkey by.

    Args:
        credential: as ``toJSON()`` of what ``navigator.credentials.create`` gave, for ES256 (``alg: -7``).
        rp_id: the domain that it was made for; ``origin``: of the page that approvers use.

    Raises:
        ValueError: it is none, or of another algorithm.
    """
    try:
        key = load_der_public_key(_bytes(credential["response"]["publicKey"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"This is no answer of navigator.credentials.create: {error!r}.") from error
    if not (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == ec.SECP256R1.name):
        raise ValueError("The passkey is not of ES256: make it with pubKeyCredParams [{type: 'public-key', alg: -7}].")
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return {"algorithm": "secp256r1", "public_key": point.hex(), "passkey": {"rp_id": rp_id, "origin": origin}}


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
