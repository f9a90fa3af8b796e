"""What stands in the audit log: JSON objects, so that an auditor reads them with any tool.

A leaf says by its ``source`` who vouches for it. What names people or says what somebody did stands in no leaf: only a
commitment to it does, SHA-256 over 16 random bytes and the text. Who has forgotten those has erased it, and the log
still verifies.
"""

import hashlib
import hmac
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from nsl_protocol.errors import CodecError

LEAF_BYTES_MAX = 4096
SALT_BYTES = 16

type HexHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
type HexRun = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
type Uuid = Annotated[str, Meta(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
type Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
type Act = Annotated[str, Meta(pattern="^[a-z][a-z_-]{0,39}(\\.[a-z][a-z_-]{0,39})?$")]


class HostLeaf(Struct, frozen=True, forbid_unknown_fields=True, tag_field="source", tag="host"):
    """An act that the service saw; no enclave has seen it.

    Attributes:
        id: of the record.
        unix_ms: by the host's clock.
        commitment: to the record's actor, target and detail.
    """

    id: UUID
    unix_ms: Count
    tenant: UUID
    act: Act
    commitment: HexHash


class EnclaveLeaf(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="source", tag="enclave", gc=False
):
    """An act of a key enclave, which has made this leaf itself.

    Attributes:
        run: of the enclave's program, from a start to its end; random.
        number: of the leaves of this run, from 0 and without gaps.
        unix_ms: enclave time.
        act: ``signature``, ``refusal``, ``key.created``, ...
        id: of the request, as the host named it.
        request: SHA-256 of what the enclave was asked.
        key_number: of this key's signatures and refusals in this run, from 0 and without gaps.
        outcome: SHA-256 of the public key and the signature, or of whatever was made.
        code: of a refusal.
        policy: the policy's hash.
        rules: of the policy, those that allowed or refused it.
        commitment: to the decoded meaning.
        approvers: whose approval was asked for and given.
    """

    run: HexRun
    number: Count
    unix_ms: Count
    act: Act
    id: Uuid | None = None
    tenant: Uuid | None = None
    key: Uuid | None = None
    version: Count = 0
    key_number: Count | None = None
    request: HexHash | None = None
    outcome: HexHash | None = None
    code: str | None = None
    policy: HexHash | None = None
    rules: tuple[str, ...] = ()
    commitment: HexHash | None = None
    approvers: tuple[str, ...] = ()


class LostLeaves(Struct, frozen=True, forbid_unknown_fields=True, tag_field="source", tag="lost"):
    """The enclave that keeps the log was told that these leaves of a run were never written down.

    That is so after a crash before a signature left; or somebody withholds them.
    """

    run: HexRun
    first: Count
    last: Count
    unix_ms: Count


type Leaf = HostLeaf | EnclaveLeaf | LostLeaves


class Place(Struct, frozen=True):
    """Where an enclave's leaf stands: the number of its run, hex, its own in that, and when it was made."""

    run: HexRun
    number: Count
    unix_ms: Count


_encoder = msgspec.json.Encoder()
_places = msgspec.json.Decoder(Place)
_decoder: msgspec.json.Decoder[Leaf] = msgspec.json.Decoder(Leaf)


def encode_leaf(leaf: Leaf) -> bytes:
    """Its bytes in the log."""
    return _encoder.encode(leaf)


def read_leaf(content: bytes) -> Leaf:
    """Raises CodecError for anything but a leaf's own bytes."""
    try:
        leaf = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"is no leaf of the audit log: {error}", field="leaf") from error
    if _encoder.encode(leaf) != content:
        raise CodecError("is not in the one form that a leaf has", field="leaf")
    return leaf


def place_of(content: bytes) -> Place:
    """Of an enclave's leaf, which is believed to be one. Raises CodecError."""
    try:
        return _places.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"is no leaf of an enclave: {error}", field="leaf") from error


def commitment(salt: bytes, text: bytes) -> str:
    """To a text, hex."""
    return hashlib.sha256(salt + text).hexdigest()


def commits(to: str, salt: bytes, text: bytes) -> bool:
    """Whether that commitment is to this text."""
    return hmac.compare_digest(commitment(salt, text), to)
