"""A host's numbers, put together from its supervisors and /proc."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from devkit_core.events.stats import PluginStats, SystemStats
from devkit_core.model.types import PluginStatus

if TYPE_CHECKING:
    from devkit_core.running.roster import Roster
    from devkit_core.running.supervisor import Supervisor

__all__ = ["measure", "of_process", "total"]


def of_process(pid: int) -> tuple[int | None, float | None]:
    """Return a process's resident memory in bytes and the CPU seconds it has used, as far as known."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            memory = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        with open(f"/proc/{pid}/stat", "rb") as file:
            # the name in parentheses may hold anything, so what counts begins after the last one
            fields = file.read().rpartition(b")")[2].split()
        return memory, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):  # it has ended, or this is not Linux
        return None, None


def measure(supervisor: Supervisor) -> PluginStats:
    """Return one plugin's numbers now."""
    tally = supervisor.tally
    pids = supervisor.crew.pids
    used = [of_process(pid) for pid in pids]
    memory = [each for each, _ in used if each is not None]
    seconds = [each for _, each in used if each is not None]
    return PluginStats(
        id=supervisor.id,
        status=supervisor.status.value,
        health=supervisor.health.value,
        calls=tally.calls,
        errors=dict(tally.errors),
        latency=tally.latency(),
        bytes_in=tally.bytes_in,
        bytes_out=tally.bytes_out,
        restarts=supervisor.recovery.restarts.count,
        reloads=supervisor.reloads,
        pid=supervisor.pid,
        workers=len(supervisor.crew.members),
        pids=pids,
        circuit=supervisor.recovery.restarts.circuit.value,
        retry_seconds=supervisor.recovery.retry_seconds,
        memory_bytes=sum(memory) if memory else None,
        cpu_seconds=sum(seconds) if seconds else None,
        uptime_seconds=time.monotonic() - supervisor.since if supervisor.since is not None else None,
    )


def total(
    roster: Roster, plugins: int, events: int, started_at: float, last_scan_at: float | None
) -> SystemStats:
    """Return the numbers of a whole host; `plugins` is how many were found, `events` how many were told."""
    supervisors = roster.supervisors()
    each = {supervisor.id: measure(supervisor) for supervisor in supervisors}
    return SystemStats(
        total_plugins=plugins,
        loaded_plugins=len(roster.loaded()),
        failed_plugins=sum(s.status is PluginStatus.ERROR for s in supervisors),
        total_events=events,
        started_at=started_at,
        last_scan_at=last_scan_at,
        calls=sum(stats.calls for stats in each.values()),
        failed_calls=sum(stats.failed for stats in each.values()),
        plugins=each,
    )
