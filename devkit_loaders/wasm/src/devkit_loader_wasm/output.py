"""A plugin's output, line by line, within limits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Output"]

_LINE = 8 * 1024  # bytes of a line that are kept
_BURST = 1 << 20  # bytes that may come at once
_RATE = 256 * 1024  # bytes a second after that; the rest is counted, not kept


class Output:
    """Takes bytes from any thread and hands their lines on in the event loop's.

    What floods is thrown away, and how much is said in a line of its own.
    """

    def __init__(self, line: Callable[[str, str], None], loop: asyncio.AbstractEventLoop) -> None:
        self._line = line
        self._loop = loop
        self._rest = {"stdout": b"", "stderr": b""}
        self._lines: deque[tuple[str, str]] = deque()
        self._waiting = False
        self._allowance = float(_BURST)
        self._since = time.monotonic()
        self._dropped = 0

    def taker(self, stream: str) -> Callable[[bytes], None]:
        """Return what takes one stream's bytes; called by the code's thread, never raises."""
        return lambda data: self._take(stream, data)

    def line(self, stream: str, text: str) -> None:
        """Take one whole line."""
        self._take(stream, text.encode("utf-8", "replace") + b"\n")

    def _take(self, stream: str, data: bytes) -> None:
        now = time.monotonic()
        self._allowance = min(_BURST, self._allowance + (now - self._since) * _RATE)
        self._since = now
        if len(data) > self._allowance:
            self._dropped += len(data)
            self._rest[stream] = b""
            return
        self._allowance -= len(data)
        self._report()
        lines = (self._rest[stream] + data).split(b"\n")
        self._rest[stream] = lines.pop()
        for line in lines:
            self._emit(stream, line)
        if len(self._rest[stream]) > _LINE:
            self._emit(stream, self._rest[stream])
            self._rest[stream] = b""

    def _report(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._emit("stderr", f"[{dropped:,} bytes of output dropped: too much at once]".encode())

    def _emit(self, stream: str, line: bytes) -> None:
        text = line[:_LINE].decode("utf-8", "replace").rstrip("\r")
        self._lines.append((stream, text + (" …" if len(line) > _LINE else "")))
        if not self._waiting:
            self._waiting = True
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody reads any more
                self._loop.call_soon_threadsafe(self._hand_on)

    def _hand_on(self) -> None:
        self._waiting = False
        while self._lines:
            self._line(*self._lines.popleft())

    def flush(self) -> None:
        """Hand on all there is, lines without an end too; called in the event loop's thread."""
        self._report()
        for stream, rest in self._rest.items():
            if rest:
                self._emit(stream, rest)
            self._rest[stream] = b""
        self._hand_on()
