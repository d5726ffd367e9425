"""What other processes of the user may ask of a running host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from devkit_core.errors import LoadError, UsageError
from devkit_core.events.bus import Bus, EventFilter
from devkit_core.events.logs import LogLine, Logs
from devkit_core.events.stats import SystemStats

if TYPE_CHECKING:
    from devkit_core.running.roster import Roster

__all__ = ["Requests"]

_LINES = 1000  # log lines that a slow follower may be behind


class Requests:
    """Answers requests that come through a host's control socket; streams end with the host or the asker."""

    def __init__(
        self,
        roster: Roster,
        bus: Bus,
        logs: Logs,
        stats: Callable[[], SystemStats],
        reload: Callable[[str], Awaitable[Any]],
        unload: Callable[[str, bool], Awaitable[None]],
        configure: Callable[[str, Mapping[str, Any]], Awaitable[Any]],
    ) -> None:
        self._roster = roster
        self._bus = bus
        self._logs = logs
        self._stats = stats
        self._reload = reload
        self._unload = unload
        self._configure = configure

    async def answer(
        self, request: Mapping[str, Any]
    ) -> Mapping[str, Any] | AsyncGenerator[Mapping[str, Any], None]:
        """Do what is asked and return the answer, or a stream of answers; raises DevKitError."""
        plugin = str(request.get("id", ""))
        match request.get("op"):
            case "list":
                loaded = [s for s in self._roster.supervisors() if s.loaded]
                return {
                    "plugins": {s.id: s.status.value for s in loaded},
                    "circuits": {
                        s.id: {"state": s.recovery.restarts.circuit.value, "retry_seconds": seconds}
                        for s in loaded
                        if (seconds := s.recovery.retry_seconds) is not None
                    },
                    "calls": sum(s.tally.calls for s in self._roster.supervisors()),
                    "errors": sum(sum(s.tally.errors.values()) for s in self._roster.supervisors()),
                }
            case "reload":
                handle = await self._reload(plugin)
                return {"id": plugin, "version": handle.version, "seconds": handle.info.load_seconds}
            case "unload":
                await self._unload(plugin, bool(request.get("cascade")))
                return {"id": plugin}
            case "configure":
                supervisor = self._roster.get(plugin)
                if supervisor is None or not supervisor.loaded:
                    raise LoadError(f"`{plugin}` is not loaded", code="plugin-not-loaded", plugin=plugin)
                await self._configure(plugin, {})  # what its files have now
                return {"id": plugin}
            case "stats":
                return {"stats": self._stats().as_dict()}
            case "events":
                wanted = EventFilter.of(_texts(request, "plugins"), _texts(request, "kinds"))
                return self._follow_events(wanted) if request.get("follow") else self._events(wanted)
            case "logs":
                if request.get("follow"):
                    return self._follow_logs(plugin)
                return {"lines": [line.as_dict() for line in self._logs.lines(plugin)]}
        raise UsageError(f"unknown request {str(request.get('op'))[:64]!r}")

    def _events(self, wanted: EventFilter) -> Mapping[str, Any]:
        return {"events": [event.as_dict() for event in self._bus.recent(wanted)]}

    async def _follow_events(self, wanted: EventFilter) -> AsyncGenerator[Mapping[str, Any], None]:
        with self._bus.subscribe(wanted.plugins, wanted.kinds) as subscription:
            yield {"following": True}
            async for event in subscription:
                yield event.as_dict()

    async def _follow_logs(self, plugin: str) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yield the lines that are kept, then those that come; who is too slow loses the oldest."""
        queue: asyncio.Queue[LogLine] = asyncio.Queue()

        def take(line: LogLine) -> None:
            if not plugin or line.plugin == plugin:
                if queue.qsize() >= _LINES:
                    queue.get_nowait()
                queue.put_nowait(line)

        stop = self._logs.follow(take)
        try:
            for line in self._logs.lines(plugin):
                yield line.as_dict()
            while True:
                yield (await queue.get()).as_dict()
        finally:
            stop()


def _texts(request: Mapping[str, Any], key: str) -> list[str]:
    value = request.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"`{key}` of a request must be a list of texts")
    return value
