"""Who signs, on a machine of their own, what ``keys.sign`` is asked: what requesters and scorers have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_protocol.enclave.signable import Signable, SignBelow
from nsl_protocol.policy.asking import to_sign
from nsl_protocol.policy.document import Kind


@dataclass(frozen=True, repr=False)
class Signer:
    """
    Attributes:
        name: as the policy has it; ``private_key``: 32 bytes of Ed25519.
        cluster: hex; ``tenant``: its id.
    """

    name: str
    private_key: bytes
    cluster: str
    tenant: str

    def __repr__(self) -> str:
        """Without the private key."""
        return f"{type(self).__name__}({self.name!r})"

    def signature(self, content: bytes) -> str:
        """Hex."""
        return Ed25519PrivateKey.from_private_bytes(self.private_key).sign(content).hex()


def asked(kind: str, payload: Mapping[str, Any], network: int | None, address_index: int | None) -> Signable:
    """As the layer makes it of the same arguments. Raises ValueError: there is no such thing to sign."""
    plain = to_sign(Kind(kind), _content(kind, payload), network)
    return plain if address_index is None else SignBelow(address_index, plain)


def _content(kind: str, payload: Mapping[str, Any]) -> bytes:
    if kind == Kind.TYPED_DATA:
        return msgspec.json.encode(payload)
    if kind == Kind.MESSAGE and "text" in payload:
        return str(payload["text"]).encode()
    return bytes.fromhex(str(payload.get("hex", "")).removeprefix("0x"))
