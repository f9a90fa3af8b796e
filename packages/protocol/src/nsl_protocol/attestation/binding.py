"""What a quote is made for: its report data is a hash over purpose, cluster, nonce and keys.

No purpose accepts another's quote, no cluster another cluster's, and nothing can be moved between the parts, because
each part is preceded by its length.
"""

import hashlib
from enum import StrEnum

from nsl_protocol.attestation.quote import REPORT_DATA_BYTES

NONCE_BYTES = 32
_TAG = b"nsl-report-data-v1"


class Purpose(StrEnum):
    """Why an enclave was quoted."""

    EVIDENCE = "evidence"  # shown to whoever asks: nonce; log key, manifest version (4 bytes)
    BOOTSTRAP = "bootstrap"  # the first root is about to be made: nonce; recipient key
    RECOVERY = "recovery"  # shares of the root are about to be sent: nonce; recipient key
    ROTATION = "rotation"  # the root is about to be replaced: nonce; recipient key
    RETIREMENT = "retirement"  # roots of before are about to be forgotten: nonce; recipient key
    PROCEED = "proceed"  # a replica is about to go on without the others: nonce; recipient key
    JOIN = "join"  # a replica asks for the root: nonce; recipient key, manifest digest
    WELCOME = "welcome"  # a member gives it: nonce; recipient key, SHA-256 of the package
    ENROL_SERVER = "enrol-server"  # to whom a peer is about to send its request: nonce; TLS key
    ENROL_CLIENT = "enrol-client"  # a peer asks for a certificate: nonce; its TLS key, the server's TLS key
    IMPORT = "import"  # a private key is about to be encrypted to the enclave: nonce; import key


def report_data(purpose: Purpose, cluster: bytes, nonce: bytes, *keys: bytes) -> bytes:
    """64 bytes: SHA-256 over the parts, then zeros.

    Args:
        cluster: the 32-byte cluster id; empty before there is one.
        keys: public keys (DER SubjectPublicKeyInfo or raw), or other facts that are bound, in the purpose's order.
    """
    digest = hashlib.sha256()
    for part in (_TAG, purpose.encode(), cluster, nonce, *keys):
        digest.update(len(part).to_bytes(4) + part)
    return digest.digest().ljust(REPORT_DATA_BYTES, b"\0")
