"""A client's own signature over what it asks for, where a key's policy has `requesters`. Nothing here asks the layer.

So whoever takes the layer over, with every token and the whole database, has nothing signed that the client did not ask
for. Pin ``cluster`` and ``policy`` where you start: what the layer says of them later is the layer's word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from nsl_client.asking import Signer, asked
from nsl_client.clock import fresh_uuid, unix_seconds
from nsl_protocol.policy.approving import SigningApproval, request_digest

SECONDS = 60


class RequestSignature(msgspec.Struct, frozen=True):
    """As the API takes it. ``signature``: hex; ``expires_at``: Unix seconds."""

    requester: str
    nonce: str
    expires_at: int
    signature: str


@dataclass(frozen=True, repr=False)
class Requester(Signer):
    """Who asks.

    Attributes:
        key: its id.
        policy: the hash of the policy that you know the key by, hex.
    """

    key: str
    policy: str

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
        what = asked(kind, payload, network, address_index)
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
        return RequestSignature(self.name, str(nonce), expires_at, self.signature(made.signed()))
