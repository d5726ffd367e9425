"""A worker's output, line by line, within limits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

__all__ = ["Output"]

_READ = 64 * 1024
_LINE = 8 * 1024  # bytes of a line that are kept
_BURST = 1 << 20  # bytes that may come at once
_RATE = 256 * 1024  # bytes a second after that; the rest is counted, not kept


class Output:
    """Reads one pipe of a worker and hands on its lines.

    A flood is read and thrown away, so that it neither fills the host's memory nor stops the plugin in
    the middle of a print; how much was dropped is said in a line of its own.
    """

    def __init__(self, fd: int, name: str, line: Callable[[str, str], None]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._name = name
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._allowance = float(_BURST)
        self._since = self._loop.time()
        self._dropped = 0
        self._loop.add_reader(fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            self.close()

    def _take(self, data: bytes) -> None:
        now = self._loop.time()
        self._allowance = min(_BURST, self._allowance + (now - self._since) * _RATE)
        self._since = now
        if len(data) > self._allowance:
            self._dropped += len(data)
            self._rest = b""
            return
        self._allowance -= len(data)
        self._report()
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._emit(line)
        if len(self._rest) > _LINE:
            self._emit(self._rest)
            self._rest = b""

    def _emit(self, line: bytes) -> None:
        text = line[:_LINE].decode("utf-8", "replace").rstrip("\r")
        self._line(self._name, text + (" …" if len(line) > _LINE else ""))

    def _report(self) -> None:
        if self._dropped:
            self._line(self._name, f"[{self._dropped:,} bytes of output dropped: too much at once]")
            self._dropped = 0

    def drain(self) -> None:
        """Read what is there now and stop; called when the worker has ended."""
        for _ in range(64):
            if self._fd < 0:
                return
            try:
                data = os.read(self._fd, _READ)
            except OSError:
                break
            if not data:
                break
            self._take(data)
        self.close()

    def close(self) -> None:
        """Hand on what is left and stop reading; may be called again."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        if self._rest:
            self._emit(self._rest)
            self._rest = b""
        self._report()
