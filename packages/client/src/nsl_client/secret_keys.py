"""Calls of keys that encrypt or authenticate, and their answers. Bytes are bytes here, and base64 on the way."""

from base64 import b64encode
from urllib.parse import quote

import msgspec

from nsl_client.calls import Call


class Ciphertext(msgspec.Struct, frozen=True):
    """``ciphertext``: keep it whole. ``record_id``: of its leaf in the audit log."""

    ciphertext: bytes
    key_version: int
    record_id: str


class Plaintext(msgspec.Struct, frozen=True):
    plaintext: bytes
    key_version: int
    record_id: str

    def __repr__(self) -> str:
        return f"Plaintext({len(self.plaintext)} bytes)"


class DataKey(msgspec.Struct, frozen=True):
    """``plaintext``: 32 bytes to encrypt with; ``decrypt`` gives them again for ``ciphertext``."""

    ciphertext: bytes
    key_version: int
    record_id: str
    plaintext: bytes | None = None

    def __repr__(self) -> str:
        return f"DataKey(ciphertext={self.ciphertext.hex()})"


class Mac(msgspec.Struct, frozen=True):
    """``mac``: HMAC-SHA256."""

    mac: bytes
    key_version: int
    record_id: str


class MacVerdict(msgspec.Struct, frozen=True):
    valid: bool
    key_version: int
    record_id: str


def encrypt(key_id: str, plaintext: bytes, *, context: bytes = b"") -> Call[Ciphertext]:
    """Encrypt up to 64 KiB. ``context`` has to be brought again to decrypt."""
    return _call(key_id, "encrypt", Ciphertext, plaintext=plaintext, context=context)


def decrypt(key_id: str, ciphertext: bytes, *, context: bytes = b"") -> Call[Plaintext]:
    """What ``encrypt`` or ``generate_data_key`` gave, in the clear."""
    return _call(key_id, "decrypt", Plaintext, ciphertext=ciphertext, context=context)


def generate_data_key(key_id: str, *, show: bool = True, context: bytes = b"") -> Call[DataKey]:
    """A fresh 256-bit key, encrypted by this one; ``show``: and in the clear."""
    body = {"show": show, "context": _text(context)}
    return Call("POST", f"/v1/keys/{quote(key_id, safe='')}/data-keys", DataKey, body, repeats=True)


def mac(key_id: str, data: bytes) -> Call[Mac]:
    """HMAC-SHA256 of up to 64 KiB."""
    return _call(key_id, "mac", Mac, data=data)


def verify_mac(key_id: str, data: bytes, mac: bytes) -> Call[MacVerdict]:
    """Whether a MAC is the data's, compared in constant time inside the enclave."""
    return _call(key_id, "mac/verify", MacVerdict, data=data, mac=mac)


def _call[T](key_id: str, act: str, kind: type[T], **fields: bytes) -> Call[T]:
    body = {name: _text(value) for name, value in fields.items()}
    return Call("POST", f"/v1/keys/{quote(key_id, safe='')}/{act}", kind, body, repeats=True)


def _text(value: bytes) -> str:
    return b64encode(value).decode()
