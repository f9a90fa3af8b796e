"""Proofs, out of what is stored of the log's tree."""

from collections.abc import Mapping, Sequence
from typing import Final

from nsl.audit import store
from nsl.kit.db import Connection
from nsl_protocol.audit.proofs import LEVEL_STEP, Kept, Span, kept_for, root_of

_BLOCK: Final = 1 << LEVEL_STEP


async def proof(connection: Connection, spans: Sequence[Span]) -> tuple[bytes, ...]:
    """The hashes that the proof of those spans is."""
    blocks = await _blocks(connection, spans)

    def read(kept: Kept) -> Sequence[bytes]:
        start = kept.first % _BLOCK
        return blocks[kept.level, kept.first // _BLOCK][start : start + kept.length]

    return tuple(root_of(span, read) for span in spans)


async def _blocks(connection: Connection, spans: Sequence[Span]) -> Mapping[tuple[int, int], list[bytes]]:
    """Everything that is kept for a proof, 256 hashes at a time: those beside each other are read once."""
    places = {(kept.level, kept.first // _BLOCK) for span in spans for kept in kept_for(span)}
    return {
        (level, block): await store.hashes(connection, level, block * _BLOCK, _BLOCK) for level, block in sorted(places)
    }
