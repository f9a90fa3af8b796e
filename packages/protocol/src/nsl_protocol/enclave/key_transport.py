"""Private keys on their way into the enclave and out of it: HPKE (RFC 9180), base mode, X25519, AES-256-GCM.

Base mode proves nothing of the sender and takes no associated data, so everything that a key is bound to stands in
``info``. On the way in that is all of ``CreateKey``: a host that changes a name, a tenant or a rule has a ciphertext
that does not open. On the way out it is whose key this is.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from msgspec.msgpack import encode

from nsl_protocol.enclave.messages import CreateKey, Curve
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.errors import CodecError

SECRET_BYTES = 32
ENCAPSULATED_BYTES = 32
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_IMPORT, _EXPORT = b"nsl-key-import-v1\0", b"nsl-key-export-v1\0"


def seal_import(secret: bytes, wrapping_key: bytes, cluster: bytes, label: str, terms: CreateKey) -> bytes:
    """Encrypt a private key to the enclave, for exactly these terms.

    Args:
        wrapping_key: what a quote of the purpose ``import`` binds, once that is verified.
        cluster: the 32-byte id that you have pinned.
        label: the key's name for people.

    Raises:
        CodecError: ``wrapping_key`` is no X25519 key that can be encrypted to.
    """
    return _seal(secret, wrapping_key, _import_info(cluster, label, terms))


def open_imported(encrypted: bytes, key: X25519PrivateKey, cluster: bytes, label: str, terms: CreateKey) -> bytes:
    """Raises CodecError: it was encrypted to another key, or for other terms."""
    return _open(encrypted, key, _import_info(cluster, label, terms))


def seal_export(secret: bytes, recipient: bytes, cluster: bytes, name: KeyName, curve: Curve) -> bytes:
    """Encrypt a private key to a recipient. Raises CodecError: that is no key that can be encrypted to."""
    return _seal(secret, recipient, _export_info(cluster, name, curve))


def open_exported(encrypted: bytes, key: X25519PrivateKey, cluster: bytes, name: KeyName, curve: Curve) -> bytes:
    """Raises CodecError: it was encrypted to another recipient, or is another key."""
    return _open(encrypted, key, _export_info(cluster, name, curve))


def insist_on_recipient(key: bytes) -> None:
    """Raises CodecError: it is no X25519 key, or one of the few under which everybody could read."""
    _seal(b"", key, b"")


def _import_info(cluster: bytes, label: str, terms: CreateKey) -> bytes:
    return _IMPORT + cluster + encode((label, terms))


def _export_info(cluster: bytes, name: KeyName, curve: Curve) -> bytes:
    return _EXPORT + cluster + encode((name, curve))


def _seal(secret: bytes, recipient: bytes, info: bytes) -> bytes:
    try:
        return _SUITE.encrypt(secret, X25519PublicKey.from_public_bytes(recipient), info)
    except ValueError as error:
        raise CodecError("is no X25519 public key that can be encrypted to", field="recipient") from error


def _open(encrypted: bytes, key: X25519PrivateKey, info: bytes) -> bytes:
    try:
        return _SUITE.decrypt(encrypted, key, info)
    except (InvalidTag, ValueError) as error:
        raise CodecError("does not open with this key and for this purpose", field="encrypted") from error
