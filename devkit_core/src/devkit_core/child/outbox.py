"""Answers written together, in memory that the host sees too."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sized
from struct import Struct
from time import perf_counter

#: where in the shared page are: how many bytes wait, how often some were written, and they themselves
_USED, _TURN, _BEGIN = 16, 20, 256
_COUNT = Struct("I")  # in the machine's own form, so that it is stored in one step
#: seconds between two answers, below which the next one is likely to come as soon
_QUICK = 50e-6


class Outbox:
    """Keeps the short answers of quick calls while more calls are here (`behind`), and writes them in one go.

    Writing each takes longer than most calls. Should one behind them be slow, the host finds them in the
    page, and so it does when the worker dies; it skips what comes a second time.
    """

    def __init__(self, page: mmap.mmap, send: Callable[[bytes], None], behind: Callable[[], Sized]) -> None:
        self.page = page
        self.turn = 0
        self.room = mmap.PAGESIZE - _BEGIN
        self.write = send
        self.behind = behind
        self.used = 0
        self.since = 0.0

    def begin(self) -> None:
        """Begin with calls that have come."""
        self.since = perf_counter()

    def answer(self, frame: bytes) -> None:
        """Write or keep the whole answer of a call."""
        now = perf_counter()
        quick, self.since = now - self.since < _QUICK, now
        used = self.used
        if quick and used + len(frame) <= self.room and self.behind():
            at = _BEGIN + used
            self.used = used = used + len(frame)
            self.page[at : _BEGIN + used] = frame
            _COUNT.pack_into(self.page, _USED, used)
        elif used:
            self.flush(frame)
        else:
            self.write(frame)

    def flush(self, more: bytes = b"") -> None:
        """Write what is kept, and more."""
        if not self.used:
            if more:
                self.write(more)
            return
        whole = self.page[_BEGIN : _BEGIN + self.used] + more
        self.used = 0
        self.write(whole)
        self.turn = (self.turn + 1) & 0xFFFFFFFF
        _COUNT.pack_into(self.page, _TURN, self.turn)
        _COUNT.pack_into(self.page, _USED, 0)
