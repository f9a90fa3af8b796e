"""A passkey in software: what an authenticator and a browser make of a challenge."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRESENT, VERIFIED, ATTESTED, EXTENDED = 0x01, 0x04, 0x40, 0x80


def text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class SoftPasskey:
    """Of one domain, used on one page."""

    rp_id: str = "example.org"
    origin: str = "https://app.example.org"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    counter: int = 0

    def registered(self) -> dict[str, Any]:
        """As ``toJSON()`` of what ``create`` gave, as far as is read of it."""
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"response": {"publicKey": text(public)}}

    def asserts(
        self, challenge: str, *, flags: int = PRESENT | VERIFIED, extensions: bytes = b"", **said: Any
    ) -> dict[str, Any]:
        """As ``toJSON()`` of what ``get`` gave. ``said``: other client data."""
        client = {"type": "webauthn.get", "challenge": challenge, "origin": self.origin, "crossOrigin": False} | said
        return self.signs(json.dumps(client, separators=(",", ":")).encode(), flags, extensions)

    def signs(self, data: bytes, flags: int = PRESENT | VERIFIED, extensions: bytes = b"") -> dict[str, Any]:
        """What an authenticator makes of any client data."""
        self.counter += 1
        authenticator = hashlib.sha256(self.rp_id.encode()).digest() + bytes((flags,)) + self.counter.to_bytes(4)
        authenticator += extensions
        signature = self.key.sign(authenticator + hashlib.sha256(data).digest(), ec.ECDSA(hashes.SHA256()))
        parts = {"authenticatorData": authenticator, "clientDataJSON": data, "signature": signature}
        return {"response": {name: text(each) for name, each in parts.items()}}
