"""Looks at idle plugins: do their workers answer, does anybody call them?"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from devkit_core.errors import CallTimeout, DevKitError, WorkerCrashed

if TYPE_CHECKING:
    from devkit_core.running.member import Member
    from devkit_core.running.supervisor import Supervisor

__all__ = ["Rounds"]

_OFTEN = 4  # looks in the time after which an idle plugin rests


class _Patrol:
    """What is known of one plugin."""

    __slots__ = ("calls", "idle_since", "next_ping", "supervisor")

    def __init__(self, supervisor: Supervisor, now: float, next_ping: float) -> None:
        self.supervisor = supervisor
        self.calls = supervisor.tally.calls
        self.idle_since = now
        self.next_ping = next_ping


class Rounds:
    """One timer for all plugins of a manager; a call costs nothing for it.

    Each worker that has no call in flight is pinged every `interval` seconds (0: never), and ended where it
    doesn't answer within `patience`. A plugin that had no call for its idle time is told to `rest`.
    """

    def __init__(
        self,
        interval: float,
        patience: float,
        rest: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = interval or math.inf
        self._patience = patience
        self._rest = rest
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._patrols: dict[str, _Patrol] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._pings: dict[Member, asyncio.Task[None]] = {}

    def watch(self, supervisor: Supervisor) -> None:
        """Look at this plugin until nothing of it runs; called whenever instances of it took over."""
        now = self._clock()
        self._patrols[supervisor.id] = _Patrol(supervisor, now, now + self._interval)
        self._arm(min(now + self._interval, now + _idle(supervisor) / _OFTEN))

    def _arm(self, due: float) -> None:
        if due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = self._loop.call_later(max(0.0, due - self._clock()), self.go)

    def go(self) -> None:
        """Look at all; called by the timer."""
        self._timer, self._due = None, math.inf
        now = self._clock()
        due = math.inf
        for plugin, patrol in list(self._patrols.items()):
            if not patrol.supervisor.running:
                del self._patrols[plugin]
                continue
            due = min(due, self._look(patrol, now))
        if due < math.inf:
            self._arm(due)

    def _look(self, patrol: _Patrol, now: float) -> float:
        """Look at one, and return when to look again."""
        supervisor = patrol.supervisor
        if supervisor.tally.calls != patrol.calls or supervisor.crew.in_flight:
            patrol.calls, patrol.idle_since = supervisor.tally.calls, now
        idle = _idle(supervisor)
        if now - patrol.idle_since >= idle:
            patrol.idle_since = now  # one that can't rest now is looked at again
            self._rest(supervisor.id)
        if now >= patrol.next_ping:
            patrol.next_ping = now + self._interval
            for member in supervisor.crew.members:
                if member.instance.pid is not None and not member.instance.in_flight:
                    self._ping(supervisor, member)
        return min(patrol.next_ping, now + idle / _OFTEN)

    def _ping(self, supervisor: Supervisor, member: Member) -> None:
        if member not in self._pings:
            task = self._pings[member] = self._loop.create_task(self._wait(supervisor, member))
            task.add_done_callback(lambda _: self._pings.pop(member, None))

    async def _wait(self, supervisor: Supervisor, member: Member) -> None:
        try:
            await member.instance.ping(self._patience)
        except CallTimeout:
            if member in supervisor.crew:
                member.instance.end(
                    WorkerCrashed(
                        f"an idle worker of `{supervisor.id}` answered no ping in {self._patience:g} s",
                        code="worker-unresponsive",
                        plugin=supervisor.id,
                    )
                )
        except DevKitError:
            pass  # it has ended, and that is told

    async def close(self) -> None:
        """Look no more."""
        self._patrols.clear()
        if self._timer is not None:
            self._timer.cancel()
        if pings := list(self._pings.values()):
            for task in pings:
                task.cancel()
            await asyncio.wait(pings)


def _idle(supervisor: Supervisor) -> float:
    return supervisor.blueprint.upkeep.idle if supervisor.blueprint is not None else math.inf
