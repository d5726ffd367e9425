"""A plugin's output, line by line, within limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from devkit_core.api import Lines

if TYPE_CHECKING:
    from devkit_core.api import Log

__all__ = ["Output"]

_EVERY = 1.0  # seconds between what is said of a flood


class Output:
    """Takes bytes from any thread and hands their lines on in the event loop's.

    What is over `kb` KiB a second is thrown away, and how much is told once a second.
    """

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop, kb: int) -> None:
        self._log = log
        self.loop = loop
        out = Lines(kb)
        self._streams = {"stdout": out, "stderr": Lines(kb, beside=out)}
        self._lines: deque[tuple[str, str]] = deque()
        self._waiting = False
        self._reporting = False

    def taker(self, stream: str) -> Callable[[bytes], None]:
        """Return what takes one stream's bytes; called by the code's thread, never raises."""
        return lambda data: self._take(stream, data)

    def line(self, stream: str, text: str) -> None:
        """Take one whole line."""
        self._take(stream, text.encode("utf-8", "replace") + b"\n")

    def _take(self, stream: str, data: bytes) -> None:
        for line in self._streams[stream].take(data):
            self._emit(stream, line)
        if self._streams[stream].dropped and not self._reporting:
            self._reporting = True
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.loop.call_later, _EVERY, self._report)

    def _report(self) -> None:
        self._reporting = False
        if dropped := sum(lines.take_dropped() for lines in self._streams.values()):
            self._log.dropped("output_kb", dropped)

    def _emit(self, stream: str, line: str) -> None:
        self._lines.append((stream, line))
        if not self._waiting:
            self._waiting = True
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody reads any more
                self.loop.call_soon_threadsafe(self._hand_on)

    def _hand_on(self) -> None:
        self._waiting = False
        while self._lines:
            self._log(*self._lines.popleft())

    def flush(self) -> None:
        """Hand on all there is, lines without an end too; called in the event loop's thread."""
        self._report()
        for stream, lines in self._streams.items():
            for line in lines.end():
                self._emit(stream, line)
        self._hand_on()
        self._report()
        self._log.flush()
