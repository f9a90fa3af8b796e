"""A small file that survives a crash between any two writes, and needs no path once it is open.

An enclave gives up the file system before it serves, so it keeps the file open and writes into two slots in turn. Each
slot holds a number, a length, SHA-256 of all and the content; the highest number that is whole counts.
"""

import hashlib
import os
import struct
from pathlib import Path

SLOT_BYTES = 16_384
_HEADER = struct.Struct(">QI32s")
CONTENT_BYTES_MAX = SLOT_BYTES - _HEADER.size


class SlotFile:
    """Opened, and made when it is missing: mode 0600."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.damaged = False
        found = [self._slot(place) for place in (0, 1)]
        self._number, self._content = max(found, key=lambda slot: slot[0])

    @property
    def content(self) -> bytes | None:
        """What was written last; None when nothing ever was, or nothing is whole any more (``damaged``)."""
        return self._content

    def write(self, content: bytes) -> None:
        """Replace the content; on return it is on the disk."""
        if len(content) > CONTENT_BYTES_MAX:
            raise ValueError(f"{len(content)} bytes do not fit a slot")
        number = self._number + 1
        slot = _HEADER.pack(number, len(content), _digest(number, content)) + content
        os.pwrite(self._descriptor, slot, (number % 2) * SLOT_BYTES)
        os.fsync(self._descriptor)
        self._number, self._content = number, content

    def _slot(self, place: int) -> tuple[int, bytes | None]:
        raw = os.pread(self._descriptor, SLOT_BYTES, place * SLOT_BYTES)
        if not raw.strip(b"\0"):
            return 0, None
        if len(raw) >= _HEADER.size:
            number, length, digest = _HEADER.unpack_from(raw)
            content = raw[_HEADER.size : _HEADER.size + length]
            if len(content) == length and digest == _digest(number, content):
                return number, content
        self.damaged = True
        return 0, None


def _digest(number: int, content: bytes) -> bytes:
    return hashlib.sha256(number.to_bytes(8) + content).digest()
