"""Keys at rest: AES-256-GCM under a key derived from the root, bound to whose key it is.

Format: 1 byte format, 12 bytes nonce, ciphertext. The associated data names purpose, tenant, key and version (or the
token key's id), so a blob that is moved to another row does not open. What a key may do is sealed inside.
"""

from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.state import Root
from nsl_protocol.enclave.messages import Curve, KeyName

_FORMAT = b"\x01"
_NONCE_BYTES = 12


class KeySecret(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The inside of a wrapped key: 32 secret bytes, and what they may be used for."""

    curve: Curve
    blind_signing: bool
    secret: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Wrapping:
    """Wraps and opens keys under keys that follow from the root."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(KeySecret)

    def wrap_key(self, name: KeyName, secret: KeySecret) -> bytes:
        """The blob that the host stores."""
        return self._wrap(self._key_for(name.tenant), _about_key(name), self._encoder.encode(secret))

    def open_key(self, name: KeyName, wrapped: bytes) -> KeySecret:
        """Raises Refusal when the blob is not exactly this key's."""
        opened = self._open(self._key_for(name.tenant), _about_key(name), wrapped)
        return self._decoder.decode(opened)

    def wrap_token_key(self, kid: str, der: bytes) -> bytes:
        """The blob of an RSA private key, PKCS #8 DER inside."""
        return self._wrap(self._key_for(b"tokens"), _about_token_key(kid), der)

    def open_token_key(self, kid: str, wrapped: bytes) -> bytes:
        """Raises Refusal when the blob is not this token key's."""
        return self._open(self._key_for(b"tokens"), _about_token_key(kid), wrapped)

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """A secret of the service's own, for one purpose."""
        return self._wrap(self._key_for(b"secrets"), _about_secret(purpose), secret)

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """Raises Refusal when the blob was not sealed for this purpose."""
        return self._open(self._key_for(b"secrets"), _about_secret(purpose), sealed)

    def _key_for(self, salt: bytes) -> AESGCM:
        return AESGCM(self._root.wrapping_key(salt))

    @staticmethod
    def _wrap(key: AESGCM, about: bytes, secret: bytes) -> bytes:
        nonce = random_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + key.encrypt(nonce, secret, about)

    @staticmethod
    def _open(key: AESGCM, about: bytes, wrapped: bytes) -> bytes:
        start = len(_FORMAT) + _NONCE_BYTES
        try:
            opened = key.decrypt(wrapped[len(_FORMAT) : start], wrapped[start:], about)
        except (InvalidTag, ValueError):
            opened = None
        if opened is None or not wrapped.startswith(_FORMAT):
            raise Refusal("KEY_NOT_AUTHENTIC", "The stored key was not wrapped here for this tenant, key and version.")
        return opened


def _about_key(name: KeyName) -> bytes:
    return b"nsl-kme-key-v1" + name.tenant + name.key + name.version.to_bytes(4)


def _about_secret(purpose: str) -> bytes:
    return b"nsl-kme-secret-v1" + purpose.encode()


def _about_token_key(kid: str) -> bytes:
    return b"nsl-kme-token-v1" + kid.encode()
