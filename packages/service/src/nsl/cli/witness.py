"""``nsl audit witness``: a process of somebody else's that cosigns the heads of logs which never contradict themselves.

It speaks c2sp.org/tlog-witness (``POST /add-checkpoint``), and shows what it has cosigned last (``GET /checkpoint``).
"""

import asyncio
import binascii
import fcntl
import re
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import DecodeError, Struct
from msgspec.json import decode, encode
from prometheus_client import Counter

from nsl.cli.heads import keep_evidence
from nsl.kit.clock import random_bytes, unix_seconds
from nsl.kit.errors import Failure
from nsl.kit.files import write_private
from nsl_protocol.audit.heads import SignedHead, Witness, cosign, parse_signed_head
from nsl_protocol.audit.witness import BODY_BYTES_MAX, NotCosigned, Why, considered, parse_add_checkpoint
from nsl_protocol.errors import CodecError

_KEY = re.compile("[0-9a-f]{64}")
_SIZE_TYPE = b"text/x.tlog.size"
_TEXT_TYPE = b"text/plain; charset=utf-8"

_refused = Counter(
    "nsl_witness_refused_heads_total",
    "Heads that the log key has signed and that do not continue the one before.",
    ["origin", "why"],
)
_log = structlog.get_logger("nsl.witness")

type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class WitnessUnreadable(Failure):
    """A key or state file that cannot be read: ``detail`` says which and why."""

    code = "WITNESS_FILE_UNREADABLE"


class WitnessRunning(Failure):
    """Two that share a state would cosign two histories: each knows only what it has cosigned itself."""

    code = "WITNESS_RUNNING"


class _KeyFile(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    private_key: str


class WitnessKey:
    """The witness' name and key."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self.private = private
        self.public = Witness(name, private.public_key().public_bytes_raw())

    @classmethod
    def make(cls, name: str, path: Path) -> "WitnessKey":
        """A new one, mode 0600. Raises WitnessUnreadable: there is one already."""
        if path.exists():
            raise WitnessUnreadable(f"{path} is there already; a witness keeps its key.")
        secret = random_bytes(32)
        write_private(path, encode(_KeyFile(name, b64encode(secret).decode())).decode())
        return cls(name, Ed25519PrivateKey.from_private_bytes(secret))

    @classmethod
    def read(cls, path: Path) -> "WitnessKey":
        """Raises WitnessUnreadable."""
        try:
            kept = decode(path.read_bytes(), type=_KeyFile)
            return cls(kept.name, Ed25519PrivateKey.from_private_bytes(b64decode(kept.private_key, validate=True)))
        except (OSError, DecodeError, binascii.Error, ValueError) as error:
            raise WitnessUnreadable(f"{path} is no witness key: {error}") from error


class WitnessApplication:
    """The ASGI application.

    Args:
        logs: the Ed25519 keys of each log that is followed, by its origin.
        state: what was cosigned last, by origin; written down before a cosignature leaves.
        evidence: a folder for heads that contradict each other.
    """

    def __init__(
        self, key: WitnessKey, logs: Mapping[str, frozenset[bytes]], state: Path, evidence: Path | None = None
    ) -> None:
        self._key = key
        self._logs = logs
        self._state = state
        self._evidence = evidence
        self._known = _read_state(state)
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        match scope["method"], scope["path"]:
            case "POST", "/add-checkpoint":
                status, body, kind = await self._add(await _body(receive))
            case "GET", "/checkpoint":
                status, body, kind = self._latest(scope["query_string"].decode("latin-1"))
            case _:
                status, body, kind = 404, "POST /add-checkpoint or GET /checkpoint?origin=\n", _TEXT_TYPE
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body.encode()})

    async def _add(self, body: bytes) -> tuple[int, str, bytes]:
        try:
            request = parse_add_checkpoint(body)
        except CodecError as error:
            return Why.MALFORMED, f"{error}\n", _TEXT_TYPE
        origin = request.signed.head.origin
        async with self._one_at_a_time:
            known = self._known.get(origin)
            found = considered(None if known is None else known.head, self._logs.get(origin, frozenset()), request)
            if isinstance(found, NotCosigned):
                self._report(known, request.signed, found.status)
                if found.size is not None:
                    return found.status, f"{found.size}\n", _SIZE_TYPE
                return found.status, f"{found.reason}\n", _TEXT_TYPE
            line = cosign(self._key.public, self._key.private, found.head, unix_seconds())
            self._keep(found.with_line(line))
        return 200, f"{line.text}\n", _TEXT_TYPE

    def _report(self, known: SignedHead | None, other: SignedHead, status: Why) -> None:
        """Tell of a head that the log key has signed beside what was cosigned; two of one size are the proof."""
        if known is None or status not in (Why.OTHER_SIZE, Why.INCONSISTENT):
            return
        origin, sizes = known.head.origin, (known.head.size, other.head.size)
        if known.head.size == other.head.size and known.head.root != other.head.root:
            _refused.labels(origin, "two histories").inc()
            _log.error("two histories of one log", origin=origin, sizes=sizes, heads=[known.note, other.note])
            keep_evidence([known.note, other.note], self._evidence)
        elif status is Why.INCONSISTENT:  # or whoever asks has brought another proof
            _refused.labels(origin, "no proof").inc()
            _log.warning("a head came without a proof that it continues the last", origin=origin, sizes=sizes)

    def _latest(self, query: str) -> tuple[int, str, bytes]:
        known = self._known.get("".join(parse_qs(query).get("origin", [])))
        if known is None:
            return Why.NOT_FOLLOWED, "Nothing was cosigned of that origin.\n", _TEXT_TYPE
        return 200, known.note, _TEXT_TYPE

    def _keep(self, signed: SignedHead) -> None:
        known = self._known | {signed.head.origin: signed}
        write_private(self._state, encode({origin: each.note for origin, each in known.items()}).decode())
        self._known = known


@contextmanager
def alone_with(state: Path) -> Iterator[None]:
    """Nobody else is a witness with this state meanwhile. Raises WitnessRunning, WitnessUnreadable."""
    path = state.with_name(f".{state.name}.lock")
    try:
        lock = path.open("a")
    except OSError as error:
        raise WitnessUnreadable(f"{path} cannot be written: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WitnessRunning(f"Another witness works with {state}: end it, or give this one its own.") from error
        yield


def logs_of(texts: Sequence[str]) -> dict[str, frozenset[bytes]]:
    """From ``ORIGIN=KEY``, the key in hex; one origin may have several. Raises WitnessUnreadable."""
    found: dict[str, frozenset[bytes]] = {}
    for text in texts:
        name, _, key = text.partition("=")
        raw = bytes.fromhex(key) if _KEY.fullmatch(key) else b""
        if not name or not raw:
            raise WitnessUnreadable(f"{text!r} is not ORIGIN=KEY, with the log's Ed25519 key in hex.")
        found[name] = found.get(name, frozenset()) | {raw}
    return found


def _read_state(path: Path) -> dict[str, SignedHead]:
    """A state that cannot be read stops the witness: it would cosign anything. Raises WitnessUnreadable."""
    if not path.exists():
        return {}
    try:
        notes = decode(path.read_bytes(), type=dict[str, str])
        return {origin: parse_signed_head(note) for origin, note in notes.items()}
    except (OSError, DecodeError, CodecError) as error:
        raise WitnessUnreadable(
            f"{path} cannot be read: {error}. Restore it: without it the witness knows nothing."
        ) from error


async def _body(receive: Receive) -> bytes:
    body = b""
    while len(body) <= BODY_BYTES_MAX:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body
