"""The machine: what it is, and whether others use it."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

#: where host and plugin run: wherever the kernel puts them, each on a core of its own, or both on one
Cores = Literal["any", "two", "one"]


def describe() -> dict[str, object]:
    """Return what a reader has to know to judge figures."""
    processor = platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
            processor = next(iter(names), processor)
        with open("/proc/meminfo") as file:
            memory = f"{int(file.readline().split()[1]) / (1 << 20):.0f} GiB"
    except OSError:
        memory = "unknown"
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory": memory,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def _times() -> tuple[int, int] | None:
    try:
        with open("/proc/stat") as file:
            spent = [int(word) for word in file.readline().split()[1:9]]
    except OSError:
        return None
    return spent[3] + spent[4], sum(spent)


def busy(seconds: float = 0.1) -> float:
    """Return the share of the machine that is in use now, by looking for so long; 0 where unknown."""
    before = _times()
    time.sleep(seconds)
    after = _times()
    if before is None or after is None or after[1] == before[1]:
        return 0.0
    return 1 - (after[0] - before[0]) / (after[1] - before[1])


class Quiet:
    """Waits for other programs to leave the machine alone, for seconds in all; with 0 it never looks."""

    def __init__(self, most: float, *, at_once: float = 2.0, below: float = 0.15) -> None:
        self._looks = most > 0
        self._left = most
        self._at_once = at_once
        self._below = below

    def wait(self) -> float:
        """Wait as long as it's worth it; return how busy the machine was in the end, 0 to 1."""
        began = time.monotonic()
        while True:
            share = busy() if self._looks else 0.0
            waited = time.monotonic() - began
            if share <= self._below or waited >= min(self._at_once, self._left):
                self._left -= waited
                return share


def _below(pid: int) -> list[int]:
    """Return a process's descendants."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_below(int(child))]
    return found


def spent(host: int) -> int:
    """Return the processor time, in ns, that a host and the processes below it have used."""
    total = 0
    for process in (host, *_below(host)):
        with contextlib.suppress(OSError):
            total += time.clock_gettime_ns(~process << 3 | 2)  # the clock that clock_getcpuclockid(3) names
    return total


def _pin(pid: int, cores: set[int]) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)


@contextlib.contextmanager
def pinned(host: int, cores: Cores) -> Iterator[None]:
    """Keep a host and the processes below it on the cores that a task is about."""
    if cores == "any":
        yield
        return
    everywhere = os.sched_getaffinity(host)
    first, second = sorted(everywhere)[0], sorted(everywhere)[-1]
    children = _below(host)
    try:
        _pin(host, {first})
        for child in children:
            _pin(child, {second if cores == "two" else first})
        yield
    finally:
        for process in (host, *children):
            with contextlib.suppress(OSError):
                _pin(process, everywhere)
