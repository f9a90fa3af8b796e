"""What approvers, and whoever asks, sign for a single signature. Pure: the same for signers, host and enclave.

They approve exact bytes: the transaction, document, message or digest as it goes to the enclave. So an approval is good
for one thing, and signing that twice makes nothing new: the same transaction has the same nonce, or the same hash.
"""

import hashlib
from collections.abc import Mapping
from uuid import UUID

import msgspec

from nsl_protocol.enclave.signable import Signable
from nsl_protocol.policy.approvers import holds
from nsl_protocol.policy.document import Policy

_APPROVED, _REJECTED = b"nsl-signing-approved-v1\0", b"nsl-signing-rejected-v1\0"


class SigningApproval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Attributes:
        cluster: of the key enclaves, hex.
        policy: the hash of the policy that asks for it, hex.
        request: SHA-256 of what is to be signed, as msgpack, hex.
        id: of the request for approval.
        expires_at: Unix seconds.
    """

    cluster: str
    tenant: UUID
    key: UUID
    policy: str
    request: str
    id: UUID
    expires_at: int

    def signed(self, *, rejected: bool = False) -> bytes:
        """A tag, and this as JSON with its names in order and no spaces."""
        return (_REJECTED if rejected else _APPROVED) + msgspec.json.encode(self, order="sorted")

    def by(self, policy: Policy, signatures: Mapping[str, bytes], *, rejected: bool = False) -> frozenset[str]:
        """Those of the policy's approvers, and of its requesters, whose signatures hold."""
        content, known = self.signed(rejected=rejected), {**policy.approvers, **policy.requesters}
        return frozenset(
            name for name, signature in signatures.items() if name in known and holds(known[name], content, signature)
        )


def request_digest(what: Signable) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(msgspec.msgpack.encode(what)).hexdigest()
