"""One clock for all deadlines of a manager."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Protocol

__all__ = ["TICK", "Deadlines"]

#: seconds between looks; a call fails at most this much after its time
TICK = 0.02


class Sweepable(Protocol):
    def sweep(self, now: float) -> bool:
        """Fail what is overdue by `time.monotonic`; return whether anything is left to watch."""
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

    def watch(self, connection: Sweepable) -> None:
        """Look at this connection until its `sweep` says that nothing is left."""
        self._watched.add(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._tick)

    def forget(self, connection: Sweepable) -> None:
        """Look at it no more."""
        self._watched.discard(connection)

    def _tick(self) -> None:
        now = monotonic()
        for connection in tuple(self._watched):
            if not connection.sweep(now):
                self._watched.discard(connection)
        self._timer = self._loop.call_later(TICK, self._tick) if self._watched else None

    def close(self) -> None:
        """Stop looking."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
