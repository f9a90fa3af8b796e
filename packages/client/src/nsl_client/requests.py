"""A client's own signature over what it asks for, where a key's policy has `requesters`. Nothing here asks the layer.

So whoever takes the layer over, with every token and the whole database, has nothing signed that the client did not ask
for. Pin ``cluster`` and ``policy`` where you start: what the layer says of them later is the layer's word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_client.asking import to_sign
from nsl_client.clock import fresh_uuid, unix_seconds
from nsl_protocol.policy.approving import SigningApproval, request_digest

SECONDS = 60


class RequestSignature(msgspec.Struct, frozen=True):
    """As the API takes it. ``signature``: hex; ``expires_at``: Unix seconds."""

    requester: str
    nonce: str
    expires_at: int
    signature: str


@dataclass(frozen=True)
class Requester:
    """Who asks.

    Attributes:
        name: as the policy has it; ``private_key``: 32 bytes of Ed25519.
        cluster: hex; ``tenant``, ``key``: their ids.
        policy: the hash of the policy that you know the key by, hex.
    """

    name: str
    private_key: bytes
    cluster: str
    tenant: str
    key: str
    policy: str

    def __repr__(self) -> str:
        """Without the private key."""
        return f"Requester({self.name!r}, key={self.key!r})"

    def sign(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        network: int | None = None,
        address_index: int | None = None,
        seconds: int = SECONDS,
        statement: SigningApproval | None = None,
    ) -> RequestSignature:
        """Over exactly what ``keys.sign`` is asked with the same arguments.

        Args:
            seconds: for so long it counts.
            statement: of the approval that the request comes with, where it comes with one.

        Raises:
            ValueError: there is no such thing to sign, or the statement is about another.
        """
        what = to_sign(kind, payload, network, address_index)
        if statement is None:
            nonce, expires_at = fresh_uuid(), unix_seconds() + seconds
        else:
            nonce, expires_at = statement.id, statement.expires_at
        made = SigningApproval(
            cluster=self.cluster,
            tenant=UUID(self.tenant),
            key=UUID(self.key),
            policy=self.policy,
            request=request_digest(what),
            id=nonce,
            expires_at=expires_at,
        )
        if statement is not None and statement != made:
            raise ValueError("The approval is about something else than is asked for.")
        signature = Ed25519PrivateKey.from_private_bytes(self.private_key).sign(made.signed())
        return RequestSignature(self.name, str(nonce), expires_at, signature.hex())
