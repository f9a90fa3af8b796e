"""Heads of the audit log as C2SP checkpoints (c2sp.org/tlog-checkpoint): the text, and the note that is signed."""

import hashlib
from base64 import b64encode

_ED25519 = b"\x01"
_KEY_HASH_BYTES = 4


def origin(cluster: bytes) -> str:
    """The log's name, which is that of the cluster's log key too."""
    return f"neo-service-layer/{cluster.hex()}"


def head_text(name: str, size: int, root: bytes) -> str:
    """Origin, number of leaves, root; each line ended."""
    return f"{name}\n{size}\n{b64encode(root).decode()}\n"


def key_hash(name: str, algorithm: bytes, public_key: bytes) -> bytes:
    """By which a signed note (c2sp.org/signed-note) names a key: 4 bytes."""
    return hashlib.sha256(name.encode() + b"\n" + algorithm + public_key).digest()[:_KEY_HASH_BYTES]


def signed_head(name: str, size: int, root: bytes, log_key: bytes, signature: bytes) -> str:
    """The note: the text, and the line of the log key's Ed25519 signature over it."""
    line = b64encode(key_hash(name, _ED25519, log_key) + signature).decode()
    return f"{head_text(name, size, root)}\n\N{EM DASH} {name} {line}\n"
