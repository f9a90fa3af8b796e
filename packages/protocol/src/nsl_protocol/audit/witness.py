"""What a witness decides (c2sp.org/tlog-witness): it cosigns a head only if its own last one is the beginning of it.

Pure: the witness' memory is an argument, and what it remembers from then on the answer.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from nsl_protocol.audit.heads import Head, Line, SignedHead, parse_signed_head, verify_log_line
from nsl_protocol.audit.merkle import EMPTY_ROOT, HASH_BYTES
from nsl_protocol.audit.proofs import PROOF_HASHES_MAX, verify_consistency
from nsl_protocol.errors import CodecError

BODY_BYTES_MAX: Final = 65_536
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,15})")


class Why(IntEnum):
    """Why a witness does not cosign, as the HTTP status that it answers."""

    MALFORMED = 400
    NOT_SIGNED = 403  # by a key of that log
    NOT_FOLLOWED = 404
    OTHER_SIZE = 409  # it knows the log at another one, or at this one with another root
    INCONSISTENT = 422  # what it knows is no beginning of this


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A head to cosign, with the proof that the log of ``old`` leaves is its beginning."""

    old: int
    proof: tuple[bytes, ...]
    signed: SignedHead

    @property
    def body(self) -> bytes:
        """As it is sent."""
        hashes = "".join(f"{b64encode(each).decode()}\n" for each in self.proof)
        return f"old {self.old}\n{hashes}\n{self.signed.note}".encode()


@dataclass(frozen=True, slots=True)
class NotCosigned:
    """Why not. ``size``: of the head that the witness knows, where that is why."""

    status: Why
    reason: str
    size: int | None = None


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Raises CodecError."""
    if len(body) > BODY_BYTES_MAX:
        raise CodecError(f"more than {BODY_BYTES_MAX} bytes", field="body")
    try:
        first, _, rest = body.decode().partition("\n")
        hashes, _, note = ("\n" + rest).partition("\n\n")
        proof = tuple(b64decode(each, validate=True) for each in hashes.split("\n") if each)
    except (UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise CodecError("is not `old`, a proof and a checkpoint", field="body") from error
    old = _OLD.fullmatch(first)
    if old is None or len(proof) > PROOF_HASHES_MAX or any(len(each) != HASH_BYTES for each in proof):
        raise CodecError("is not `old`, a proof and a checkpoint", field="body")
    made = AddCheckpoint(int(old[1]), proof, parse_signed_head(note))
    if made.body != body:
        raise CodecError("is not in the one form that it has", field="body")
    return made


def considered(known: Head | None, log_keys: Collection[bytes], request: AddCheckpoint) -> SignedHead | NotCosigned:
    """The head that the witness may put its name to, and remembers before it does.

    Of the lines that came with it only the log's own are left: anybody can add others, and as many as a note holds.

    Args:
        known: the last head of this log that it cosigned.
        log_keys: of this log; empty: it is none that the witness follows.
    """
    head = request.signed.head
    if not log_keys:
        return NotCosigned(Why.NOT_FOLLOWED, f"This witness does not follow {head.origin}.")
    own = tuple(line for key in sorted(log_keys) if (line := _line_of(request.signed, key)) is not None)
    if not own:
        return NotCosigned(Why.NOT_SIGNED, "The checkpoint is not signed by a key of that log.")
    if request.old > head.size:
        return NotCosigned(Why.MALFORMED, "The old size is above the checkpoint's.")
    size, root = (0, EMPTY_ROOT) if known is None else (known.size, known.root)
    if request.old != size or (size > 0 and head.size == size and head.root != root):
        return NotCosigned(Why.OTHER_SIZE, f"This witness knows the log at {size} leaves.", size)
    try:
        verify_consistency(size, head.size, request.proof, root, head.root)
    except CodecError as error:
        return NotCosigned(Why.INCONSISTENT, f"What this witness knows is no beginning of it: {error}.")
    return SignedHead(head, own)


def _line_of(signed: SignedHead, log_key: bytes) -> Line | None:
    try:
        return verify_log_line(signed, log_key)
    except CodecError:
        return None


def contradicts(known: Head, other: Head, proof: Sequence[bytes]) -> bool:
    """Whether two heads of one log cannot both be true: neither is the beginning of the other."""
    former, later = sorted((known, other), key=lambda each: each.size)
    try:
        verify_consistency(former.size, later.size, proof, former.root, later.root)
    except CodecError:
        return True
    return False
