"""Heads of the audit log as C2SP checkpoints (c2sp.org/tlog-checkpoint), signed as notes (c2sp.org/signed-note).

The log's line is an Ed25519 signature over the text; a witness' line is a cosignature/v1 (c2sp.org/tlog-cosignature),
over a time and the text.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from nsl_protocol.audit.merkle import HASH_BYTES
from nsl_protocol.errors import CodecError

NOTE_CHARACTERS_MAX: Final = 16_384
LINES_MAX: Final = 64
_ED25519, _COSIGNATURE = b"\x01", b"\x04"
_KEY_HASH_BYTES: Final = 4
_TIME_BYTES: Final = 8
_DASH: Final = "\u2014 "  # a dash by its name would load the names of all characters where this is compiled
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Head:
    """A tree: whose, how many leaves, its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed; each line ended."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A signature as a note carries it: by which key, and what."""

    name: str
    key_hash: bytes
    signature: bytes

    @property
    def text(self) -> str:
        """As it stands in the note, without its end."""
        return f"{_DASH}{self.name} {b64encode(self.key_hash + self.signature).decode()}"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head and the lines under it."""

    head: Head
    lines: tuple[Line, ...]

    @property
    def note(self) -> str:
        """As it is handed on."""
        return "".join((self.head.text, "\n", *(f"{line.text}\n" for line in self.lines)))

    def with_line(self, line: Line) -> Self:
        """With one more, once."""
        return self if line in self.lines else type(self)(self.head, (*self.lines, line))


@dataclass(frozen=True, slots=True)
class Witness:
    """Who cosigns: a name, and an Ed25519 key. In text ``name+hash+key``, as signed notes write verifier keys."""

    name: str
    public_key: bytes

    @property
    def text(self) -> str:
        hashed = _key_hash(self.name, _COSIGNATURE, self.public_key).hex()
        return f"{self.name}+{hashed}+{b64encode(_COSIGNATURE + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises CodecError."""
        name, _, rest = text.partition("+")
        key = rest.partition("+")[2]
        raw = _base64(key, "witness")
        if raw[:1] != _COSIGNATURE or len(raw) != 1 + HASH_BYTES or not _NAME.fullmatch(name):
            raise CodecError("is no name+hash+key of a cosignature/v1 key", field="witness")
        made = cls(name, raw[1:])
        if made.text != text:
            raise CodecError("has another hash than its key", field="witness")
        return made

    def cosigned_at(self, signed: SignedHead) -> int | None:
        """The time of its line, Unix seconds; None: it has none there. Raises CodecError: one that does not hold."""
        hashed = _key_hash(self.name, _COSIGNATURE, self.public_key)
        for line in signed.lines:
            if line.name == self.name and hmac.compare_digest(line.key_hash, hashed):
                time = int.from_bytes(line.signature[:_TIME_BYTES])
                _verify(self.public_key, line.signature[_TIME_BYTES:], _cosigned_text(time, signed.head))
                return time
        return None


def origin(cluster: bytes) -> str:
    """The name of a cluster's log, which is that of its log key too."""
    return f"neo-service-layer/{cluster.hex()}"


def log_line(name: str, log_key: bytes, signature: bytes) -> Line:
    """The line of the log key's Ed25519 signature over a head's text."""
    return Line(name, _key_hash(name, _ED25519, log_key), signature)


def cosign(witness: Witness, key: Ed25519PrivateKey, head: Head, unix_seconds: int) -> Line:
    """A witness' line."""
    signature = key.sign(_cosigned_text(unix_seconds, head).encode())
    hashed = _key_hash(witness.name, _COSIGNATURE, witness.public_key)
    return Line(witness.name, hashed, unix_seconds.to_bytes(_TIME_BYTES) + signature)


def verify_log_line(signed: SignedHead, log_key: bytes) -> Line:
    """Check that the log key has signed the head; its line. Raises CodecError."""
    name = signed.head.origin
    hashed = _key_hash(name, _ED25519, log_key)
    for line in signed.lines:
        if line.name == name and hmac.compare_digest(line.key_hash, hashed):
            _verify(log_key, line.signature, signed.head.text)
            return line
    raise CodecError("is not signed by the log key", field="checkpoint")


def parse_signed_head(note: str) -> SignedHead:
    """Raises CodecError for anything but a checkpoint without extensions and its signatures."""
    if len(note) > NOTE_CHARACTERS_MAX:
        raise CodecError("is longer than any checkpoint", field="checkpoint")
    text, separator, rest = note.partition("\n\n")
    parts = text.split("\n")
    lines = rest.split("\n")
    if len(parts) != 3 or not separator or lines.pop() or not 0 < len(lines) <= LINES_MAX:  # noqa: PLR2004 - its lines
        raise CodecError("is not three lines, an empty one, and signatures", field="checkpoint")
    name, size, root = parts
    if not _NAME.fullmatch(name) or not _NUMBER.fullmatch(size):
        raise CodecError("names no origin or no size", field="checkpoint")
    signed = SignedHead(Head(name, int(size), _base64(root, "checkpoint")), tuple(map(parse_line, lines)))
    if signed.note != note or len(signed.head.root) != HASH_BYTES:
        raise CodecError("is not in the one form that a checkpoint has", field="checkpoint")
    return signed


def parse_line(text: str) -> Line:
    """A line of a signed note. Raises CodecError."""
    name, separator, raw = text.removeprefix(_DASH).partition(" ")
    if not text.startswith(_DASH) or not separator or not _NAME.fullmatch(name):
        raise CodecError("is no signature line", field="checkpoint")
    signature = _base64(raw, "checkpoint")
    return Line(name, signature[:_KEY_HASH_BYTES], signature[_KEY_HASH_BYTES:])


def _cosigned_text(time: int, head: Head) -> str:
    return f"cosignature/v1\ntime {time}\n{head.text}"


def _key_hash(name: str, algorithm: bytes, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + algorithm + public_key).digest()[:_KEY_HASH_BYTES]


def _verify(public_key: bytes, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text.encode())
    except (InvalidSignature, ValueError) as error:
        raise CodecError("carries a signature that does not hold", field="checkpoint") from error


def _base64(text: str, field: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CodecError("is not base64", field=field) from error
