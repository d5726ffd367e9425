"""What a worker uses that no kernel limit bounds: scratch, threads."""

from __future__ import annotations

import os
from pathlib import Path

from devkit_core.errors import ResourceExhausted

__all__ = ["Usage"]

_EVERY = 1.0  # seconds between looks
_FILES = 10_000  # in a scratch folder
_BLOCK = 512  # bytes, the unit of st_blocks


class Usage:
    """Looks at one worker's scratch folder and threads, at most once a second, while calls are in flight.

    The kernel bounds each file of the scratch folder, not their sum, and the threads of ordinary users,
    not of root. `scratch_mb` is in MiB; a folder of more than 10,000 files is over its limit too.
    """

    def __init__(self, plugin: str, scratch: Path, scratch_mb: int, threads: int) -> None:
        self._plugin = plugin
        self._scratch = scratch
        self._bytes = scratch_mb << 20
        self._mb = scratch_mb
        self._threads = threads
        self._next = 0.0

    def exceeded(self, now: float, pid: int) -> ResourceExhausted | None:
        """Return the limit that is exceeded, by the loop's clock; called from the sweep of deadlines."""
        if now < self._next:
            return None
        self._next = now + _EVERY
        size, files = self._measure()
        if size > self._bytes or files > _FILES:
            much = f"{size >> 20} MiB" if size > self._bytes else f"over {_FILES:,} files"
            return ResourceExhausted(
                f"the scratch folder of `{self._plugin}` holds {much}; the limit is {self._mb} MiB",
                code="scratch-limit",
                plugin=self._plugin,
                hint="write less, and remove what is not needed any more",
            )
        threads = _threads(pid)
        if threads > self._threads:
            return ResourceExhausted(
                f"`{self._plugin}` has {threads} threads; the limit is {self._threads}",
                code="thread-limit",
                plugin=self._plugin,
                hint="start fewer; a pool of threads does with few",
            )
        return None

    def _measure(self) -> tuple[int, int]:
        """Return the bytes and the number of files, counting no further than what is too much."""
        size = files = 0
        folders = [str(self._scratch)]
        while folders and size <= self._bytes and files <= _FILES:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        files += 1
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        else:
                            size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                        if files > _FILES:
                            break
            except OSError:  # it was removed meanwhile
                continue
        return size, files


def _threads(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink - 2
    except OSError:
        return 0
