"""What a worker does with calls that were cancelled, and how long."""

from __future__ import annotations

from typing import Protocol

from devkit_core.protocol.connection import Connection

__all__ = ["GRACE", "Grace"]

#: seconds a worker has to react to a cancelled call before it is ended
GRACE = 0.5
#: seconds after which a worker that takes many calls at once is ended, though it answers others
_BUSY = 10 * GRACE
_LATE = 0.1  # seconds between two sweeps that count: a host that is busy has not read what was answered


class _Channel(Protocol):
    connection: Connection

    @property
    def unsent(self) -> int: ...


class Grace:
    """Watches the cancelled calls of one channel whose answers are still due."""

    def __init__(self, channel: _Channel) -> None:
        self._channel = channel
        self._connection = channel.connection
        self._head = (0, 0.0)  # the call that is judged: the oldest of all, or of many the cancelled
        self._clock = self._swept = 0.0  # of sweeps: it stands still while the host does something else
        self._answered = self._unsent = 0
        self._moved = 0.0  # by that clock, when the worker answered or read something last
        self._turn = 0

    def is_over(self, now: float) -> bool:
        """Say whether a cancelled call did not stop in time; called from the sweep of deadlines.

        A worker that takes one call at a time gets to a cancelled one only when its turn comes, so its grace
        begins then. One that takes many may read the cancel, and run the cancelled call, behind any number
        of others: while it answers, or reads what waits for it, its grace begins anew, up to a bound.
        """
        connection = self._connection
        if not connection.abandoned:
            return False
        if connection.concurrency > 1:
            return self._is_stuck(now)
        head = next(iter(connection.sent), 0)
        if head != self._head[0]:
            self._head = (head, now)
        since = connection.abandoned.get(head)
        return since is not None and now - max(since, self._head[1]) > GRACE

    def _is_stuck(self, now: float) -> bool:
        self._clock += min(now - self._swept, _LATE)
        self._swept, clock = now, self._clock
        answered, unsent = self._connection.answered, self._channel.unsent
        if answered != self._answered or unsent < self._unsent:
            self._moved = clock
        self._answered, self._unsent = answered, unsent
        first = next(iter(self._connection.abandoned))  # the one that was cancelled before the others
        if first != self._head[0]:
            self._head = (first, clock)
        since = self._head[1]
        return clock - since > _BUSY or clock - max(since, self._moved) > GRACE

    def next(self) -> int:
        """Return the id of a cancelled call that may be running, of several each in its turn, or 0."""
        waiting = self._connection.abandoned
        if not waiting:
            return 0
        if self._connection.concurrency == 1:
            return self._head[0] if self._head[0] in waiting else 0
        self._turn += 1
        return list(waiting)[self._turn % len(waiting)]
