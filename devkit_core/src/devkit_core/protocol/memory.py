"""Payloads that travel in memory which host and worker share.

The host makes the memory, seals it against growing and shrinking, and hands it over when the worker starts
(feature `memfd`). Behind its first page lie two rings: what the host writes, then what the worker writes.
A frame with the flag MEMORY carries the place of its payload instead of the payload: u64 position, u32
length. Positions count on for ever; modulo the ring's size they say where. A payload lies in one piece, and
payloads lie in the order of their frames, so one number says what is free again: the position up to which
the reader has taken everything, kept in the first page by the reader, as u64 in the machine's byte order.
"""

from __future__ import annotations

import ctypes
import mmap
from struct import Struct

from devkit_core.protocol.frames import FrameError

__all__ = ["AREA", "LEAST", "Incoming", "Outgoing"]

#: bytes of one ring; a larger payload goes as chunks
RING = 16 << 20
#: bytes from which a payload goes through the memory: below, a copy into the socket is as fast
LEAST = 128 << 10
#: bytes of the whole memory: a page for progress and marks, and both rings; only what is used takes any
AREA = mmap.PAGESIZE + 2 * RING
#: where in the first page a reader notes how far it came: the worker, and the host
_WORKER_MARK, _HOST_MARK = 64, 128
PLACE = Struct(">QI")
_KEPT = 2 << 20  # bytes of a text that are copied into memory of our own, which is kept for the next

_as_utf8 = ctypes.pythonapi.PyUnicode_AsUTF8AndSize
_as_utf8.argtypes = (ctypes.py_object, ctypes.c_void_p)
_as_utf8.restype = ctypes.c_void_p


class Outgoing:
    """The host's end of the ring that it writes."""

    def __init__(self, memory: memoryview) -> None:
        self._ring = memory[mmap.PAGESIZE : mmap.PAGESIZE + RING]
        self._mark = memory[_WORKER_MARK : _WORKER_MARK + 8].cast("Q")
        self._anchor: ctypes.Array[ctypes.c_char] | None = (ctypes.c_char * RING).from_buffer(self._ring)
        self._end = self._rested = 0

    def put(self, data: bytes) -> bytes | None:
        """Write a payload and return its place; None where there is no room for it now."""
        size = len(data)
        if (start := self._room(size)) is None:
            return None
        at = start % RING
        self._ring[at : at + size] = data
        self._end = start + size
        return PLACE.pack(start, size)

    def put_text(self, text: str) -> bytes | None:
        """Write a text in ASCII, as it lies in memory, and return its place as `put` does."""
        size = len(text)
        if self._anchor is None or (start := self._room(size)) is None:
            return None
        # for ASCII that is a pointer into the object itself
        ctypes.memmove(ctypes.addressof(self._anchor) + start % RING, _as_utf8(text, None), size)
        self._end = start + size
        return PLACE.pack(start, size)

    def _room(self, size: int) -> int | None:
        """Return where the next payload begins; None where it has to wait or is too large."""
        taken = self._mark[0]
        if size > RING:
            return None
        if taken >= self._end:
            return -(-self._end // RING) * RING  # all was taken: the memory used last is warm
        start = self._end
        if start % RING + size > RING:
            start += RING - start % RING
        return start if start + size - taken <= RING else None

    def rest(self) -> bool:
        """Say whether the memory was used since this was asked."""
        used, self._rested = self._end > self._rested, self._end
        return used

    def close(self) -> None:
        """Let go of the memory."""
        self._anchor = None
        self._ring.release()
        self._mark.release()


class Incoming:
    """The host's end of the ring that the worker writes; what is in it is copied before it is read."""

    def __init__(self, memory: memoryview) -> None:
        self._ring = memory[mmap.PAGESIZE + RING : AREA]
        self._mark = memory[_HOST_MARK : _HOST_MARK + 8].cast("Q")
        self._scratch = memoryview(b"")
        self._taken = self._rested = 0

    def take(self, place: bytes) -> bytes:
        """Return the payload at a place; raises FrameError where there can be none."""
        start, size = self._find(place)
        at = start % RING
        data = bytes(self._ring[at : at + size])
        self._taken = self._mark[0] = start + size
        return data

    def take_text(self, place: bytes, limit: int) -> tuple[str, int] | None:
        """Return the payload at a place as text, and its size; None, and take nothing, where it is too long.

        It is copied into memory that is kept, so that decoding it makes one object of its size, not two.
        """
        start, size = self._find(place)
        if size > limit or size > _KEPT:
            return None
        if len(self._scratch) < size:
            self._scratch = memoryview(bytearray(size))
        at = start % RING
        copy = self._scratch[:size]
        copy[:] = self._ring[at : at + size]
        self._taken = self._mark[0] = start + size
        return str(copy, "utf-8", "replace"), size

    def _find(self, place: bytes) -> tuple[int, int]:
        if len(place) != PLACE.size:
            raise FrameError(f"a place in memory of {len(place)} bytes")
        start, size = PLACE.unpack(place)
        if not self._taken <= start <= self._taken + RING or start % RING + size > RING:
            raise FrameError(f"a payload of {size:,} bytes at {start:,}, outside what is agreed")
        return start, size

    def rest(self) -> bool:
        """Say whether the memory was used since this was asked, and let go of what was kept for it."""
        used, self._rested = self._taken > self._rested, self._taken
        self._scratch = memoryview(b"")
        return used

    def close(self) -> None:
        """Let go of the memory."""
        self._ring.release()
        self._mark.release()
