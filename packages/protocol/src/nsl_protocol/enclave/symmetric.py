"""Messages by which a host lets secret keys encrypt, decrypt and authenticate.

A ciphertext is 1 byte format, 4 bytes version of the secret, 24 bytes nonce, and the ciphertext with its tag by
XAES-256-GCM (C2SP). Tenant, key and version are associated data beside the caller's own. A key that was rotated
encrypts and authenticates by its latest secret, and decrypts and checks by all that it has had.
"""

from typing import Annotated

from msgspec import Meta

from nsl_protocol.enclave.fields import Id16, MarkedLeaf, Message, Wrapped
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.errors import CodecError

FORMAT = b"\x01"
NONCE_BYTES = 24
TAG_BYTES = 16
OVERHEAD_BYTES = len(FORMAT) + 4 + NONCE_BYTES + TAG_BYTES
PLAINTEXT_BYTES_MAX = 65_536
DATA_KEY_BYTES = 32
MAC_BYTES = 32
ORDERS_MAX = 256

type Plaintext = Annotated[bytes, Meta(max_length=PLAINTEXT_BYTES_MAX)]
type Ciphertext = Annotated[bytes, Meta(max_length=PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES)]
type Context = Annotated[bytes, Meta(max_length=4096)]


class Encrypt(Message, frozen=True):
    """``context``: associated data, which has to be brought again to decrypt."""

    plaintext: Plaintext
    context: Context = b""


class Decrypt(Message, frozen=True):
    ciphertext: Ciphertext
    context: Context = b""


class GenerateDataKey(Message, frozen=True):
    """32 random bytes, encrypted; they are ``Product.value``. ``shown``: in the clear as well."""

    shown: bool
    context: Context = b""


class Authenticate(Message, frozen=True):
    """HMAC-SHA256 (RFC 2104) of the data."""

    data: Plaintext


class CheckMac(Message, frozen=True):
    """Whether that is the data's HMAC by any version of the secret; compared in constant time."""

    data: Plaintext
    mac: Annotated[bytes, Meta(min_length=MAC_BYTES, max_length=MAC_BYTES)]


type Task = Encrypt | Decrypt | GenerateDataKey | Authenticate | CheckMac


class UseOrder(Message, frozen=True):
    """``id``: of the request, which the leaf names."""

    name: KeyName
    wrapped: Wrapped
    what: Task
    id: Id16


class Use(Message, frozen=True):
    """Up to 256, each answered on its own."""

    orders: Annotated[tuple[UseOrder, ...], Meta(min_length=1, max_length=ORDERS_MAX)]


# Answers ----------------------------------------------------------------------------------------------------------


class Product(Message, frozen=True):
    """``value``: ciphertext, plaintext or MAC; one byte, 1 or 0, of a check. ``data_key``: where it is to be shown.

    ``leaf`` is to be durable before any of it leaves.
    """

    value: bytes
    data_key: bytes | None
    leaf: MarkedLeaf


def version_of(ciphertext: bytes) -> int:
    """Of the secret that it is under. Raises CodecError: it is no ciphertext of ours."""
    if not ciphertext.startswith(FORMAT) or len(ciphertext) < OVERHEAD_BYTES:
        raise CodecError("is not what encrypt gave: bring it whole, as base64", field="ciphertext")
    return int.from_bytes(ciphertext[1:5])
