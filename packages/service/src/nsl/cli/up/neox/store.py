"""The chain on disk: what anvil dumps, whole or not at all, with the last good copy kept.

A dump is gzip, whose checksum tells a torn file from a whole one.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path


class ChainStore:
    """The dumps in a folder: ``chain.gz``, and ``chain.last-good.gz`` before it."""

    def __init__(self, directory: Path) -> None:
        self._newest = directory / "chain.gz"
        self._last_good = directory / "chain.last-good.gz"

    @property
    def exists(self) -> bool:
        """Whether anything was ever saved here."""
        return self._newest.exists() or self._last_good.exists()

    def save(self, dump: bytes) -> None:
        """Keep a dump. Raises ValueError when it is not whole."""
        if _open(dump) is None:
            raise ValueError("the node's dump is not readable")
        temporary = self._newest.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(dump)
            file.flush()
            os.fsync(file.fileno())
        if self._newest.exists() and _open(self._newest.read_bytes()) is not None:
            self._newest.replace(self._last_good)
        temporary.replace(self._newest)

    def whole(self) -> Iterator[tuple[Path, bytes]]:
        """The readable copies as JSON, newest first."""
        for path in (self._newest, self._last_good):
            if path.exists():
                document = _open(path.read_bytes())
                if document is not None:
                    yield path, document


def _open(dump: bytes) -> bytes | None:
    try:
        return gzip.decompress(dump) or None
    except (OSError, EOFError, zlib.error):
        return None
