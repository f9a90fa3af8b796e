"""Keys at rest: AES-256-GCM under a key derived from the root, bound to whose key it is.

Format: 1 byte format, 4 bytes number of the root, 12 bytes nonce, ciphertext. The associated data names purpose,
tenant, key and version (or the token key's id), so a blob that is moved to another row does not open. What a key may do
is sealed inside, and which edition of it this is, and in whose place: the register knows the present one.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.state import Root
from nsl_protocol.attestation.keys import Origin
from nsl_protocol.enclave.lifecycle import KeyState
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.portable import Recipients
from nsl_protocol.enclave.wrapped import (
    ABOUT_LOG,
    KeyName,
    WrappedKey,
    WrappedLedger,
    WrappedLog,
    WrappedSecret,
    WrappedTokenKey,
    about_secret,
    about_token_key,
)

RSA_SECRET_BYTES = 384
SECRET_BYTES = 32
#: with the longest policy there is room for so many in a blob; at 90 days each, eight years
EARLIER_MAX = 32

_FORMAT = b"\x03"
_GENERATION_BYTES = 4
_NONCE_BYTES = 12
_HEADER_BYTES = len(_FORMAT) + _GENERATION_BYTES
_TOKENS, _SECRETS, _LOG = b"tokens", b"secrets", b"log"
EDITION_BYTES = 16
#: what the first edition of a key takes the place of
NOTHING = bytes(EDITION_BYTES)


type SecretBytes = Annotated[bytes, Meta(min_length=SECRET_BYTES, max_length=SECRET_BYTES)]


class KeySecret(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The inside of a wrapped key: what it may be used for, and whether it may be used at all.

    Attributes:
        policy: what it may sign, in its one encoding.
        secret: 32 bytes, or the primes of an RSA key; None in a tombstone, which is what is left of a destroyed key.
        destroys_at: enclave time, Unix seconds, from which a key that waits may be destroyed; 0 for any other.
        origin: where the secret was made.
        recipients: whom it may be exported to; fixed when the key was made.
        policy_number: from 1; each change of the policy counts on.
        frozen_at: enclave time of its latest freeze, Unix seconds; later with each.
        disabled: a frozen key does not sign when it is unfrozen, either: it did not before.
        version: of the secret; ``earlier``: those that it had before, from version 1 on.
        public_key: of a tombstone, that the key had; ``destroyed_at``: when it was destroyed, enclave time.
        following: the policy that waits to hold; empty: none does. ``following_at``: from when it may, Unix seconds.
    """

    curve: Curve
    policy: bytes
    secret: Annotated[bytes, Meta(min_length=32, max_length=RSA_SECRET_BYTES)] | None
    state: KeyState = KeyState.ACTIVE
    destroys_at: int = 0
    origin: Origin = Origin.GENERATED
    recipients: Recipients = ()
    policy_number: int = 1
    following: bytes = b""
    following_at: int = 0
    frozen_at: int = 0
    disabled: bool = False
    public_key: bytes = b""
    destroyed_at: int = 0
    version: int = 1
    earlier: Annotated[tuple[SecretBytes, ...], Meta(max_length=EARLIER_MAX)] = ()

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """All versions that there are, from 1 on. None in a tombstone."""
        return () if self.secret is None else (*self.earlier, self.secret)


@dataclass(frozen=True, slots=True)
class Opened[T]:
    """What was inside. ``replaces``: the edition whose place this one takes; ``NOTHING`` for the first."""

    edition: bytes
    replaces: bytes
    secret: T


class Wrapping:
    """Wraps and opens keys under keys that follow from the root."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(KeySecret)

    def wrap_key(self, name: KeyName, secret: KeySecret, replaces: bytes = NOTHING) -> bytes:
        """The blob of another edition, which the host stores; the first one takes the place of nothing."""
        return self._wrap(name.tenant, name.about, _edition(replaces) + self._encoder.encode(secret))

    def open_key(self, name: KeyName, wrapped: bytes) -> Opened[KeySecret]:
        """Raises Refusal when the blob is not exactly this key's."""
        opened = _split(self._open(name.tenant, name.about, wrapped))
        return Opened(opened.edition, opened.replaces, self._decoder.decode(opened.secret))

    def wrap_token_key(self, kid: str, der: bytes) -> bytes:
        """The blob of an RSA private key, PKCS #8 DER inside."""
        return self._wrap(_TOKENS, about_token_key(kid), _edition(NOTHING) + der)

    def open_token_key(self, kid: str, wrapped: bytes) -> Opened[bytes]:
        """Raises Refusal when the blob is not this token key's."""
        return _split(self._open(_TOKENS, about_token_key(kid), wrapped))

    def wrap_log(self, state: bytes, replaces: bytes) -> bytes:
        """The blob of another edition of the audit log's state."""
        return self._wrap(_LOG, ABOUT_LOG, _edition(replaces) + state)

    def open_log(self, wrapped: bytes) -> Opened[bytes]:
        """Raises Refusal when the blob is not the audit log's."""
        return _split(self._open(_LOG, ABOUT_LOG, wrapped))

    def wrap_ledger(self, whose: WrappedLedger, content: bytes, replaces: bytes) -> bytes:
        """The blob of another edition of a key's ledger."""
        return self._wrap(whose.tenant, whose.about, _edition(replaces) + content)

    def open_ledger(self, item: WrappedLedger) -> Opened[bytes]:
        """Raises Refusal when the blob is no ledger of this key."""
        return _split(self._open(item.tenant, item.about, item.wrapped))

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """A secret of the service's own, for one purpose."""
        return self._wrap(_SECRETS, about_secret(purpose), secret)

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """Raises Refusal when the blob was not sealed for this purpose."""
        return self._open(_SECRETS, about_secret(purpose), sealed)

    def rewrap(self, item: WrappedKey | WrappedTokenKey | WrappedLog | WrappedLedger | WrappedSecret) -> bytes:
        """The same under the latest root. Raises Refusal when it does not open."""
        match item:
            case WrappedKey():
                salt, about = item.name.tenant, item.name.about
            case WrappedTokenKey():
                salt, about = _TOKENS, about_token_key(item.kid)
            case WrappedLog():
                salt, about = _LOG, ABOUT_LOG
            case WrappedLedger():
                salt, about = item.tenant, item.about
            case WrappedSecret():
                salt, about = _SECRETS, about_secret(item.purpose)
        return self._wrap(salt, about, self._open(salt, about, item.wrapped))

    def _wrap(self, salt: bytes, about: bytes, secret: bytes) -> bytes:
        key = self._root.wrapping_key(salt, self._root.generation)
        if key is None:
            raise RuntimeError("the latest root is always there")
        nonce = random_bytes(_NONCE_BYTES)
        header = _FORMAT + self._root.generation.to_bytes(_GENERATION_BYTES)
        return header + nonce + AESGCM(key).encrypt(nonce, secret, about)

    def _open(self, salt: bytes, about: bytes, wrapped: bytes) -> bytes:
        generation = int.from_bytes(wrapped[len(_FORMAT) : len(_FORMAT) + _GENERATION_BYTES])
        key = self._root.wrapping_key(salt, generation)
        if not wrapped.startswith(_FORMAT):
            raise Refusal("KEY_NOT_AUTHENTIC", "The stored key is in no form that is known here.")
        if key is None:
            latest = self._root.generation
            raise Refusal("ROOT_UNKNOWN", f"The stored key is under root {generation}; the latest here is {latest}.")
        nonce, ciphertext = (
            wrapped[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES],
            wrapped[_HEADER_BYTES + _NONCE_BYTES :],
        )
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, about)
        except (InvalidTag, ValueError) as error:
            raise Refusal(
                "KEY_NOT_AUTHENTIC", "The stored key was not wrapped here for this tenant, key and version."
            ) from error


def _edition(replaces: bytes) -> bytes:
    return random_bytes(EDITION_BYTES) + replaces


def _split(content: bytes) -> Opened[bytes]:
    return Opened(content[:EDITION_BYTES], content[EDITION_BYTES : 2 * EDITION_BYTES], content[2 * EDITION_BYTES :])
