"""Calls that wait in this process for an instance of it."""

from __future__ import annotations

from collections import deque

from devkit_core.workers.admission import Share
from devkit_core.workers.pending import PendingCall

__all__ = ["CallQueue"]


class CallQueue:
    """The calls that wait for one instance, counted by the plugin's share of what may wait in its host."""

    def __init__(self, share: Share | None) -> None:
        self._share = share
        self._calls: deque[PendingCall] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: PendingCall) -> None:
        """Let a call wait; where it may not, it fails."""
        share = self._share
        if share is not None:
            if call.admitted:
                share.keep(call.size)
            elif not share.enter(call.size):
                call.set_exception(share.refusal())
                return
        self._calls.append(call)

    def take(self) -> PendingCall:
        """Return the call that waits the longest, which waits no more."""
        return self._let_go(self._calls.popleft())

    def take_all(self) -> list[PendingCall]:
        """Return all calls, which wait no more."""
        return [self.take() for _ in range(len(self._calls))]

    def overdue(self, now: float) -> list[PendingCall]:
        """Take out the calls whose time is over, and those that nobody waits for; return the former."""
        late = []
        for _ in range(len(self._calls)):
            call = self._calls.popleft()
            if call.done():
                self._let_go(call)
            elif not call.deadline > now:
                late.append(self._let_go(call))
            else:
                self._calls.append(call)
        return late

    def _let_go(self, call: PendingCall) -> PendingCall:
        if self._share is not None:
            self._share.leave(call.size)
        return call
