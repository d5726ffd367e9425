"""What a worker uses that no kernel limit bounds, or binds late."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from devkit_core.errors import ResourceExhausted
from devkit_core.model.limits import how_to_raise
from devkit_core.sandbox.plan import Limits

__all__ = ["Usage"]

_EVERY = 1.0  # seconds between looks
_BLOCK = 512  # bytes, the unit of st_blocks
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MOST = 1024  # processes of one worker that are looked at


class Usage:
    """Looks at one worker's scratch folder, threads, processor time and memory, once a second at most.

    The kernel bounds each file of the scratch folder, not their sum; the threads of ordinary users, not of
    root; and the memory and processor time of each process, not of those that a worker with that right
    starts, which `tree` says that it may. `base_mb` is what its idle runtime needs. A worker that has used
    no processor time since the last look is not looked at: it can't have changed anything.
    """

    def __init__(
        self, plugin: str, scratch: Path, limits: Limits, *, tree: bool = False, base_mb: int = 0
    ) -> None:
        self._plugin = plugin
        self._scratch = scratch
        self._limits = limits
        self._tree = tree
        self._base = base_mb
        self._next = 0.0
        self._spent = -1.0
        self._idle = 0  # MiB that it had before the plugin did anything

    def begin(self, pid: int) -> None:
        """Note what the worker has now, before its first call."""
        self._idle = _memory(pid) >> 20

    def grown(self, peak_mb: int) -> int:
        """Return how many MiB more than that it had at most."""
        return max(0, peak_mb - self._idle)

    def exceeded(self, now: float, pid: int) -> ResourceExhausted | None:
        """Return the limit that is exceeded, by `time.monotonic`; called from the sweep of deadlines."""
        if now < self._next:
            return None
        self._next = now + _EVERY
        spent = spent_by(pid)
        if spent == self._spent and not self._tree:
            return None
        self._spent = spent
        return self._spends(spent) or self._fills() or self._runs(pid) or self._takes(pid)

    def _over(self, limit: str, code: str, message: str) -> ResourceExhausted:
        return ResourceExhausted(
            message, code=code, plugin=self._plugin, hint=how_to_raise(limit, self._plugin)
        )

    def _spends(self, spent: float) -> ResourceExhausted | None:
        allowed = self._limits.cpu_seconds
        if allowed is None or spent < allowed:
            return None
        used = f"`{self._plugin}` has used {spent:.1f} s of processor time; the limit is {allowed} s"
        return self._over("cpu_seconds", "cpu-limit", used)

    def _fills(self) -> ResourceExhausted | None:
        limits, folder = self._limits, f"the scratch folder of `{self._plugin}` holds"
        size, files = self._measure(limits.scratch_mb << 20, limits.scratch_files)
        if size > limits.scratch_mb << 20:
            held = f"{folder} {size / (1 << 20):.1f} MiB; the limit is {limits.scratch_mb} MiB"
            return self._over("scratch_mb", "scratch-limit", held)
        if files > limits.scratch_files:
            held = f"{folder} over {limits.scratch_files:,} files and folders, which is the limit"
            return self._over("scratch_files", "scratch-limit", held)
        return None

    def _runs(self, pid: int) -> ResourceExhausted | None:
        threads = _threads(pid)
        if threads <= self._limits.threads:
            return None
        message = f"`{self._plugin}` has {threads} threads; the limit is {self._limits.threads}"
        return self._over("threads", "thread-limit", message)

    def _takes(self, pid: int) -> ResourceExhausted | None:
        """Sum the memory of all its processes; that of a single one is the kernel's to bound."""
        if not self._tree:
            return None
        used = sum(_memory(each, own=True) for each in _family(pid)) >> 20
        allowed = self._limits.memory_mb
        if used <= allowed + self._base:
            return None
        message = (
            f"`{self._plugin}` and what it started use {used} MiB of memory; the limit is {allowed} MiB "
            f"over {self._base} MiB"
        )
        return self._over("memory_mb", "memory-limit", message)

    def _measure(self, most: int, many: int) -> tuple[int, int]:
        """Return the bytes and the number of files, counting no further than what is too much."""
        size = files = 0
        folders = [str(self._scratch)]
        while folders and size <= most and files <= many:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        files += 1
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        else:
                            size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                        if files > many:
                            break
            except OSError:  # it was removed meanwhile
                continue
        return size, files


def spent_by(pid: int) -> float:
    """Return the processor time of a process in seconds, 0 where it has ended: one cheap system call."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3), which Python doesn't have
    except OSError:
        return 0.0


def _threads(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink - 2
    except OSError:
        return 0


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all that it started."""
    waiting, seen = [pid], 0
    while waiting and seen < _MOST:
        current = waiting.pop()
        seen += 1
        yield current
        try:
            for thread in os.listdir(f"/proc/{current}/task"):
                with open(f"/proc/{current}/task/{thread}/children", "rb") as file:
                    waiting.extend(map(int, file.read().split()))
        except OSError:  # it has ended meanwhile
            continue


def _memory(pid: int, *, own: bool = False) -> int:
    """Return the bytes of a process that are in memory: all, or without those of files."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:
        return 0
    return (resident - shared if own else resident) * _PAGE
