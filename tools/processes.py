"""This process and those below it, and what they hold."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from pathlib import Path

from devkit_core.workers.pending import PendingCall

__all__ = ["descendants", "descriptors", "pending", "resident", "send", "zygotes"]


def descendants(pid: int) -> list[int]:
    """Return the processes below one, those of its threads too."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def zygotes() -> list[int]:
    """Return the zygotes of this process."""
    return [
        pid
        for pid in descendants(os.getpid())
        if b"zygote.py" in _read(pid, "cmdline") and _parent(pid) == os.getpid()
    ]


def descriptors() -> int:
    """Return how many descriptors are open."""
    return len(os.listdir("/proc/self/fd"))


def resident(pid: int) -> float:
    """Return how much memory a process has, in MiB."""
    words = _read(pid, "statm").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20) if words else 0.0


def pending() -> int:
    """Return how many futures are waited for that nobody will end, and calls.

    A future that nobody waits for any more may live on in the traceback of an error that is kept.
    """
    gc.collect()
    found = 0
    for each in gc.get_objects():
        if isinstance(each, PendingCall):
            found += not each.done()
        elif isinstance(each, asyncio.Future) and not isinstance(each, asyncio.Task):
            found += not each.done() and bool(each._callbacks)  # type: ignore[attr-defined]
    return found


def send(pid: int | None, number: int) -> bool:
    """Signal a process below this one, and none that has its number by chance."""
    if pid is None:
        return False
    try:
        held = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if pid not in descendants(os.getpid()):
            return False
        signal.pidfd_send_signal(held, number)
    except OSError:
        return False
    finally:
        os.close(held)
    return True


def _parent(pid: int) -> int:
    words = _read(pid, "stat").rpartition(b")")[2].split()
    return int(words[1]) if words else 0


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
