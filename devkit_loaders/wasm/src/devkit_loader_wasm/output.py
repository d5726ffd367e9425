"""A plugin's output, line by line, within limits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devkit_core.api import Log

__all__ = ["Output"]

_LINE = 8 * 1024  # bytes of a line that are kept
_BURST = 4  # seconds' worth that may come at once
_EVERY = 1.0  # seconds between what is said of a flood


class Output:
    """Takes bytes from any thread and hands their lines on in the event loop's.

    What is over `kb` KiB a second is thrown away, and how much is told once a second.
    """

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop, kb: int) -> None:
        self._log = log
        self.loop = loop
        self._rate = kb * 1024
        self._rest = {"stdout": b"", "stderr": b""}
        self._lines: deque[tuple[str, str]] = deque()
        self._waiting = False
        self._allowance = float(_BURST * self._rate)
        self._since = time.monotonic()
        self._dropped = 0
        self._reporting = False

    def taker(self, stream: str) -> Callable[[bytes], None]:
        """Return what takes one stream's bytes; called by the code's thread, never raises."""
        return lambda data: self._take(stream, data)

    def line(self, stream: str, text: str) -> None:
        """Take one whole line."""
        self._take(stream, text.encode("utf-8", "replace") + b"\n")

    def _take(self, stream: str, data: bytes) -> None:
        now = time.monotonic()
        self._allowance = min(_BURST * self._rate, self._allowance + (now - self._since) * self._rate)
        self._since = now
        if len(data) > self._allowance:
            data = self._fitting(stream, data)
        self._allowance -= len(data)
        lines = (self._rest[stream] + data).split(b"\n")
        self._rest[stream] = lines.pop()
        for line in lines:
            self._emit(stream, line)
        if len(self._rest[stream]) > _LINE:
            self._emit(stream, self._rest[stream])
            self._rest[stream] = b""

    def _fitting(self, stream: str, data: bytes) -> bytes:
        """Return the whole lines that are allowed, and count the rest as dropped."""
        fits = data.rfind(b"\n", 0, int(self._allowance)) + 1
        self._dropped += len(data) - fits
        if not fits:
            self._dropped += len(self._rest[stream])
            self._rest[stream] = b""
        if not self._reporting:
            self._reporting = True
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.loop.call_later, _EVERY, self._report)
        return data[:fits]

    def _report(self) -> None:
        self._reporting = False
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._log.dropped("output_kb", dropped)

    def _emit(self, stream: str, line: bytes) -> None:
        text = line[:_LINE].decode("utf-8", "replace").rstrip("\r")
        self._lines.append((stream, text + (" …" if len(line) > _LINE else "")))
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
        for stream, rest in self._rest.items():
            if rest:
                self._emit(stream, rest)
            self._rest[stream] = b""
        self._hand_on()
        self._report()
        self._log.flush()
