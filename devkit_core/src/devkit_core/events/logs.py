"""What plugins print: the last lines of each, and whoever follows them."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["LogLine", "Logs"]

_log = logging.getLogger("devkit.plugin")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line a plugin printed; `stream` is stdout or stderr, `time` seconds since the epoch."""

    plugin: str
    stream: str
    text: str
    time: float


class Logs:
    """Keeps the last `keep` lines of every plugin and passes each on to followers and to `logging`."""

    def __init__(self, keep: int = 500, clock: Callable[[], float] = time.time) -> None:
        self._keep = keep
        self._clock = clock
        self._lines: dict[str, deque[LogLine]] = {}
        self._followers: list[Callable[[LogLine], None]] = []

    def writer(self, plugin: str) -> Callable[[str, str], None]:
        """Return what takes one plugin's lines: stream and text."""
        kept = self._lines.setdefault(plugin, deque(maxlen=self._keep))

        def write(stream: str, text: str) -> None:
            line = LogLine(plugin, stream, text, self._clock())
            kept.append(line)
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
        return lambda: self._followers.remove(follower)
