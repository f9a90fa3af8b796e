"""What a host process signs to be enrolled: its own key's word for one challenge, one server and one new TLS key."""

import hashlib

_TAG = b"nsl-enrol-v1\0"


def key_statement(cluster: bytes, challenge: bytes, tls_key: bytes, server_key: bytes) -> bytes:
    """The bytes to sign.

    Args:
        cluster: the 32-byte id.
        challenge: the server's 32-byte nonce.
        tls_key, server_key: DER SubjectPublicKeyInfo: what the certificate is to be over, and what the server proved.
    """
    return _TAG + cluster + challenge + hashlib.sha256(tls_key).digest() + hashlib.sha256(server_key).digest()
