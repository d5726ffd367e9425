"""Payloads in the memory that the host shares.

Behind the first page lie the host's ring and the worker's (docs/reference/worker-protocol.md). A frame names
a payload's place: u64 position, u32 length. A reader notes in the first page how far it came.
"""

from __future__ import annotations

import mmap
from struct import Struct

#: bytes from which a payload goes this way
LEAST = 128 << 10
_PLACE = Struct(">QI")
_WORKER_MARK, _HOST_MARK = 64, 128


class Memory:
    """Both rings, from the worker's side; the host is trusted to keep the rules."""

    def __init__(self, page: mmap.mmap) -> None:
        whole = memoryview(page)
        self.ring = (len(whole) - mmap.PAGESIZE) // 2
        self.host = whole[mmap.PAGESIZE : mmap.PAGESIZE + self.ring]
        self.own = whole[mmap.PAGESIZE + self.ring :]
        self.taken = whole[_WORKER_MARK : _WORKER_MARK + 8].cast("Q")
        self.free = whole[_HOST_MARK : _HOST_MARK + 8].cast("Q")
        self.end = 0

    def take(self, place: bytes) -> bytes:
        """Return a copy of the payload at a place, whose memory is free from now on."""
        start, size = _PLACE.unpack(place)
        at = start % self.ring
        data = bytes(self.host[at : at + size])
        self.taken[0] = start + size
        return data

    def put(self, data: bytes) -> bytes | None:
        """Write a payload and return its place; None where there is no room for it now."""
        size, taken, ring = len(data), self.free[0], self.ring
        if size > ring:
            return None
        if taken >= self.end:
            start = -(-self.end // ring) * ring  # all was taken: the memory used last is warm
        else:
            start = self.end
            if start % ring + size > ring:
                start += ring - start % ring
            if start + size - taken > ring:
                return None
        at = start % ring
        self.own[at : at + size] = data
        self.end = start + size
        return _PLACE.pack(start, size)
