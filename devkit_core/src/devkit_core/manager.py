"""PluginManager: the facade that host programs use."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, overload

from devkit_core.catalog.discovery import discover, read_manifest
from devkit_core.catalog.folders import builtin_sources
from devkit_core.catalog.plugin_settings import PluginSettings
from devkit_core.catalog.registry import Registry
from devkit_core.catalog.resolver import Order
from devkit_core.catalog.state import State
from devkit_core.catalog.wanted import order_of
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import DevKitError, LoadError, StateError
from devkit_core.events.bus import Bus, EventKind, PluginEvent, Subscription
from devkit_core.events.logs import Logs
from devkit_core.events.stats import PluginStats, SystemStats
from devkit_core.hooks.extensions import Extensions
from devkit_core.loading.source import Source
from devkit_core.model.manifest import Manifest
from devkit_core.model.plugin_config import PluginConfig
from devkit_core.model.types import Discovered, PluginHealth, PluginInfo
from devkit_core.running.control import ControlServer
from devkit_core.running.engine import Engine
from devkit_core.running.handle import PluginHandle
from devkit_core.running.host_services import Exposed
from devkit_core.running.information import describe
from devkit_core.running.mapping import IN_FLIGHT, Outcome
from devkit_core.running.measurement import measure, total
from devkit_core.running.requests import Requests
from devkit_core.running.roster import Roster
from devkit_core.running.supervisor import Supervisor

__all__ = ["PluginManager", "ScanReport"]


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan did: ids that are loaded now, in order, what went wrong, by id, and what a call starts."""

    loaded: tuple[str, ...]
    failed: dict[str, DevKitError] = field(default_factory=dict)
    on_demand: tuple[str, ...] = ()


class PluginManager:
    """Finds, loads, runs and stops plugins, in one event loop.

    Use it as an async context manager, or call `close`. `sources` replace the usual places plugins are
    found in; extensions' sources come on top. With `control` it is a host that runs on: the user's
    `devkit` reaches it from outside, and `hot_reload` swaps plugins whose files change. Without, it
    serves one program's calls alone. `plugin_values` are plugins' own settings as a command line gives
    them: texts, by id and dotted key. `threads` is for a host whose calls come from other threads than the
    event loop's, as `blocking.PluginManager` is. Methods raise DevKitError, with a stable `code`.
    """

    def __init__(
        self,
        config: PluginSystemConfig | None = None,
        *,
        places: Places | None = None,
        extensions: Extensions | None = None,
        sources: Sequence[Source] | None = None,
        control: bool = True,
        plugin_values: Mapping[str, Mapping[str, str]] | None = None,
        threads: bool = False,
    ) -> None:
        self.config = config if config is not None else PluginSystemConfig()
        self.places = places if places is not None else Places.find()
        self.extensions = extensions or Extensions(
            disabled=self.config.disabled_extensions, cache=self.places.cache / "entry-points.json"
        )
        self.state = State(self.places.data / "devkit.lock")
        self.registry = Registry()
        self.logs = Logs(self.places.state / "logs")
        self._settings = PluginSettings(self.places, given=plugin_values)
        self._sources = sources
        self._exposed = Exposed()
        self._bus = Bus()
        self._roster = Roster(
            self.registry, self._order, read_manifest, self._supervise, self._bus, self.config.max_plugins
        )
        self._engine: Engine | None = None
        self._stays = control
        self._threads = threads
        self._requests = Requests(
            self._roster, self._bus, self.logs, self.stats, self.reload, self.unload, self.configure
        )
        self._control = ControlServer(self.places.runtime, self._requests.answer) if control else None
        self._started_at = time.time()
        self._last_scan_at: float | None = None
        self._closing: asyncio.Task[None] | None = None

    # -- what there is

    def discover(self) -> list[Discovered]:
        """Look for plugins and return all that were found, broken and shadowed ones too. Runs nothing."""
        own = self._sources
        if own is None:
            own = builtin_sources(self.config, self.places)
        self.registry.replace(discover([*own, *self.extensions.sources(self.config, self.places)]))
        return list(self.registry)

    def list_plugins(self) -> list[PluginInfo]:
        """Return the loaded plugins, in the order they were loaded."""
        return [self._info(plugin) for plugin in self._roster.loaded()]

    def list_all(self) -> list[PluginInfo]:
        """Return every plugin that was found: loaded, not loaded, disabled, broken, shadowed."""
        return [describe(f, self._roster.get(f.id), self.extensions, self.state) for f in self.registry]

    def get_plugin(self, plugin: str) -> PluginHandle | None:
        """Return the handle of a loaded plugin, or None."""
        supervisor = self._roster.get(plugin)
        return self._handle(supervisor) if supervisor is not None and supervisor.loaded else None

    def handle(self, plugin: str) -> PluginHandle:
        """Return the handle of a loaded plugin; raises LoadError, or NotFound."""
        return self._handle(self._loaded(plugin))

    # -- life

    async def scan_and_load_plugins(self) -> ScanReport:
        """Discover and load every enabled plugin, dependencies first; one that fails stops no other.

        Those whose `activation` is `on-demand` take calls too, the first of which starts them.
        """
        self.discover()
        there = [f for f in self.registry if f.shadowed_by is None]
        failed = {f.id: f.error for f in there if f.error is not None}
        wanted = [f.id for f in there if f.error is None and self.state.is_enabled(f.id, f.folder)]
        failed.update(await self._roster.load(wanted, lazily=True))
        self._last_scan_at = time.time()
        ready = tuple(p for p in self._roster.waiting() if p not in failed)
        report = ScanReport(tuple(p for p in self._roster.loaded() if p not in failed), failed, ready)
        self._bus.publish(
            EventKind.SYSTEM, None, event_type="scan", loaded=list(report.loaded), failed=sorted(failed)
        )
        return report

    async def load(self, plugin: str) -> PluginHandle:
        """Load one plugin and what it needs, and return its handle; raises what stopped it."""
        found = self._found(plugin)
        if found.error is not None:
            raise found.error
        if not self.state.is_enabled(plugin, found.folder):
            raise LoadError(
                f"`{plugin}` is disabled",
                code="plugin-disabled",
                plugin=plugin,
                hint=f"devkit plugin enable {plugin}",
            )
        failed = await self._roster.load([plugin])
        if plugin in failed:
            raise failed[plugin]
        return self._handle(self._loaded(plugin))

    async def unload(self, plugin: str, cascade: bool = False) -> None:
        """Shut a plugin down; raises HasDependents where others need it, unless `cascade` takes them too."""
        await self._roster.unload(self._loaded(plugin).id, cascade=cascade)

    async def reload(self, plugin: str) -> PluginHandle:
        """Start the plugin anew from its folder beside the old instance and swap; else the old stays.

        The plugins that need it follow. No call fails because of it.
        """
        supervisor = self._loaded(plugin)
        await self._roster.reload(plugin)
        return self._handle(supervisor)

    async def enable(self, plugin: str) -> None:
        """Record that a plugin may be loaded, for this user; it is loaded by `load` or the next scan."""
        self.state.set_enabled(plugin, self._found(plugin).folder, True)
        self._roster.enable(plugin)

    async def disable(self, plugin: str) -> None:
        """Record that a plugin may not be loaded, for this user, and unload it and what needs it."""
        self.state.set_enabled(plugin, self._found(plugin).folder, False)
        await self._roster.disable(plugin)

    # -- plugins' own settings

    def plugin_config(self, plugin: str) -> PluginConfig:
        """Return the settings of a plugin that are in force, loaded or not: defaults < the user's file and
        secrets < the environment < `plugin_values` < `configure`.

        Raises NotFound, or ConfigError with every problem. `shown()` of it hides the secrets.
        """
        return self._settings.read(self._manifest(plugin))

    async def configure(self, plugin: str, values: Mapping[str, Any]) -> PluginConfig:
        """Set a plugin's settings while this host runs, and return those in force; None takes one back.

        A loaded plugin is given them by its `configure`, or reloaded where it has none, and an event tells
        which changed: those of its files too, so that with no `values` it is given what stands there now.
        Raises ConfigError for values that it can't have, or what the plugin or its reload raised; what this
        host was told is then as it was.
        """
        manifest = self._manifest(plugin)
        before, told = self._settings.read(manifest), self._settings.told(plugin)
        wanted = {key: value for key, value in {**told, **values}.items() if value is not None}
        self._settings.tell(plugin, wanted)
        try:
            after = self._settings.read(manifest)
            supervisor = self._roster.get(plugin)
            if supervisor is not None and supervisor.loaded:
                changed = await supervisor.configure()
            else:
                changed = after.changed(before)
        except BaseException:
            self._settings.tell(plugin, told)
            raise
        if changed:
            self._bus.publish(EventKind.PLUGIN_CONFIG_UPDATED, plugin, keys=changed)
        return after

    # -- calls

    async def execute(
        self, plugin: str, input: str | bytes = "", timeout: float | None = None
    ) -> str | bytes:
        """Run a loaded plugin's `execute`; see PluginHandle.execute."""
        return await self.handle(plugin).execute(input, timeout)

    def map(
        self,
        plugin: str,
        inputs: Iterable[str | bytes] | AsyncIterable[str | bytes],
        *,
        ordered: bool = True,
        timeout: float | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> AsyncGenerator[Outcome, None]:
        """Run a loaded plugin over many inputs; see PluginHandle.map."""
        return self.handle(plugin).map(inputs, ordered=ordered, timeout=timeout, in_flight=in_flight)

    def expose(self, name: str, function: Callable[[Any], Any], *, permission: str | None = None) -> None:
        """Let plugins call a function of this host's, those that have `permission` where one is given.

        It takes a value and returns one, JSON or bytes, in the event loop; it may be async. What it raises is
        an error in the plugin: a DevKitError with its code, anything else as `host-function-failed`.
        """
        self._exposed.add(name, function, permission)

    # -- what happened

    def subscribe(
        self, plugins: Iterable[str] = (), kinds: Iterable[EventKind | str] = (), size: int = 1000
    ) -> Subscription:
        """Return the events from now on as an async iterator; bounded, and it tells what it missed."""
        return self._bus.subscribe(plugins, kinds, size)

    def listen(
        self,
        callback: Callable[[PluginEvent], None],
        plugins: Iterable[str] = (),
        kinds: Iterable[EventKind | str] = (),
    ) -> Callable[[], None]:
        """Call `callback` for each event from now on, in the loop's thread; returns what stops it."""
        return self._bus.listen(callback, plugins, kinds)

    @overload
    def stats(self) -> SystemStats: ...
    @overload
    def stats(self, plugin: str) -> PluginStats: ...
    def stats(self, plugin: str | None = None) -> SystemStats | PluginStats:
        """Return the numbers of this manager, or of one plugin; those of an unloaded one stay.

        Raises NotFound, or LoadError for a plugin that was never loaded here.
        """
        if plugin is not None:
            return measure(self._tried(plugin))
        found = len({f.id for f in self.registry})
        return total(self._roster, found, self._bus.published, self._started_at, self._last_scan_at)

    async def check_health(self, plugin: str) -> PluginHealth:
        """Ask a loaded plugin how it does, and note that; a change is an event."""
        return await self._loaded(plugin).check_health()

    # -- the end

    async def close(self) -> None:
        """Shut every plugin down, dependents first, and free everything; may be called again.

        It goes on where its caller is cancelled, and who calls it meanwhile waits for it too.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            await (self._engine or self._roster).close()
        finally:
            self._bus.publish(EventKind.SYSTEM, None, event_type="closed")
            self._bus.close()
            if self._control is not None:
                await self._control.close()
            self.logs.close()

    async def __aenter__(self) -> Self:
        if self._control is not None:
            try:
                await self._control.start()
            except (
                StateError
            ) as error:  # a host that can't be reached from outside still serves its own program
                logging.getLogger("devkit").warning("%s; %s", error.message, error.hint)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- inside

    def _order(self, wanted: Sequence[str]) -> Order:
        return order_of(wanted, self.registry, self.extensions.runtimes)

    def _supervise(self, plugin: str) -> Supervisor:
        """Return a supervisor; what running takes is made with the first, so that listing starts nothing."""
        if self._engine is None:
            if (listener := self.extensions.listener()) is not None:
                self._bus.listen(listener)
            self._engine = Engine(
                self.config,
                self.places,
                self.extensions,
                self.state,
                self.logs,
                self._bus,
                lambda folder: read_manifest(folder).manifest,
                self._settings.read,
                self._roster,
                self.handle,
                self._exposed,
                stays=self._stays,
                threads=self._threads,
            )
        return self._engine.supervise(plugin, self._roster.found)

    def _handle(self, supervisor: Supervisor) -> PluginHandle:
        assert self._engine is not None
        return PluginHandle(
            supervisor,
            lambda: self._info(supervisor.id),
            self._engine.wrappers,
            self._engine.loop,
        )

    def _info(self, plugin: str) -> PluginInfo:
        return describe(self._roster.found(plugin), self._roster.get(plugin), self.extensions, self.state)

    def _manifest(self, plugin: str) -> Manifest:
        found = self._found(plugin)
        if found.manifest is None:
            raise found.error or LoadError(f"`{plugin}` has no manifest", plugin=plugin)
        return found.manifest

    def _found(self, plugin: str) -> Discovered:
        if plugin not in self.registry:
            self.discover()
        return self.registry.find(plugin)

    def _tried(self, plugin: str) -> Supervisor:
        supervisor = self._roster.get(plugin)
        if supervisor is None:
            self._found(plugin)
            raise self._not_loaded(plugin)
        return supervisor

    def _loaded(self, plugin: str) -> Supervisor:
        supervisor = self._tried(plugin)
        if not supervisor.loaded:
            raise self._not_loaded(plugin)
        return supervisor

    @staticmethod
    def _not_loaded(plugin: str) -> LoadError:
        return LoadError(
            f"`{plugin}` is not loaded",
            code="plugin-not-loaded",
            plugin=plugin,
            hint="load it, or scan_and_load_plugins()",
        )
