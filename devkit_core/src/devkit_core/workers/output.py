"""A worker's output, line by line, within limits."""

from __future__ import annotations

import asyncio
import os
from typing import Protocol

from devkit_core.workers.lines import Lines

__all__ = ["Log", "Output"]

_READ = 64 * 1024
_EVERY = 1.0  # seconds between what is said of a flood


class Log(Protocol):
    """Takes what a plugin prints; never blocks."""

    def __call__(self, stream: str, text: str) -> None:
        """Take one line, of `stdout`, `stderr`, or of the loader itself as `note`."""
        ...

    def dropped(self, limit: str, count: int) -> None:
        """Learn that so many bytes, or lines, were over the limit of that name and are gone."""
        ...

    def flush(self) -> None:
        """Say what is still to be said of dropped lines; called when an instance has ended."""
        ...


class Output:
    """Reads one pipe of a worker and hands on its lines, `kb` KiB a second.

    A flood is read and thrown away, so that it neither fills the host's memory nor stops the plugin in
    the middle of a print; how much was dropped is told once a second.
    """

    def __init__(self, fd: int, name: str, log: Log, kb: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._name = name
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._lines = Lines(kb)
        self._reporting: asyncio.TimerHandle | None = None
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
        for line in self._lines.take(data):
            self._log(self._name, line)
        if self._lines.dropped and self._reporting is None:
            self._reporting = self._loop.call_later(_EVERY, self._report)

    def _report(self) -> None:
        if self._reporting is not None:
            self._reporting.cancel()
            self._reporting = None
            self._log.dropped("output_kb", self._lines.take_dropped())

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
        for line in self._lines.end():
            self._log(self._name, line)
        self._report()
