"""Heads of the audit log that people hand each other: read from files, judged by the log's keys, compared offline."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct
from msgspec.json import decode

from nsl.kit.errors import Failure
from nsl_client.model import Consistency
from nsl_protocol.audit.heads import SignedHead, parse_signed_head, verify_log_line
from nsl_protocol.audit.witness import contradicts
from nsl_protocol.errors import CodecError

#: whoever holds the log key can sign as many as he likes: a few of them are proof enough
EVIDENCE_FILES_MAX: Final = 1000

type Proofs = Mapping[tuple[int, int], tuple[bytes, ...]]


class HeadUnreadable(Failure):
    """A file that holds no head, or one that the log has not signed; or a proof that is none."""

    code = "HEAD_UNREADABLE"


class Agreement(StrEnum):
    """Whether two heads can be of one history."""

    AGREE = "agree"
    CONTRADICT = "contradict"  # both are signed by the log key: that proves it
    UNKNOWN = "unknown"  # of heads of different sizes only a proof of consistency tells


class Compared(Struct, frozen=True):
    """Two heads by the files that they are from, ``one`` not the larger."""

    one: str
    other: str
    sizes: tuple[int, int]
    verdict: Agreement


class _WithCheckpoint(Struct):
    """A receipt, or what `nsl audit head --json` prints."""

    checkpoint: str


def is_signed(signed: SignedHead, log_keys: Iterable[bytes]) -> bool:
    """By one of these keys of the log."""
    for key in log_keys:
        try:
            verify_log_line(signed, key)
        except CodecError:
            continue
        return True
    return False


def read_head(path: Path) -> SignedHead:
    """From a receipt, from a head as JSON, or from the checkpoint itself. Raises HeadUnreadable."""
    try:
        content = path.read_bytes()
        note = decode(content, type=_WithCheckpoint).checkpoint if content[:1] == b"{" else content.decode()
        return parse_signed_head(note)
    except (OSError, DecodeError, UnicodeDecodeError, CodecError) as error:
        raise HeadUnreadable(f"{path} is no receipt and no checkpoint: {error}.") from error


def read_proofs(paths: Iterable[Path]) -> Proofs:
    """By both sizes, of files as `nsl audit consistency` writes them. Raises HeadUnreadable."""
    found = {}
    for path in paths:
        try:
            proof = decode(path.read_bytes(), type=Consistency)
            found[proof.from_size, proof.to_size] = tuple(bytes.fromhex(each) for each in proof.proof)
        except (OSError, ValueError) as error:
            raise HeadUnreadable(f"{path} is no proof of consistency: {error}.") from error
    return found


def compared(paths: Sequence[Path], logs: Mapping[str, frozenset[bytes]], proofs: Proofs) -> list[Compared]:
    """Each with the next larger one; where all of these agree, all are of one history.

    Raises:
        HeadUnreadable: one of them is no head that a key of these logs has signed; they are of several logs; there is
            only one.
    """
    heads = sorted(((read_head(path), path) for path in paths), key=lambda each: each[0].head.size)
    for signed, path in heads:
        if not is_signed(signed, logs.get(signed.head.origin, frozenset())):
            raise HeadUnreadable(f"{path} is signed by no key that you name of {signed.head.origin}: it shows nothing.")
    if len({signed.head.origin for signed, _ in heads}) > 1:
        raise HeadUnreadable("These are heads of several logs: compare those of one.")
    if not heads[1:]:
        raise HeadUnreadable("One head agrees with itself: name two files or more.")
    return [
        Compared(str(one), str(other), (first.head.size, then.head.size), _verdict(first, then, proofs))
        for (first, one), (then, other) in pairwise(heads)
    ]


def _verdict(one: SignedHead, other: SignedHead, proofs: Proofs) -> Agreement:
    sizes = one.head.size, other.head.size
    if sizes[0] == sizes[1]:
        return Agreement.AGREE if one.head.root == other.head.root else Agreement.CONTRADICT
    proof = proofs.get(sizes)
    # A proof that does not hold shows nothing: anybody can write one.
    return Agreement.UNKNOWN if proof is None or contradicts(one.head, other.head, proof) else Agreement.AGREE


def keep_evidence(notes: Iterable[str], folder: Path | None) -> None:
    """Each head under a name that is its own: what is found later overwrites nothing."""
    if folder is None:
        return
    for note in notes:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"head-{hashlib.sha256(note.encode()).hexdigest()[:32]}.txt"
        if not path.exists() and len(list(folder.iterdir())) < EVIDENCE_FILES_MAX:
            path.write_text(note, encoding="utf-8")
