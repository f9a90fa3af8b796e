"""The audit log, as the enclave keeps it: what may be appended to what, and whose head is signed.

Pure but for the log key. Leaves of enclaves are taken by their MACs, each run's in the order in which it made them and
without gaps; what is missing stands in the log as lost. So a host can leave out only what a run made last before it
ended, and changes, moves and repeats nothing.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.leaves import LeafMacs
from nsl_enclave.kme.state import Root
from nsl_enclave.kme.wrapping import NOTHING, Opened, Wrapping
from nsl_protocol.audit.heads import Head, origin
from nsl_protocol.audit.leaves import Count, HostLeaf, LostLeaves, encode_leaf, place_of, read_leaf
from nsl_protocol.audit.merkle import Frontier, leaf_hash
from nsl_protocol.enclave.fields import Id16
from nsl_protocol.enclave.log import AppendLeaves, HeadSigned, LeavesAppended, Lost, ToAppend
from nsl_protocol.enclave.wrapped import WrappedLog
from nsl_protocol.errors import CodecError

RUNS_KEPT = 64


class _Run(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far the log is with a run: the number of its next leaf, and when the last one was made."""

    following: Count
    unix_ms: Count


class LogState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    Attributes:
        runs: the latest ones that leaves were appended of.
        forgotten_unix_ms: a run that is not among them and began before this is over: nothing more is taken of it.
    """

    frontier: Frontier = Frontier()
    runs: Annotated[dict[Id16, _Run], Meta(max_length=RUNS_KEPT)] = {}
    forgotten_unix_ms: Count = 0


def appended(
    state: LogState, items: Sequence[ToAppend | Lost], macs: LeafMacs, unix_ms: int
) -> tuple[LogState, tuple[bytes, ...]]:
    """The log with these behind it, and the leaves that were made for what is lost.

    Raises:
        Refusal: ``LEAF_NOT_AUTHENTIC``, ``LEAF_OUT_OF_ORDER``, ``LEAF_REPEATED``, ``LEAF_UNREADABLE``.
    """
    runs, forgotten = dict(state.runs), state.forgotten_unix_ms
    contents: list[bytes] = []
    lost: list[bytes] = []
    for item in items:
        if isinstance(item, Lost):
            content = _lost(runs, item, unix_ms)
            lost.append(content)
        else:
            content = item.content
            _take(runs, item, macs, forgotten)
        contents.append(content)
        if len(runs) > RUNS_KEPT:
            oldest = min(runs, key=lambda run: runs[run].unix_ms)
            forgotten = max(forgotten, runs.pop(oldest).unix_ms + 1)
    return LogState(state.frontier.appended(map(leaf_hash, contents)), runs, forgotten), tuple(lost)


def _take(runs: dict[bytes, _Run], item: ToAppend, macs: LeafMacs, forgotten: int) -> None:
    if item.mac is None:
        _insist_on_host_leaf(item.content)
        return
    if not macs.holds(item.content, item.mac):
        raise Refusal("LEAF_NOT_AUTHENTIC", "No enclave of this cluster has made that leaf.")
    leaf = place_of(item.content)
    run = bytes.fromhex(leaf.run)
    known = runs.get(run)
    # A run that is known by nothing but what a host says to be lost has not become one that is kept.
    if leaf.unix_ms < forgotten and (known is None or leaf.unix_ms < known.unix_ms):
        raise Refusal("LEAF_REPEATED", "That leaf is of a run that ended long ago, and whose leaves were appended.")
    following = 0 if known is None else known.following
    if leaf.number < following:
        raise Refusal("LEAF_REPEATED", f"Leaf {leaf.number} of run {leaf.run} was appended before.")
    if leaf.number > following:
        raise Refusal("LEAF_OUT_OF_ORDER", f"Leaf {following} of run {leaf.run} comes before leaf {leaf.number}.")
    runs[run] = _Run(leaf.number + 1, leaf.unix_ms)


def _insist_on_host_leaf(content: bytes) -> None:
    try:
        leaf = read_leaf(content)
    except CodecError as error:
        raise Refusal("LEAF_UNREADABLE", f"The leaf {error.reason}.") from error
    if not isinstance(leaf, HostLeaf):
        raise Refusal("LEAF_NOT_AUTHENTIC", "A host vouches for host leaves only.")


def _lost(runs: dict[bytes, _Run], item: Lost, unix_ms: int) -> bytes:
    known = runs.get(item.run)
    first = 0 if known is None else known.following
    if item.last < first:
        raise Refusal("LEAF_REPEATED", f"Leaf {item.last} of run {item.run.hex()} was appended before.")
    runs[item.run] = _Run(item.last + 1, unix_ms if known is None else known.unix_ms)
    return encode_leaf(LostLeaves(item.run.hex(), first, item.last, unix_ms))


class Log:
    """Of one replica: opens, appends, wraps, and signs what the register was shown to have.

    Args:
        now: enclave time, Unix seconds.
    """

    def __init__(self, wrapping: Wrapping, root: Root, cluster: bytes, now: Callable[[], float]) -> None:
        self._wrapping = wrapping
        self._now = now
        self._macs = LeafMacs(root)
        self._key = root.log_key()
        self._log_key = self._key.public_key().public_bytes_raw()
        self._origin = origin(cluster)
        self._shown: WrappedLog | None = None

    def append(self, request: AppendLeaves) -> LeavesAppended:
        """The next edition. Raises Refusal as ``appended`` does."""
        replaces, state = NOTHING, LogState()
        if request.log is not None:
            opened = self.opened(WrappedLog(request.log))
            replaces, state = opened.edition, opened.secret
        following, lost = appended(state, request.items, self._macs, int(self._now() * 1000))
        wrapped = self._wrapping.wrap_log(msgspec.msgpack.encode(following), replaces)
        return LeavesAppended(wrapped, following.frontier.size, following.frontier.root, lost)

    def sign_head(self, log: bytes) -> HeadSigned:
        """Raises Refusal: ``NOT_SHOWN``."""
        if self._shown is None or self._shown.wrapped != log:
            raise Refusal("NOT_SHOWN", "Show this log and its path in the register first.")
        frontier = self.opened(self._shown).secret.frontier
        head = Head(self._origin, frontier.size, frontier.root)
        return HeadSigned(head.size, head.root, self._log_key, self._key.sign(head.text.encode()))

    def opened(self, item: WrappedLog) -> Opened[LogState]:
        """Raises Refusal: it is none."""
        opened = self._wrapping.open_log(item.wrapped)
        return Opened(opened.edition, opened.replaces, msgspec.msgpack.decode(opened.secret, type=LogState))

    def keep(self, item: WrappedLog) -> None:
        """The register has exactly this one."""
        self._shown = item

    def forget(self) -> None:
        """Another edition holds, or may hold."""
        self._shown = None
