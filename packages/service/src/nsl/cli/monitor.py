"""``nsl audit monitor``: follows log, witnesses and anchors, and reports whatever cannot be true of one history.

Whoever runs the log answers the monitor, and may hold the log key: nothing that it answers is believed for being
answered, and nothing that it can answer ends the monitor with a defect.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx
from msgspec import DecodeError, Struct
from msgspec.json import decode, encode
from msgspec.structs import replace

from nsl.adapters.neo_n3.anchoring import Anchor
from nsl.cli.anchoring import ChainReader
from nsl.cli.heads import is_signed, read_head
from nsl.kit.clock import unix_seconds
from nsl.kit.errors import Failure
from nsl.kit.files import write_private
from nsl_client import ApiError, Client
from nsl_protocol.audit.heads import NOTE_CHARACTERS_MAX, Head, SignedHead, parse_signed_head
from nsl_protocol.audit.leaves import EnclaveLeaf, LostLeaves, read_leaf
from nsl_protocol.audit.merkle import Frontier, leaf_hash
from nsl_protocol.audit.witness import contradicts
from nsl_protocol.errors import CodecError

PAGE: Final = 1000
TIMEOUT_SECONDS: Final = 10.0
#: by which the log says that it has no such tree, or no such proof
_NOT_THERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})


class MonitorUnreadable(Failure):
    """A state file that cannot be read, or is of another log."""

    code = "MONITOR_FILE_UNREADABLE"


class Finding(Struct, frozen=True):
    """What is wrong, in a sentence; and the signed heads that show it, where there are such."""

    what: str
    detail: str
    heads: tuple[str, ...] = ()


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """What the monitor knows of the log.

    Attributes:
        note: the newest head that it has followed; "" before the first.
        frontier: of the leaves that it has read itself, hex hashes; ``read`` of them.
        runs: by run, the number that its next leaf must have; ``keys``: by run and key, the same.
        lost: leaves that the log says to be lost; ``incomplete``: the runs that they are of.
        height: the block of the chain that is read next; ``anchored``: leaves of the largest head on it.
        waiting_since: Unix seconds, when a head without a newer anchor was first seen; 0: none waits.
    """

    note: str = ""
    read: int = 0
    frontier: tuple[str, ...] = ()
    runs: dict[str, int] = {}
    keys: dict[str, int] = {}
    lost: int = 0
    incomplete: frozenset[str] = frozenset()
    height: int = -1
    anchored: int = 0
    waiting_since: int = 0

    @property
    def tree(self) -> Frontier:
        """Of the leaves that were read."""
        return Frontier(self.read, tuple(bytes.fromhex(each) for each in self.frontier))


@dataclass(frozen=True, slots=True)
class Anchors:
    """Where heads are anchored, and how long the log may grow without."""

    chain: ChainReader
    within_seconds: int


class Look(Struct, frozen=True):
    """What came of one look: what is wrong, and what could not be compared, in a sentence each."""

    findings: tuple[Finding, ...]
    unsure: tuple[str, ...] = ()


class Monitor:
    """
    Args:
        logs: the keys that may sign heads, by the log's origin: of one log.
        witnesses: their addresses.
        state: where what was seen is kept.
        heads: files with what others were shown: receipts or checkpoints.
        anchors: the chain that heads are anchored on.

    Raises:
        MonitorUnreadable: the state cannot be read, or is of another log; or more logs than one are named.
        HeadUnreadable: a file has no head.
    """

    def __init__(
        self,
        client: Client,
        logs: Mapping[str, frozenset[bytes]],
        witnesses: Sequence[str],
        state: Path,
        heads: Sequence[Path] = (),
        anchors: Anchors | None = None,
    ) -> None:
        if len(logs) != 1:
            raise MonitorUnreadable("A monitor follows one log: name its origin with each of its keys.")
        self._client = client
        ((self._origin, self._log_keys),) = logs.items()
        self._witnesses = witnesses
        self._heads = {f"the head in {path}": read_head(path) for path in heads}
        self._state = state
        self._anchors = anchors
        self.seen, self._known = _read(state)
        if self._known is not None and self._known.head.origin != self._origin:
            raise MonitorUnreadable(f"{state} is of {self._known.head.origin}, not of {self._origin}.")

    def look(self) -> Look:
        """Follow the log to its newest head. What is wrong is not followed."""
        # Before the head: what is cosigned is shown a moment later.
        others = {f"the witness at {url}": self._cosigned(url) for url in self._witnesses}
        others |= {whose: self._of_this_log(head) for whose, head in self._heads.items()}
        anchors, height, unread = self._anchored()
        others |= {f"the anchor in transaction {each.transaction}": each.signed for each in anchors}
        found = self._authentic(self._client.audit.tree_head().checkpoint)
        if isinstance(found, Finding):
            return Look((found,))
        findings = list(self._followed(found))
        unsure = [*unread]
        for whose, known in others.items():
            name = whose[0].upper() + whose[1:]
            if isinstance(known, str):
                unsure.append(f"{name} {known}: nothing was compared with it.")
                continue
            split = list(self._contradiction(known, found, whose))
            findings += split
            if known.head.size > found.head.size and not split:
                unsure.append(f"{name} knows the log at {known.head.size} leaves; the log shows {found.head.size}.")
        if not findings:
            self.seen = replace(self.seen, note=found.note, height=height)
            self._known = found
            if self._anchors is not None:
                unsure += self._waiting(found.head.size, max((each.signed.head.size for each in anchors), default=0))
            write_private(self._state, encode(self.seen).decode())
        return Look(tuple(findings), tuple(unsure))

    def _authentic(self, note: str) -> SignedHead | Finding:
        """The head that the log shows, if it is one of this log at all."""
        try:
            signed = parse_signed_head(note)
        except CodecError as error:
            return Finding("no head", f"What the log shows as its newest head {error.reason}.")
        if not is_signed(signed, self._log_keys):
            return Finding("not signed", "The newest head is not signed by a log key that you trust.", (note,))
        if signed.head.origin != self._origin:
            # No witness of this log is asked about heads of another name.
            detail = f"The log key has signed a head of {signed.head.origin}, which is not {self._origin}."
            return Finding("another log", detail, (note,))
        return signed

    def _followed(self, signed: SignedHead) -> Iterator[Finding]:
        """Against what was seen before, and leaf by leaf where they may be read."""
        if self._known is not None:
            split = list(self._contradiction(self._known, signed, "the log as it was before"))
            yield from split
            known = self._known.head.size
            if signed.head.size < known and not split:
                # Who went back with it would not notice a history that goes on from there in another way.
                detail = f"The log shows {signed.head.size} leaves, and has shown {known} before: it only ever grows."
                yield Finding("older head", detail, (self._known.note, signed.note))
        try:
            yield from self._leaves(signed)
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
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

    def _cosigned(self, url: str) -> SignedHead | str:
        """The newest head that a witness has cosigned; or why there is none to compare with."""
        try:
            answer = httpx.get(f"{url}/checkpoint", params={"origin": self._origin}, timeout=TIMEOUT_SECONDS)
        except httpx.HTTPError:
            return "does not answer"
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return "has cosigned no head of this log"
        if not answer.is_success:
            return f"answers {answer.status_code}"
        try:
            known = parse_signed_head(answer.text[: NOTE_CHARACTERS_MAX + 1])
        except CodecError as error:
            return f"shows what {error.reason}"
        return self._of_this_log(known)

    def _of_this_log(self, known: SignedHead) -> SignedHead | str:
        if known.head.origin != self._origin or not is_signed(known, self._log_keys):
            return "shows a head that no key of this log has signed"
        return known

    def _anchored(self) -> tuple[Sequence[Anchor], int, tuple[str, ...]]:
        """What is anchored since the last look, where to go on from, and why that could not be read."""
        if self._anchors is None:
            return (), self.seen.height, ()
        try:
            found, height = self._anchors.chain.read(self._origin, self._log_keys, self.seen.height)
        except Failure as error:
            return (), self.seen.height, (f"The chain could not be read, and no anchor compared: {error.detail}",)
        # Anybody may anchor a head again: it is compared once.
        return list({each.signed.head: each for each in found}.values()), height, ()

    def _waiting(self, size: int, newest: int) -> Iterator[str]:
        """Whether the log has grown for too long without being anchored."""
        seen, limit = self.seen, 0 if self._anchors is None else self._anchors.within_seconds
        anchored = max(seen.anchored, newest)
        since = seen.waiting_since if anchored == seen.anchored else 0
        since = (since or unix_seconds()) if size > anchored else 0
        self.seen = replace(seen, anchored=anchored, waiting_since=since)
        if since and unix_seconds() - since > limit:
            yield f"No newer head was anchored for {limit} s: {anchored} leaves are anchored, and the log has {size}."

    def _contradiction(self, known: SignedHead, signed: SignedHead, whose: str) -> Iterator[Finding]:
        proof = self._consistency(known.head, signed.head)
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
        except ApiError as error:
            if error.status not in _NOT_THERE:
                raise
        except ValueError:
            pass
        return None


def _after(seen: Seen, index: int, text: str) -> tuple[Seen, Finding | None]:
    """What is known after one more leaf, and what is wrong with it; the counts in ``seen`` go on."""
    try:
        leaf = read_leaf(text.encode())
    except CodecError as error:
        return seen, Finding("unreadable leaf", f"Leaf {index} {error}.")
    match leaf:
        case LostLeaves():
            return _after_lost(seen, index, leaf)
        case EnclaveLeaf():
            return seen, _wrong_with(seen, index, leaf)
    return seen, None


def _after_lost(seen: Seen, index: int, leaf: LostLeaves) -> tuple[Seen, Finding | None]:
    expected = seen.runs.get(leaf.run, 0)
    if leaf.first != expected or leaf.last < leaf.first:
        detail = f"Leaf {index} says that {leaf.first} to {leaf.last} of run {leaf.run} are lost; {expected} was due."
        return seen, Finding("gap", detail)
    seen.runs[leaf.run] = leaf.last + 1
    lost = seen.lost + leaf.last - leaf.first + 1
    return replace(seen, lost=lost, incomplete=seen.incomplete | {leaf.run}), None


def _wrong_with(seen: Seen, index: int, leaf: EnclaveLeaf) -> Finding | None:
    expected, place = seen.runs.get(leaf.run, 0), f"{leaf.run} {leaf.key}"
    of_key = seen.keys.get(place, 0)
    seen.runs[leaf.run] = leaf.number + 1
    if leaf.key_number is not None:
        seen.keys[place] = leaf.key_number + 1
    if leaf.number != expected:
        return Finding("gap", f"Leaf {index} is number {leaf.number} of run {leaf.run}; {expected} was due.")
    if leaf.key_number is None or leaf.key_number == of_key:
        return None
    if leaf.key_number > of_key and leaf.run in seen.incomplete:
        return None  # Where leaves of a run are lost the keys' own numbers have gaps as well.
    detail = f"Leaf {index} is number {leaf.key_number} of key {leaf.key} in run {leaf.run}; {of_key} was due."
    return Finding("gap", detail)


def _read(path: Path) -> tuple[Seen, SignedHead | None]:
    if not path.exists():
        return Seen(), None
    try:
        seen = decode(path.read_bytes(), type=Seen)
        return seen, parse_signed_head(seen.note) if seen.note else None
    except (OSError, DecodeError, CodecError) as error:
        raise MonitorUnreadable(f"{path} cannot be read: {error}.") from error
