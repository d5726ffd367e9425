"""One clock for all deadlines of a manager."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Protocol

__all__ = ["TICK", "Deadlines"]

#: seconds between looks at what workers use
_PACE = 1.0
#: seconds between looks; a call fails at most this much after its time
TICK = 0.02
_LATE = 0.25  # seconds that a look may be late by, where the host is only busy


class Sweepable(Protocol):
    def sweep(self, now: float) -> bool:
        """Fail what is overdue by `time.monotonic`; return whether anything is left to watch."""
        ...


class Attended(Protocol):
    def look(self, now: float) -> None:
        """Look at what it uses, by `time.monotonic`."""
        ...


class Deadlines:
    """Looks, every `TICK`, at the connections that have calls in flight; idle ones cost nothing.

    A call only carries its deadline; nothing is added or removed for it. What is looked at is bounded by
    what is in flight, so a look is shorter than the bookkeeping of a wheel would be.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Sweepable] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._late = False
        self._attended: set[Attended] = set()
        self._pace: asyncio.TimerHandle | None = None

    def attend(self, worker: Attended) -> None:
        """Look at what this worker uses, once a second until it is forgotten, whether it has calls or not."""
        self._attended.add(worker)
        if self._pace is None:
            self._pace = self._loop.call_later(_PACE, self._look)

    def _look(self) -> None:
        now = monotonic()
        for worker in tuple(self._attended):
            worker.look(now)
        self._pace = self._loop.call_later(_PACE, self._look) if self._attended else None

    def watch(self, connection: Sweepable) -> None:
        """Look at this connection until its `sweep` says that nothing is left."""
        self._watched.add(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._tick)

    def forget(self, connection: Sweepable) -> None:
        """Look at it no more."""
        self._watched.discard(connection)
        self._attended.discard(connection)

    def _tick(self) -> None:
        assert self._timer is not None
        self._late = not self._late and self._loop.time() - self._timer.when() > _LATE
        if self._late:  # the host slept, or was stopped: what came meanwhile is read first
            self._timer = self._loop.call_later(TICK, self._tick)
            return
        now = monotonic()
        for connection in tuple(self._watched):
            if not connection.sweep(now):
                self._watched.discard(connection)
        self._timer = self._loop.call_later(TICK, self._tick) if self._watched else None

    def close(self) -> None:
        """Stop looking."""
        self._watched.clear()
        self._attended.clear()
        for timer in (self._timer, self._pace):
            if timer is not None:
                timer.cancel()
        self._timer = self._pace = None
