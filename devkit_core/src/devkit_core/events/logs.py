"""What plugins print: the last lines of each, and whoever follows them."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit_core.events.logfile import LogFile

__all__ = ["LogLine", "Logs"]

_log = logging.getLogger("devkit.plugin")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line a plugin printed; `stream` is stdout or stderr, `time` seconds since the epoch.

    The stream `note` has what its loader tells whoever waits: that it fetches packages. `host` is the
    process id of the program that the plugin ran in.
    """

    plugin: str
    stream: str
    text: str
    time: float
    host: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the line as JSON-ready data; keys are added over time, never renamed."""
        return {
            "time": self.time,
            "host": self.host,
            "plugin": self.plugin,
            "stream": self.stream,
            "text": self.text,
        }


class Logs:
    """Keeps the last `keep` lines of every plugin and passes each on to followers and to `logging`.

    With a `folder`, lines also go to a bounded file a plugin in it, for those who look afterwards.
    """

    def __init__(
        self, folder: Path | None = None, keep: int = 500, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._clock = clock
        self._lines: dict[str, deque[LogLine]] = {}
        self._files: dict[str, LogFile] = {}
        self._followers: list[Callable[[LogLine], None]] = []
        self._host = os.getpid()

    def writer(self, plugin: str) -> Callable[[str, str], None]:
        """Return what takes one plugin's lines: stream and text."""
        kept = self._lines.setdefault(plugin, deque(maxlen=self._keep))
        file = self._files.get(plugin)
        if file is None and self._folder is not None:
            file = self._files[plugin] = LogFile(self._folder, plugin)

        def write(stream: str, text: str) -> None:
            line = LogLine(plugin, stream, text, self._clock(), self._host)
            kept.append(line)
            if file is not None:
                file.write(line.as_dict())
            _log.debug("%s: %s", plugin, text)
            for follower in tuple(self._followers):
                follower(line)

        return write

    def lines(self, plugin: str) -> list[LogLine]:
        """Return the lines that are kept of a plugin, oldest first."""
        return list(self._lines.get(plugin, ()))

    def follow(self, follower: Callable[[LogLine], None]) -> Callable[[], None]:
        """Call `follower` with each line from now on; returns what stops it. It must not raise."""
        self._followers.append(follower)

        def stop() -> None:
            if follower in self._followers:
                self._followers.remove(follower)

        return stop

    def close(self) -> None:
        """Close the files; later lines open them again."""
        for file in self._files.values():
            file.close()
