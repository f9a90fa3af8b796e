"""``nsl audit anchor``: puts the heads that a witness has cosigned on Neo N3; and what others read there.

It holds no right in the layer: a key of its own with some GAS pays, and what is anchored is signed by the log key.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self

import httpx
import structlog
from msgspec import DecodeError, Struct
from msgspec.json import decode, encode
from msgspec.structs import replace
from prometheus_client import Gauge

from nsl.adapters.neo_n3.anchoring import Anchor, AnchorChain
from nsl.adapters.networks import N3_NETWORKS
from nsl.cli.heads import is_signed
from nsl.kit.clock import monotonic, pause, random_bytes, unix_seconds
from nsl.kit.errors import Failure
from nsl.kit.files import write_private
from nsl_protocol.audit.heads import NOTE_CHARACTERS_MAX, SignedHead, parse_signed_head, verify_log_line
from nsl_protocol.errors import CodecError
from nsl_protocol.n3.keys import PublicKey, wif_decode, wif_encode
from nsl_protocol.n3.verification import account

#: how far back the first look goes, where no height is named: above a day of MainNet
FIRST_LOOK_BLOCKS: Final = 10_000
_POLL_SECONDS: Final = 2.0
_ONCE_SECONDS: Final = 120.0
_TIMEOUT_SECONDS: Final = 10.0
_NETWORK: Final = re.compile(r"([0-9]{1,10})@(https?://\S+)")

_leaves = Gauge("nsl_anchor_leaves", "Leaves of the newest head that was anchored.")
_balance = Gauge("nsl_anchor_balance_datoshi", "GAS of the account that pays for anchors.")
_waiting = Gauge(
    "nsl_anchor_waiting_since_timestamp_seconds", "Since when no head could be anchored; 0: nothing waits."
)
_log = structlog.get_logger("nsl.anchor")


class AnchorUnreadable(Failure):
    """A key or state file, or a network, that cannot be read: ``detail`` says which and why."""

    code = "ANCHOR_UNREADABLE"


class NotAnchored(Failure):
    """There is no head that may be anchored, or it did not come on a block: ``detail`` says why."""

    code = "NOT_ANCHORED"


@dataclass(frozen=True, slots=True)
class N3Network:
    """A network's magic number and its nodes."""

    magic: int
    rpc_urls: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """``mainnet``, ``testnet``, or MAGIC@URL. Raises AnchorUnreadable."""
        public = N3_NETWORKS.get(text)
        if public is not None:
            return cls(public.number, public.rpc_urls)
        found = _NETWORK.fullmatch(text)
        if found is None:
            raise AnchorUnreadable(
                f"{text!r} is not mainnet, testnet or MAGIC@URL, such as 860833102@http://node:10332."
            )
        return cls(int(found[1]), (found[2],))

    def chain(self) -> AnchorChain:
        """To be opened."""
        return AnchorChain(self.magic, self.rpc_urls)


def make_key(path: Path) -> str:
    """A new key, mode 0600; its account's address. Raises AnchorUnreadable: there is one already."""
    if path.exists():
        raise AnchorUnreadable(f"{path} is there already: its account may hold GAS.")
    private = random_bytes(32)
    address = account(PublicKey.of(private)).address
    write_private(path, f"{wif_encode(private)}\n")
    return address


def read_key(path: Path) -> bytes:
    """The private key of a file with a WIF. Raises AnchorUnreadable."""
    try:
        return wif_decode(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError, CodecError) as error:
        raise AnchorUnreadable(f"{path} is no key as `nsl audit anchor-key` makes it.") from error


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """The head that was anchored last, and its transaction; ``raw`` in hex until a block has it."""

    note: str = ""
    transaction: str = ""
    raw: str = ""
    valid_until: int = 0


class Anchorer:
    """
    Args:
        logs: the keys that may sign heads, by the log's origin: of one log.
        witness: the address of one who has cosigned them.
        state: what was sent is written there before it is sent.

    Raises:
        AnchorUnreadable: the state cannot be read, or more logs than one are named.
    """

    def __init__(
        self, chain: AnchorChain, key: bytes, logs: Mapping[str, frozenset[bytes]], witness: str, state: Path
    ) -> None:
        if len(logs) != 1:
            raise AnchorUnreadable("One log is anchored: name its origin with each of its keys.")
        self._chain, self._key, self._witness, self._state = chain, key, witness, state
        ((self._origin, self._log_keys),) = logs.items()
        self.kept = _read(state)
        self._looked = False

    async def step(self) -> bool:
        """Whether nothing waits: what was sent has come on a block, or the witness shows nothing newer, or nothing yet.

        Raises:
            NotAnchored: the witness does not answer, or its head is of another log or not later than the last.
            NodeDown, NodeError: of the chain.
        """
        if self.kept.raw:
            _balance.set(await self._chain.balance(self._key))
            return await self._settled()
        sent = self.kept.transaction
        if sent and not self._looked and not await self._chain.is_on_a_block(sent):
            _log.warning("the chain has lost an anchor", transaction=sent)
            self._keep(Kept())
        self._looked = True
        signed = await self._newest()
        if signed is None:
            return True
        if self.kept.note:
            known = parse_signed_head(self.kept.note).head
            _leaves.set(known.size)
            if signed.head == known:
                return True
            if signed.head.size <= known.size:
                raise NotAnchored(f"The witness shows a head of {signed.head.size} leaves; {known.size} are anchored.")
        _balance.set(await self._chain.balance(self._key))
        payment = await self._chain.paid(signed, self._key)
        self._keep(Kept(signed.note, payment.hash, payment.raw.hex(), payment.valid_until))
        await self._chain.send(payment.raw)
        return False

    async def _settled(self) -> bool:
        if await self._chain.is_on_a_block(self.kept.transaction):
            self._keep(replace(self.kept, raw=""))
            _leaves.set(parse_signed_head(self.kept.note).head.size)
            _log.info("anchored", transaction=self.kept.transaction)
            return True
        if await self._chain.height() > self.kept.valid_until:
            self._keep(Kept())  # No block can have it any more.
            return False
        await self._chain.send(bytes.fromhex(self.kept.raw))
        return False

    async def _newest(self) -> SignedHead | None:
        """With the log key's line alone: a witness' may be anybody's, and each byte is paid for. None: no head yet."""
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as http:
                answer = await http.get(f"{self._witness}/checkpoint", params={"origin": self._origin})
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            signed = parse_signed_head(answer.text[: NOTE_CHARACTERS_MAX + 1])
        except httpx.HTTPError as error:
            raise NotAnchored(f"The witness at {self._witness} does not answer: {error!r}") from error
        except CodecError as error:
            raise NotAnchored(f"The witness at {self._witness} answers {answer.status_code}, and no head.") from error
        for key in self._log_keys if signed.head.origin == self._origin else ():
            try:
                return SignedHead(signed.head, (verify_log_line(signed, key),))
            except CodecError:
                continue
        raise NotAnchored(f"The witness at {self._witness} shows a head that no key of this log has signed.")

    def _keep(self, kept: Kept) -> None:
        write_private(self._state, encode(kept).decode())
        self.kept = kept


async def keep_anchoring(anchorer: Anchorer, interval_seconds: float) -> None:
    """Anchor what is new, at most once in the interval; what cannot be anchored is tried again."""
    since = 0
    while True:
        sent = bool(anchorer.kept.raw)
        try:
            done = await anchorer.step()
        except Failure as error:
            _log.warning("no head was anchored", error=error.detail)
            done = False
        since = 0 if done else since or unix_seconds()
        _waiting.set(since)
        await pause(interval_seconds if done and sent else _POLL_SECONDS)


async def anchor_once(anchorer: Anchorer) -> None:
    """Until the newest head is on a block. Raises NotAnchored, NodeDown, NodeError."""
    until = monotonic() + _ONCE_SECONDS
    while not await anchorer.step():
        if monotonic() > until:
            raise NotAnchored(f"No block has it after {_ONCE_SECONDS:.0f} s: run this again, and it goes on.")
        await pause(_POLL_SECONDS / 10)
    if not anchorer.kept.note:
        raise NotAnchored("The witness has cosigned no head of this log yet: there is nothing to anchor.")


@dataclass(frozen=True, slots=True)
class ChainReader:
    """Anchors of a log, by a node's word. ``first``: the height that the first look begins at."""

    network: N3Network
    first: int | None = None

    def read(self, origin: str, log_keys: frozenset[bytes], height: int) -> tuple[list[Anchor], int]:
        """Those from a height on, -1: from the first; and the height to go on from. Raises NodeDown, NodeError."""
        return asyncio.run(self._read(origin, log_keys, height))

    async def _read(self, origin: str, log_keys: frozenset[bytes], height: int) -> tuple[list[Anchor], int]:
        async with self.network.chain() as chain:
            last = await chain.height()
            if height < 0:
                height = max(0, last - FIRST_LOOK_BLOCKS) if self.first is None else self.first
            found = [each async for each in chain.anchors(height, last, origin) if is_signed(each.signed, log_keys)]
        return found, max(height, last + 1)


def _read(path: Path) -> Kept:
    if not path.exists():
        return Kept()
    try:
        kept = decode(path.read_bytes(), type=Kept)
        bytes.fromhex(kept.raw)
        if kept.note:
            parse_signed_head(kept.note)
    except (OSError, DecodeError, ValueError, CodecError) as error:
        raise AnchorUnreadable(f"{path} cannot be read: {error}.") from error
    return kept
