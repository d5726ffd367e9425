"""Items of a stream that were not read yet."""

from __future__ import annotations

from collections import deque
from struct import Struct

from devkit_core.protocol.messages import Result

__all__ = ["Unread"]

_READY = 64  # items that are kept as they are given out
_SMALL = 512  # bytes of an item, below which it is kept with others: its objects take a hundred
_TOGETHER = 16 * 1024  # bytes of small items in one
_HEAD = Struct("=HB")  # the size of a small item, and whether it is text


class Unread:
    """Items in their order, in little more memory than their bytes however small they are.

    Credit counts the bytes of items, so a window may hold half a million of them.
    """

    __slots__ = ("_count", "_ready", "_rest")

    def __init__(self) -> None:
        self._ready: deque[Result] = deque()
        self._rest: deque[Result | bytearray] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, data: bytes, text: bool) -> None:
        """Take one item, behind the others."""
        self._count += 1
        rest = self._rest
        if not rest and len(self._ready) < _READY:
            self._ready.append(Result(data, text))
        elif len(data) >= _SMALL:
            rest.append(Result(data, text))
        elif rest and isinstance(last := rest[-1], bytearray) and len(last) < _TOGETHER:
            last += _HEAD.pack(len(data), text) + data
        else:
            rest.append(bytearray(_HEAD.pack(len(data), text) + data))

    def take(self) -> Result:
        """Return the first item; there has to be one."""
        self._count -= 1
        if not self._ready:
            first = self._rest.popleft()
            if isinstance(first, Result):
                return first
            at = 0
            while at < len(first):
                size, text = _HEAD.unpack_from(first, at)
                at += _HEAD.size + size
                self._ready.append(Result(bytes(first[at - size : at]), bool(text)))
        return self._ready.popleft()
