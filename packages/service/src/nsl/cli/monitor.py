"""``nsl audit monitor``: follows the log and its witnesses, and reports whatever cannot be true of one history."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx
from msgspec import DecodeError, Struct
from msgspec.json import decode, encode
from msgspec.structs import replace

from nsl.kit.errors import Failure
from nsl.kit.files import write_private
from nsl_client import ApiError, Client
from nsl_protocol.audit.heads import Head, SignedHead, parse_signed_head, verify_log_line
from nsl_protocol.audit.leaves import EnclaveLeaf, LostLeaves, read_leaf
from nsl_protocol.audit.merkle import Frontier, leaf_hash
from nsl_protocol.audit.witness import contradicts
from nsl_protocol.errors import CodecError

PAGE: Final = 1000
TIMEOUT_SECONDS: Final = 10.0
_DENIED: Final = 403


class MonitorUnreadable(Failure):
    """A state file that cannot be read, or is of another log."""

    code = "MONITOR_FILE_UNREADABLE"


class Finding(Struct, frozen=True):
    """What is wrong, in a sentence; and the two signed heads that show it, where there are such."""

    what: str
    detail: str
    heads: tuple[str, ...] = ()


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """What the monitor knows of the log.

    Attributes:
        note: the newest head that it has followed; "" before the first.
        frontier: of the leaves that it has read itself, hex hashes; ``read`` of them.
        runs: by run, the number that its next leaf must have; ``keys``: by run and key, the same.
        lost: leaves that the log says to be lost.
    """

    note: str = ""
    read: int = 0
    frontier: tuple[str, ...] = ()
    runs: dict[str, int] = {}
    keys: dict[str, int] = {}
    lost: int = 0

    @property
    def tree(self) -> Frontier:
        """Of the leaves that were read."""
        return Frontier(self.read, tuple(bytes.fromhex(each) for each in self.frontier))


class Monitor:
    """
    Args:
        log_keys: that may sign heads.
        witnesses: their addresses.
        state: where what was seen is kept.
    """

    def __init__(self, client: Client, log_keys: Sequence[bytes], witnesses: Sequence[str], state: Path) -> None:
        self._client = client
        self._log_keys = log_keys
        self._witnesses = witnesses
        self._state = state
        self.seen = _read(state)

    def look(self) -> list[Finding]:
        """Follow the log to its newest head; what was found wrong. What is wrong is not followed."""
        signed = parse_signed_head(self._client.audit.tree_head().checkpoint)
        findings = list(self._unsigned(signed)) or list(self._followed(signed)) + list(self._witnessed(signed))
        if not findings:
            self.seen = replace(self.seen, note=signed.note)
            write_private(self._state, encode(self.seen).decode())
        return findings

    def _unsigned(self, signed: SignedHead) -> Iterator[Finding]:
        for key in self._log_keys:
            try:
                verify_log_line(signed, key)
            except CodecError:
                continue
            return
        yield Finding("not signed", "The newest head is not signed by a log key that you trust.", (signed.note,))

    def _followed(self, signed: SignedHead) -> Iterator[Finding]:
        """Against what was seen before, and leaf by leaf where they may be read."""
        if self.seen.note:
            yield from self._contradiction(parse_signed_head(self.seen.note), signed, "the log as it was before")
        try:
            yield from self._leaves(signed)
        except ApiError as error:
            if error.status != _DENIED:
                raise

    def _leaves(self, signed: SignedHead) -> Iterator[Finding]:
        seen, head = self.seen, signed.head
        while seen.read < head.size:
            count = min(PAGE, head.size - seen.read)
            page = self._client.audit.leaves(limit=count, cursor=str(seen.read)).items
            if [each.index for each in page] != list(range(seen.read, seen.read + count)):
                yield Finding(
                    "leaves missing", f"The log does not show its leaves from {seen.read} on.", (signed.note,)
                )
                return
            seen = replace(seen, runs=dict(seen.runs), keys=dict(seen.keys))
            for each in page:
                seen, finding = _after(seen, each.index, each.leaf)
                if finding is not None:
                    yield finding
            tree = seen.tree.appended(leaf_hash(each.leaf.encode()) for each in page)
            seen = replace(seen, read=tree.size, frontier=tuple(each.hex() for each in tree.hashes))
        if seen.read == head.size and seen.tree.root != head.root:
            yield Finding(
                "other leaves", "The leaves that are shown do not make the tree that is signed.", (signed.note,)
            )
            return
        self.seen = seen

    def _witnessed(self, signed: SignedHead) -> Iterator[Finding]:
        for url in self._witnesses:
            answer = httpx.get(f"{url}/checkpoint", params={"origin": signed.head.origin}, timeout=TIMEOUT_SECONDS)
            if answer.is_success:
                known = parse_signed_head(answer.text)
                yield from list(self._unsigned(known)) or self._contradiction(known, signed, f"the witness at {url}")

    def _contradiction(self, known: SignedHead, signed: SignedHead, whose: str) -> Iterator[Finding]:
        proof = self._consistency(known.head, signed.head)
        if known.head.origin != signed.head.origin:
            raise MonitorUnreadable(f"What was seen is of {known.head.origin}, this log is {signed.head.origin}.")
        if proof is None or contradicts(known.head, signed.head, proof):
            detail = (
                f"Two histories: the head of {signed.head.size} leaves does not continue {whose}, which has "
                f"{known.head.size}. Both are signed by the log key: keep them."
            )
            yield Finding("split view", detail, (known.note, signed.note))

    def _consistency(self, one: Head, other: Head) -> tuple[bytes, ...] | None:
        """None: the log gives none."""
        former, size = sorted((one.size, other.size))
        try:
            return tuple(bytes.fromhex(each) for each in self._client.audit.consistency(former, size).proof)
        except ApiError:
            return None


def _after(seen: Seen, index: int, text: str) -> tuple[Seen, Finding | None]:
    """What is known after one more leaf, and what is wrong with it; the counts in ``seen`` go on."""
    try:
        leaf = read_leaf(text.encode())
    except CodecError as error:
        return seen, Finding("unreadable leaf", f"Leaf {index} {error}.")
    match leaf:
        case LostLeaves():
            seen.runs[leaf.run] = leaf.last + 1
            return replace(seen, lost=seen.lost + leaf.last - leaf.first + 1), None
        case EnclaveLeaf():
            return seen, _wrong_with(seen, index, leaf)
    return seen, None


def _wrong_with(seen: Seen, index: int, leaf: EnclaveLeaf) -> Finding | None:
    expected, place = seen.runs.get(leaf.run, 0), f"{leaf.run} {leaf.key}"
    of_key = seen.keys.get(place, 0)
    seen.runs[leaf.run] = leaf.number + 1
    # Where leaves are lost a key's own numbers have gaps as well.
    gap = leaf.key_number is not None and leaf.key_number != of_key and seen.lost == 0
    if leaf.key_number is not None:
        seen.keys[place] = leaf.key_number + 1
    if leaf.number == expected and not gap:
        return None
    return Finding("gap", f"Leaf {index} is number {leaf.number} of run {leaf.run}; {expected} was due.")


def _read(path: Path) -> Seen:
    if not path.exists():
        return Seen()
    try:
        return decode(path.read_bytes(), type=Seen)
    except (OSError, DecodeError) as error:
        raise MonitorUnreadable(f"{path} cannot be read: {error}.") from error
