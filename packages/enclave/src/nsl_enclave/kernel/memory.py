"""Secrets in memory that is neither swapped out nor part of a core dump, where the host offers it.

Python and OpenSSL make copies of what they work with; those lie in ordinary memory (docs/threat-model.md).
"""

import ctypes
import mmap

_libc = ctypes.CDLL(None, use_errno=True)


class LockedSecret:
    """A secret in a page of its own. ``locked`` says whether the host promised to keep the page in memory."""

    def __init__(self, secret: bytes) -> None:
        self._size = len(secret)
        self._page = mmap.mmap(-1, max(self._size, 1))
        self._view = (ctypes.c_char * len(self._page)).from_buffer(self._page)
        self.locked = self._lock()
        self._page[: self._size] = secret

    def reveal(self) -> bytes:
        """A copy, for as short as possible."""
        return self._page[: self._size]

    def wipe(self) -> None:
        """Overwrite it."""
        self._page[: self._size] = bytes(self._size)

    @property
    def address(self) -> int:
        """Where the page is."""
        return ctypes.addressof(self._view)

    def _lock(self) -> bool:
        address, length = self.address, ctypes.c_size_t(len(self._page))
        locked = bool(_libc.mlock(ctypes.c_void_p(address), length) == 0)
        try:
            self._page.madvise(mmap.MADV_DONTDUMP)
        except OSError:
            return False
        return locked
