"""Who may change a key's policy, and what they sign for it. Pure; one code for whoever signs and for the enclave.

The policy names its approvers itself, so its hash, which every leaf and attestation has, covers who may change it.
"""

from collections.abc import Mapping
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from nsl_protocol.policy.approvers import Approver, ApproverAlgorithm
from nsl_protocol.policy.document import Policy

#: an approval that nobody used by then is worth nothing
EXPIRES_SECONDS_MAX = 30 * 86_400
_TAG = b"nsl-policy-change-v1\0"
_UNFREEZE_TAG = b"nsl-key-unfreeze-v1\0"
_HALF_BYTES = 32


class PolicyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What approvers sign. No two changes have the same: each counts the policy's number on.

    Attributes:
        cluster: of the key enclaves, hex.
        number: of the policy that holds now, from 1.
        from_: its hash, hex.
        to: the hash of the policy that is to hold.
        expires_at: Unix seconds.
    """

    cluster: str
    tenant: UUID
    key: UUID
    number: int
    from_: str = msgspec.field(name="from")
    to: str
    expires_at: int

    @property
    def signed(self) -> bytes:
        """A tag, and this as JSON with its names in order and no spaces."""
        return _TAG + msgspec.json.encode(self, order="sorted")


class Unfreezing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What approvers sign to let a frozen key sign again. No two freezes of a key have the same.

    Attributes:
        cluster: of the key enclaves, hex.
        policy: the hash of the policy that holds, hex.
        frozen_at: when the key was frozen, enclave time, Unix seconds; later with each freeze of a key.
        expires_at: Unix seconds.
    """

    cluster: str
    tenant: UUID
    key: UUID
    policy: str
    frozen_at: int
    expires_at: int

    @property
    def signed(self) -> bytes:
        """A tag, and this as JSON with its names in order and no spaces."""
        return _UNFREEZE_TAG + msgspec.json.encode(self, order="sorted")


def approved_by(policy: Policy, change: PolicyChange | Unfreezing, approvals: Mapping[str, bytes]) -> frozenset[str]:
    """Those of the present policy's approvers who have signed the change."""
    return frozenset(
        name
        for name, signature in approvals.items()
        if name in policy.approvers and holds(policy.approvers[name], change.signed, signature)
    )


def holds(approver: Approver, content: bytes, signature: bytes) -> bool:
    """Whether it is the approver's: Ed25519, or ECDSA over SHA-256 with r‖s."""
    public_key = bytes.fromhex(approver.public_key)
    try:
        if approver.algorithm is ApproverAlgorithm.ED25519:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
        else:
            r, s = int.from_bytes(signature[:_HALF_BYTES]), int.from_bytes(signature[_HALF_BYTES:])
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
            key.verify(encode_dss_signature(r, s), content, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
