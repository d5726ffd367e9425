"""What happened to plugins, told in order to whoever listens."""

from __future__ import annotations

import enum
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from devkit_core.errors import UsageError

if TYPE_CHECKING:
    import asyncio

__all__ = ["Bus", "EventFilter", "EventKind", "PluginEvent", "Subscription"]

_log = logging.getLogger("devkit.events")


class EventKind(enum.StrEnum):
    """What kind of thing happened; docs/reference/events.md says when each is sent and what it holds."""

    PLUGIN_LOADED = "plugin-loaded"
    PLUGIN_UNLOADED = "plugin-unloaded"
    PLUGIN_ERROR = "plugin-error"
    PLUGIN_STATE_CHANGED = "plugin-state-changed"
    PLUGIN_CONFIG_UPDATED = "plugin-config-updated"
    PLUGIN_HEALTH_CHANGED = "plugin-health-changed"
    PLUGIN_CIRCUIT_CHANGED = "plugin-circuit-changed"
    OUTPUT_DROPPED = "output-dropped"
    DEPENDENCY_RESOLVED = "dependency-resolved"
    SYSTEM = "system-event"
    FILE_CHANGED = "file-changed"
    MANIFEST_CHANGED = "manifest-changed"
    RELOAD_STARTED = "reload-started"
    RELOAD_SUCCEEDED = "reload-succeeded"
    RELOAD_FAILED = "reload-failed"
    WATCH_STARTED = "watch-started"
    WATCH_STOPPED = "watch-stopped"
    #: what a plugin itself tells
    PLUGIN_EVENT = "plugin-event"
    PLUGIN_PROGRESS = "plugin-progress"
    #: said to one subscriber, in the place of events that it was too slow for
    EVENTS_MISSED = "events-missed"


@dataclass(frozen=True, slots=True)
class PluginEvent:
    """One thing that happened; `sequence` counts from 1 without gaps, `time` is seconds since the epoch."""

    kind: EventKind
    plugin: str | None
    data: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0
    time: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON-ready data; keys are added over time, never renamed."""
        return {
            "sequence": self.sequence,
            "time": self.time,
            "kind": self.kind.value,
            "plugin": self.plugin,
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events somebody wants: of these plugins and of these kinds; an empty set means all."""

    plugins: frozenset[str] = frozenset()
    kinds: frozenset[EventKind] = frozenset()

    @classmethod
    def of(cls, plugins: Iterable[str] = (), kinds: Iterable[EventKind | str] = ()) -> EventFilter:
        """Return the filter of these names; raises UsageError for a kind that there isn't."""
        return cls(
            frozenset((plugins,) if isinstance(plugins, str) else plugins),
            frozenset(_kind(each) for each in ((kinds,) if isinstance(kinds, str) else kinds)),
        )

    def __call__(self, event: PluginEvent) -> bool:
        """Say whether the event is wanted."""
        return (not self.plugins or event.plugin in self.plugins) and (
            not self.kinds or event.kind in self.kinds
        )


def _kind(name: EventKind | str) -> EventKind:
    try:
        return EventKind(name)
    except ValueError:
        from difflib import get_close_matches

        near = get_close_matches(str(name)[:64], list(EventKind), n=1)
        raise UsageError(
            f"there is no kind of event {str(name)[:64]!r}",
            code="event-kind-unknown",
            hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(EventKind)}",
        ) from None


class Subscription:
    """Events as an async iterator, bounded: whoever is too slow loses the oldest, and is told so.

    In the place of what was lost comes one event of the kind `events-missed`, whatever the filter, with
    `missed`, `first` and `last` (sequence numbers) in its data; `missed` here counts them all. Use it as
    a context manager, or call `close`; what came before the end is still handed out.
    """

    def __init__(self, bus: Bus, wanted: EventFilter, size: int, wake: asyncio.Event) -> None:
        self.missed = 0
        self._bus = bus
        self._wanted = wanted
        self._size = max(1, size)
        self._events: deque[PluginEvent] = deque()
        self._lost: list[PluginEvent] = []  # the first and the last of those lost since the last event
        self._lost_count = 0
        self._wake = wake
        self._closed = False

    def offer(self, event: PluginEvent) -> None:
        """Take an event that matches; called by the bus."""
        if not self._wanted(event):
            return
        if len(self._events) == self._size:
            self._lost[1:] = [self._events.popleft()]
            self._lost_count += 1
            self.missed += 1
        self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        self._bus.forget(self)
        self._wake.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[PluginEvent]:
        return self

    async def __anext__(self) -> PluginEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._gap() if self._lost else self._events.popleft()

    def _gap(self) -> PluginEvent:
        first, last, count = self._lost[0], self._lost[-1], self._lost_count
        self._lost, self._lost_count = [], 0
        data = {"missed": count, "first": first.sequence, "last": last.sequence}
        return PluginEvent(EventKind.EVENTS_MISSED, None, data, last.sequence, last.time)


class Bus:
    """Publishes events to subscriptions, callbacks and hooks; none can break another.

    `hooks` are called like callbacks. The last `keep` events are kept for whoever comes late.
    """

    def __init__(
        self,
        hooks: Iterable[Callable[[PluginEvent], None]] = (),
        clock: Callable[[], float] = time.time,
        keep: int = 200,
    ) -> None:
        self._callbacks: list[Callable[[PluginEvent], None]] = list(hooks)
        self._subscriptions: list[Subscription] = []
        self._clock = clock
        self._recent: deque[PluginEvent] = deque(maxlen=keep)
        self._untold: deque[PluginEvent] = deque()
        self._telling = False
        self._closed = False
        self.published = 0

    def publish(self, kind: EventKind, plugin: str | None, **data: Any) -> None:
        """Tell everyone who listens; never raises, never waits. `data` is JSON-ready."""
        self.published += 1
        event = PluginEvent(kind, plugin, data, self.published, self._clock())
        if kind is not EventKind.PLUGIN_PROGRESS:  # which is worth nothing later
            self._recent.append(event)
        for subscription in tuple(self._subscriptions):
            subscription.offer(event)
        self._untold.append(event)
        if self._telling:
            return  # a listener caused this: everyone hears the first event before the second
        self._telling = True
        try:
            while self._untold:
                self._tell(self._untold.popleft())
        finally:
            self._telling = False

    def _tell(self, event: PluginEvent) -> None:
        for callback in tuple(self._callbacks):
            try:
                callback(event)
            except Exception:  # noqa: BLE001 - a listener may raise anything
                _log.exception("a listener failed on %s of %s", event.kind, event.plugin)

    def recent(self, wanted: EventFilter | None = None) -> list[PluginEvent]:
        """Return the last events that are wanted, oldest first."""
        return [event for event in self._recent if wanted is None or wanted(event)]

    def subscribe(
        self, plugins: Iterable[str] = (), kinds: Iterable[EventKind | str] = (), size: int = 1000
    ) -> Subscription:
        """Return the events from now on, of these plugins and kinds (all where none are named).

        Raises UsageError for a kind that there isn't.
        """
        import asyncio

        subscription = Subscription(self, EventFilter.of(plugins, kinds), size, asyncio.Event())
        self._subscriptions.append(subscription)
        if self._closed:
            subscription.close()
        return subscription

    def listen(
        self,
        callback: Callable[[PluginEvent], None],
        plugins: Iterable[str] = (),
        kinds: Iterable[EventKind | str] = (),
    ) -> Callable[[], None]:
        """Call `callback` for each event from now on, in the loop's thread; returns what stops it."""
        wanted = EventFilter.of(plugins, kinds)

        def tell(event: PluginEvent) -> None:
            if wanted(event):
                callback(event)

        def stop() -> None:
            if tell in self._callbacks:
                self._callbacks.remove(tell)

        self._callbacks.append(tell)
        return stop

    def forget(self, subscription: Subscription) -> None:
        """Drop a subscription; called by its `close`."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def close(self) -> None:
        """End every subscription, and those to come at once."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.close()
