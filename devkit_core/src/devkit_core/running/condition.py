"""One plugin's state and health, and the events that tell of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devkit_core.errors import DevKitError
from devkit_core.events.bus import Bus, EventKind
from devkit_core.model.lifecycle import allowed, check
from devkit_core.model.types import PluginHealth, PluginStatus
from devkit_core.running.failures import told

__all__ = ["Condition"]


class Condition:
    """State, health and last error of one plugin; each change is an event."""

    def __init__(self, plugin: str, bus: Bus) -> None:
        self.status = PluginStatus.DISCOVERED
        self.health = PluginHealth.UNKNOWN
        self.error: DevKitError | None = None
        self._plugin = plugin
        self._bus = bus

    def move(self, status: PluginStatus) -> None:
        """Go to another state and say so; raises LifecycleError where the table has no such move."""
        if status is self.status:
            return
        check(self.status, status, plugin=self._plugin)
        old, self.status = self.status, status
        self.tell(EventKind.PLUGIN_STATE_CHANGED, old=old.value, new=status.value)

    def rest_as(self, final: PluginStatus) -> None:
        """Go to a state in which nothing runs, by way of `stopped` where it takes that."""
        if not allowed(self.status, final) and allowed(self.status, PluginStatus.STOPPED):
            self.move(PluginStatus.STOPPED)
        if allowed(self.status, final):
            self.move(final)

    def set_health(self, health: PluginHealth, why: str | None = None) -> None:
        """Note how the plugin does, and say so where it changed."""
        if health is not self.health:
            self.health = health
            self.tell(EventKind.PLUGIN_HEALTH_CHANGED, health=health.value, why=why)

    def well(self) -> None:
        """Note that a fresh instance runs."""
        self.error = None
        self.set_health(PluginHealth.HEALTHY)

    def failed(self, error: DevKitError, health: PluginHealth, folder: Path | None) -> None:
        """Note an error that is the plugin's state from now on, and say so."""
        self.error = error
        self.set_health(health, error.message)
        self.tell_error(error, folder)

    def tell_error(self, error: DevKitError, folder: Path | None) -> None:
        """Say what went wrong; `folder` is the plugin's, to find the line that is to blame."""
        self.tell(EventKind.PLUGIN_ERROR, **told(error, folder))

    def tell(self, kind: EventKind, **data: Any) -> None:
        """Publish an event of the plugin."""
        self._bus.publish(kind, self._plugin, **data)
