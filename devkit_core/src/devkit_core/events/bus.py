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

if TYPE_CHECKING:
    import asyncio

__all__ = ["Bus", "EventKind", "PluginEvent", "Subscription"]

_log = logging.getLogger("devkit.events")


class EventKind(enum.StrEnum):
    """What kind of thing happened."""

    PLUGIN_LOADED = "plugin-loaded"
    PLUGIN_UNLOADED = "plugin-unloaded"
    PLUGIN_ERROR = "plugin-error"
    PLUGIN_STATE_CHANGED = "plugin-state-changed"
    PLUGIN_HEALTH_CHANGED = "plugin-health-changed"
    DEPENDENCY_RESOLVED = "dependency-resolved"
    SYSTEM = "system-event"


@dataclass(frozen=True, slots=True)
class PluginEvent:
    """One thing that happened; `sequence` counts from 1 without gaps, `time` is seconds since the epoch."""

    kind: EventKind
    plugin: str | None
    data: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0
    time: float = 0.0


class Subscription:
    """Events as an async iterator, bounded: the oldest are dropped, and `missed` counts them.

    Use it as a context manager, or call `close`; closing ends the iteration.
    """

    def __init__(
        self, bus: Bus, plugins: frozenset[str], kinds: frozenset[EventKind], size: int, wake: asyncio.Event
    ) -> None:
        self.missed = 0
        self._bus = bus
        self._plugins = plugins
        self._kinds = kinds
        self._events: deque[PluginEvent] = deque(maxlen=size)
        self._wake = wake
        self._closed = False

    def offer(self, event: PluginEvent) -> None:
        """Take an event that matches; called by the bus."""
        if (self._plugins and event.plugin not in self._plugins) or (
            self._kinds and event.kind not in self._kinds
        ):
            return
        if len(self._events) == self._events.maxlen:
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
        return self._events.popleft()


class Bus:
    """Publishes events to subscriptions, callbacks and hooks; none can slow or break another.

    `hooks` are called like callbacks; where there are none an event costs a loop over nothing.
    """

    def __init__(
        self, hooks: Iterable[Callable[[PluginEvent], None]] = (), clock: Callable[[], float] = time.time
    ) -> None:
        self._callbacks: list[Callable[[PluginEvent], None]] = list(hooks)
        self._subscriptions: list[Subscription] = []
        self._clock = clock
        self.published = 0

    def publish(self, kind: EventKind, plugin: str | None, **data: Any) -> None:
        """Tell everyone who listens; never raises, never waits."""
        self.published += 1
        event = PluginEvent(kind, plugin, data, self.published, self._clock())
        for subscription in tuple(self._subscriptions):
            subscription.offer(event)
        for callback in tuple(self._callbacks):
            try:
                callback(event)
            except Exception:  # noqa: BLE001 - a listener may raise anything
                _log.exception("a listener failed on %s of %s", event.kind, event.plugin)

    def subscribe(
        self, plugins: Iterable[str] = (), kinds: Iterable[EventKind | str] = (), size: int = 1000
    ) -> Subscription:
        """Return the events from now on, of these plugins and kinds (all where none are named)."""
        import asyncio

        subscription = Subscription(
            self, frozenset(plugins), frozenset(EventKind(k) for k in kinds), size, asyncio.Event()
        )
        self._subscriptions.append(subscription)
        return subscription

    def listen(self, callback: Callable[[PluginEvent], None]) -> Callable[[], None]:
        """Call `callback` for each event, in the loop's thread; returns what stops it."""
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    def forget(self, subscription: Subscription) -> None:
        """Drop a subscription; called by its `close`."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def close(self) -> None:
        """End every subscription."""
        for subscription in tuple(self._subscriptions):
            subscription.close()
