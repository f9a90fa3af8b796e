"""By what replicas of one cluster believe each other, whoever carries it."""

import hashlib
import hmac

from msgspec.msgpack import encode

from nsl_enclave.kme.state import Root
from nsl_protocol.enclave.agreement import Certificate, Head


class Macs:
    """What replicas of one cluster believe each other by: HMAC-SHA256 under keys that follow from the roots."""

    def __init__(self, root: Root) -> None:
        self._keys = root.register_keys()

    def make(self, kind: str, content: bytes) -> bytes:
        """Under the latest root."""
        return _mac(self._keys[0], kind, content)

    def holds(self, kind: str, content: bytes, mac: bytes) -> bool:
        """Under any root that is known here."""
        return any(hmac.compare_digest(_mac(key, kind, content), mac) for key in self._keys)

    def certify(self, head: Head) -> Certificate:
        """That a majority has accepted it."""
        return Certificate(head, self.make("head", encode(head)))

    def certified(self, certificate: Certificate) -> bool:
        """Whether a replica of this cluster said so."""
        return self.holds("head", encode(certificate.head), certificate.mac)


def _mac(key: bytes, kind: str, content: bytes) -> bytes:
    return hmac.digest(key, kind.encode() + b"\0" + content, hashlib.sha256)
