"""What a worker does with calls that were cancelled, and how long."""

from __future__ import annotations

from devkit_core.protocol.connection import Connection

__all__ = ["GRACE", "Grace"]

#: seconds a worker has to react to a cancelled call before it is ended
GRACE = 0.5


class Grace:
    """Watches the cancelled calls of one connection whose answers are still due."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._head = (0, 0.0)  # the oldest unanswered call, and since when it is that
        self._turn = 0

    def is_over(self, now: float) -> bool:
        """Say whether a cancelled call did not stop in time; called from the sweep of deadlines.

        A worker that takes one call at a time gets to a cancelled one only when its turn comes, so its grace
        begins then.
        """
        connection = self._connection
        if not connection.abandoned:
            return False
        serial = connection.concurrency == 1
        head = next(iter(connection.sent), 0)
        if head != self._head[0]:
            self._head = (head, now)
        for number, since in connection.abandoned.items():
            if serial and number != head:
                continue
            if now - max(since, self._head[1] if serial else 0.0) > GRACE:
                return True
        return False

    def next(self) -> int:
        """Return the id of a cancelled call that may be running, of several each in its turn, or 0."""
        waiting = self._connection.abandoned
        if not waiting:
            return 0
        if self._connection.concurrency == 1:
            return self._head[0] if self._head[0] in waiting else 0
        self._turn += 1
        return list(waiting)[self._turn % len(waiting)]
