"""A plugin's lines on disk, in two bounded files."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["LIMIT", "LogFile", "last_run"]

_log = logging.getLogger("devkit.events")
#: bytes of a file, after which it becomes the one before, and that one goes
LIMIT = 1 << 20


class LogFile:
    """Appends JSON lines to `PLUGIN.log`, readable by its owner alone; opened with the first line.

    Several hosts may write to one file. What can't be written is given up, with one warning: a full disk
    stops no plugin.
    """

    def __init__(self, folder: Path, plugin: str, limit: int = LIMIT) -> None:
        self.path = _path(folder, plugin)
        self._limit = limit
        self._fd = -1
        self._size = 0
        self._failed = False

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line; never raises."""
        if self._failed:
            return
        data = json.dumps(line).encode() + b"\n"
        try:
            if self._fd < 0:
                self._open()
            if self._size + len(data) > self._limit:
                self._rotate()
            os.write(self._fd, data)
            self._size += len(data)
        except OSError as error:
            self._failed = True
            self.close()
            _log.warning("%s can't be written: %s", self.path, error.strerror or error)

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        mine = os.fstat(self._fd)
        try:
            there = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            there = None
        # another host may have moved the file already: then only follow it
        if there is not None and (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev):
            os.replace(self.path, _before(self.path))
        self.close()
        self._open()

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _path(folder: Path, plugin: str) -> Path:
    return folder / f"{plugin.replace('/', '-')}.log"


def _before(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def last_run(folder: Path, plugin: str) -> list[dict[str, Any]]:
    """Return what a plugin printed in the last host that it printed anything in, oldest first.

    Lines that can't be read, as after a crash in the middle of one, are left out.
    """
    path = _path(folder, plugin)
    found: list[dict[str, Any]] = []
    for each in (_before(path), path):
        try:
            data = each.read_bytes()
        except OSError:
            continue
        for line in data.splitlines():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and isinstance(entry.get("text"), str):
                found.append(entry)
    return [entry for entry in found if entry.get("host") == found[-1].get("host")]
