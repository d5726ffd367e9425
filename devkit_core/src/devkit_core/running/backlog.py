"""Calls that wait for an instance to start."""

from __future__ import annotations

from collections.abc import Iterable

from devkit_core.errors import CallTimeout, DevKitError
from devkit_core.workers.admission import Share
from devkit_core.workers.deadlines import Deadlines
from devkit_core.workers.pending import PendingCall

__all__ = ["Backlog"]

_MOST = 10_000


class Backlog:
    """One plugin's calls that no instance has; their time runs meanwhile."""

    def __init__(self, plugin: str, deadlines: Deadlines, share: Share) -> None:
        self._plugin = plugin
        self._share = share
        self._deadlines = deadlines
        self._calls: list[PendingCall] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, call: PendingCall) -> None:
        """Keep a new call; one too many fails."""
        if not self._share.enter(call.size):
            call.set_exception(self._share.refusal())
            return
        call.admitted = True
        self._calls.append(call)
        self._deadlines.watch(self)

    def take_back(self, calls: Iterable[PendingCall]) -> None:
        """Keep calls that an instance had, before those that came later."""
        for call in calls:
            self._share.keep(call.size)
            call.admitted = True
        self._calls[:0] = calls
        if self._calls:
            self._deadlines.watch(self)

    def empty(self) -> list[PendingCall]:
        """Hand out the calls that somebody still waits for."""
        calls, self._calls = self._calls, []
        for call in calls:
            self._share.leave(call.size)
        return [call for call in calls if not call.done()]

    def fail(self, error: DevKitError) -> None:
        """End all calls with an error."""
        for call in self.empty():
            call.set_exception(error)

    def sweep(self, now: float) -> bool:
        """Fail the calls whose time is over; called by the deadlines."""
        for call in self._calls:
            if not call.deadline > now and not call.done():
                call.set_exception(
                    CallTimeout(
                        f"`{self._plugin}` didn't start again in the call's time",
                        plugin=self._plugin,
                        hint="raise timeout=, --timeout, or execution_timeout",
                    )
                )
        kept = []
        for call in self._calls:
            if call.done():
                self._share.leave(call.size)
            else:
                kept.append(call)
        self._calls = kept
        return bool(kept)
