"""A host under load for long, and whether anything of it grows."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from processes import descendants, descriptors, pending, resident, zygotes
from storm import Storm
from weather import Faults

from devkit_core import PluginManager, blocking

__all__ = ["Soak"]

#: what may be between the first and the last third of a run: so much, or this part of the first
BOUNDS: dict[str, tuple[float, float]] = {
    "host_mib": (6, 0.03),
    "zygotes_mib": (3, 0.03),
    "descriptors": (4, 0.0),
    "threads": (2, 0.0),
    "processes": (2, 0.0),
    "tasks": (4, 0.0),
    "futures": (8, 0.0),
    "objects": (4_000, 0.03),
}
_ENOUGH = 60  # samples, below which a run says nothing of growth
_WARM = 0.15  # the part of a run that isn't looked at: caches fill


@dataclass
class Soak:
    """Load of all kinds for so many seconds, a fault now and then, and a sample every few seconds."""

    seconds: float
    every: float = 2.0
    samples: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in BOUNDS})

    async def __call__(self, storm: Storm, manager: PluginManager, threads: blocking.PluginManager) -> None:
        until = time.monotonic() + self.seconds
        faults = Faults(0)
        faults.begin(storm, manager, threads)
        while (now := time.monotonic()) < until:
            await faults.one()
            storm.look_for_hung()
            self._sample()
            await asyncio.sleep(max(0.0, min(now + self.every, until) - time.monotonic()))

    def _sample(self) -> None:
        gc.collect()
        now = {
            "host_mib": resident(os.getpid()),
            "zygotes_mib": sum(map(resident, zygotes())),
            "descriptors": descriptors(),
            "threads": threading.active_count(),
            "processes": len(descendants(os.getpid())),
            "tasks": len(asyncio.all_tasks()),
            "futures": pending(),
            "objects": len(gc.get_objects()),
        }
        for name, value in now.items():
            self.samples[name].append(value)

    def trends(self) -> dict[str, dict[str, Any]]:
        """Return of each thing its median in each third of the run, and whether it grew too much."""
        found = {}
        for name, values in self.samples.items():
            kept = values[int(len(values) * _WARM) :]
            third = max(1, len(kept) // 3)
            thirds = [kept[:third], kept[third:-third] or kept, kept[-third:]]
            first, middle, last = (round(statistics.median(each), 1) for each in thirds)
            most, part = BOUNDS[name]
            grown = len(values) >= _ENOUGH and last - first > max(most, first * part)
            found[name] = {"first": first, "middle": middle, "last": last, "most": max(kept), "grown": grown}
        return found
