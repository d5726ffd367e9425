"""Calls that wait for an instance to start."""

from __future__ import annotations

from collections.abc import Iterable

from devkit_core.errors import CallTimeout, DevKitError, Overloaded
from devkit_core.workers.deadlines import Deadlines
from devkit_core.workers.pending import PendingCall

__all__ = ["Backlog"]

_MOST = 10_000


class Backlog:
    """One plugin's calls that no instance has; their time runs meanwhile."""

    def __init__(self, plugin: str, deadlines: Deadlines) -> None:
        self._plugin = plugin
        self._deadlines = deadlines
        self._calls: list[PendingCall] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, call: PendingCall) -> None:
        """Keep a new call; one too many fails."""
        if len(self._calls) >= _MOST:
            call.set_exception(
                Overloaded(f"over {_MOST:,} calls wait for `{self._plugin}` to start", plugin=self._plugin)
            )
            return
        self._calls.append(call)
        self._deadlines.watch(self)

    def take_back(self, calls: Iterable[PendingCall]) -> None:
        """Keep calls that an instance had, before those that came later."""
        self._calls[:0] = calls
        if self._calls:
            self._deadlines.watch(self)

    def empty(self) -> list[PendingCall]:
        """Hand out the calls that somebody still waits for."""
        calls, self._calls = self._calls, []
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
        self._calls = [call for call in self._calls if not call.done()]
        return bool(self._calls)
