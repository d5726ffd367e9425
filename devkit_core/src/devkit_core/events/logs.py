"""What plugins print: the last lines of each, and whoever follows them."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devkit_core.events.logfile import LogFile

__all__ = ["LogLine", "Logs"]

_log = logging.getLogger("devkit.plugin")
_log.addHandler(logging.NullHandler())  # who hasn't set up logging has the plugin's log all the same
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line a plugin printed; `stream` is stdout or stderr, `time` seconds since the epoch.

    The stream `note` has what its loader tells whoever waits: that it fetches packages. The stream `log` has
    what the plugin says by its log, with `level` (`debug`, `info`, `warning`, `error`) and `fields`. `host`
    is the process id of the program that the plugin ran in.
    """

    plugin: str
    stream: str
    text: str
    time: float
    host: int = 0
    level: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the line as JSON-ready data; keys are added over time, never renamed."""
        data: dict[str, Any] = {
            "time": self.time,
            "host": self.host,
            "plugin": self.plugin,
            "stream": self.stream,
            "text": self.text,
        }
        if self.level:
            data["level"] = self.level
        if self.fields:
            data["fields"] = dict(self.fields)
        return data


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
        """Return what takes the lines that one plugin prints: stream and text."""
        take = self._taker(plugin)

        def write(stream: str, text: str) -> None:
            take(LogLine(plugin, stream, text, self._clock(), self._host))
            _log.debug("%s: %s", plugin, text)

        return write

    def messages(self, plugin: str) -> Callable[[str, str, Mapping[str, Any]], None]:
        """Return what takes one plugin's messages: level, text and fields; `logging` has that level too."""
        take = self._taker(plugin)

        def write(level: str, text: str, fields: Mapping[str, Any]) -> None:
            take(LogLine(plugin, "log", text, self._clock(), self._host, level, fields))
            _log.log(_LEVELS.get(level, logging.INFO), "%s: %s", plugin, text, extra={"fields": dict(fields)})

        return write

    def _taker(self, plugin: str) -> Callable[[LogLine], None]:
        kept = self._lines.setdefault(plugin, deque(maxlen=self._keep))
        file = self._files.get(plugin)
        if file is None and self._folder is not None:
            file = self._files[plugin] = LogFile(self._folder, plugin)

        def take(line: LogLine) -> None:
            kept.append(line)
            if file is not None:
                file.write(line.as_dict())
            for follower in tuple(self._followers):
                follower(line)

        return take

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
