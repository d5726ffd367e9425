"""PluginManager: the facade that host programs use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from devkit_core import __version__
from devkit_core.catalog.discovery import discover, read_manifest
from devkit_core.catalog.folders import builtin_sources
from devkit_core.catalog.registry import Registry
from devkit_core.catalog.resolver import available, order
from devkit_core.catalog.state import State
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import DependencyMissing, DevKitError, LoadError, StateError, UsageError
from devkit_core.events.bus import Bus, EventKind, PluginEvent, Subscription
from devkit_core.events.logs import Logs
from devkit_core.hooks.extensions import Extensions
from devkit_core.loading.source import Source
from devkit_core.model.types import Discovered, PluginInfo, PluginStatus
from devkit_core.running.blueprints import Blueprints
from devkit_core.running.control import ControlServer
from devkit_core.running.handle import PluginHandle
from devkit_core.running.information import describe
from devkit_core.running.scratch import ScratchRoot
from devkit_core.running.supervisor import Supervisor
from devkit_core.workers.deadlines import Deadlines

__all__ = ["PluginManager", "ScanReport"]


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan did: ids that are loaded now, in order, and what went wrong, by id."""

    loaded: tuple[str, ...]
    failed: dict[str, DevKitError] = field(default_factory=dict)


class PluginManager:
    """Finds, loads, runs and stops plugins, in one event loop.

    Use it as an async context manager, or call `close`. `sources` replace the usual places plugins are
    found in; extensions' sources come on top. With `control`, the user's `devkit plugin reload` and
    `unload` reach this host too. Methods raise DevKitError, with a stable `code`.
    """

    def __init__(
        self,
        config: PluginSystemConfig | None = None,
        *,
        places: Places | None = None,
        extensions: Extensions | None = None,
        sources: Sequence[Source] | None = None,
        control: bool = True,
    ) -> None:
        self.config = config if config is not None else PluginSystemConfig()
        self.places = places if places is not None else Places.find()
        self.extensions = extensions or Extensions(
            disabled=self.config.disabled_extensions, cache=self.places.cache / "entry-points.json"
        )
        self.state = State(self.places.data / "devkit.lock")
        self.registry = Registry()
        self.logs = Logs()
        self._sources = sources
        self._supervisors: dict[str, Supervisor] = {}
        self._scratch: ScratchRoot | None = None
        self._bus: Bus | None = None
        self._control = ControlServer(self.places.runtime, self._answer) if control else None
        self._closed = False

    # -- what there is

    def discover(self) -> list[Discovered]:
        """Look for plugins anew and return all that were found, broken and shadowed ones too; runs nothing."""
        own = self._sources
        if own is None:
            own = builtin_sources(self.config, self.places)
        self.registry.replace(discover([*own, *self.extensions.sources(self.config, self.places)]))
        return list(self.registry)

    def list_plugins(self) -> list[PluginInfo]:
        """Return the loaded plugins, in the order they were loaded."""
        return [self._info(plugin) for plugin in self.registry.loaded() if plugin in self._supervisors]

    def list_all(self) -> list[PluginInfo]:
        """Return every plugin that was found: loaded, not loaded, disabled, broken, shadowed."""
        return [describe(f, self._supervisors.get(f.id), self.extensions, self.state) for f in self.registry]

    def get_plugin(self, plugin: str) -> PluginHandle | None:
        """Return the handle of a loaded plugin, or None."""
        supervisor = self._supervisors.get(plugin)
        return self._handle(supervisor) if supervisor is not None and supervisor.loaded else None

    # -- life

    async def scan_and_load_plugins(self) -> ScanReport:
        """Discover and load every enabled plugin, dependencies first; one that fails stops no other."""
        self.discover()
        wanted = [
            f.id
            for f in self.registry
            if f.shadowed_by is None and f.error is None and self.state.is_enabled(f.id, f.folder)
        ]
        failed = {f.id: f.error for f in self.registry if f.error is not None and f.shadowed_by is None}
        failed.update(await self._load(wanted))
        return ScanReport(tuple(p for p in self.registry.loaded() if p not in failed), failed)

    async def load(self, plugin: str) -> PluginHandle:
        """Load one plugin and what it needs, and return its handle; raises what stopped it."""
        if plugin not in self.registry:
            self.discover()
        found = self.registry.find(plugin)
        if found.error is not None:
            raise found.error
        if not self.state.is_enabled(plugin, found.folder):
            raise LoadError(
                f"`{plugin}` is disabled",
                code="plugin-disabled",
                plugin=plugin,
                hint=f"devkit plugin enable {plugin}",
            )
        failed = await self._load([plugin])
        if plugin in failed:
            raise failed[plugin]
        return self._handle(self._supervisors[plugin])

    async def _load(self, wanted: Sequence[str]) -> dict[str, DevKitError]:
        """Load plugins and what they need, in order; returns what failed, by id."""
        usable = [
            f for f in self.registry if f.manifest is not None and f.error is None and f.shadowed_by is None
        ]
        plan = order(
            wanted,
            [available(f.manifest, str(f.folder)) for f in usable if f.manifest is not None],
            self.extensions.runtimes(),
            __version__,
            unusable={f.id: f.error.message for f in self.registry if f.error is not None},
        )
        failed: dict[str, DevKitError] = dict(plan.failures)
        for chosen in plan.sequence:
            missing = [n.id for n in chosen.needs if n.id in failed and not n.optional]
            try:
                if missing:
                    raise DependencyMissing(
                        f"`{chosen.id}` needs `{missing[0]}`, which can't be loaded: {failed[missing[0]].message}",
                        chain=[chosen.id, missing[0]],
                        plugin=chosen.id,
                    )
                await self._load_one(self.registry.find(chosen.id))
            except DevKitError as error:
                failed[chosen.id] = error
        return failed

    async def _load_one(self, found: Discovered) -> None:
        assert found.manifest is not None
        supervisor = self._supervisors.get(found.id)
        if supervisor is not None and supervisor.loaded:
            return
        if len(self.registry.loaded()) >= self.config.max_plugins:
            raise LoadError(
                f"{self.config.max_plugins} plugins are loaded already",
                code="too-many-plugins",
                plugin=found.id,
                hint="unload one, or raise max_plugins",
            )
        if supervisor is None:
            bus, blueprints, scratch = self._running()
            supervisor = Supervisor(found.id, blueprints.reader(found), bus, scratch)
            self._supervisors[found.id] = supervisor
        needs = [d.id for d in found.manifest.dependencies]
        supervisor.move(PluginStatus.RESOLVED)
        for dependency in needs:
            self._running()[0].publish(EventKind.DEPENDENCY_RESOLVED, found.id, dependency=dependency)
        await supervisor.load()
        self.registry.add_loaded(found.id, [d for d in needs if d in self.registry])

    async def unload(self, plugin: str, cascade: bool = False) -> None:
        """Shut a plugin down; raises HasDependents where others need it, unless `cascade` unloads them too."""
        supervisor = self._loaded(plugin)
        if cascade:
            for dependent in self.registry.dependents(plugin):
                await self._stop(dependent)
        else:
            self.registry.check_unload(plugin)
        await self._stop(supervisor.id)

    async def _stop(self, plugin: str, final: PluginStatus = PluginStatus.STOPPED) -> None:
        await self._supervisors[plugin].stop(final)
        self.registry.remove_loaded(plugin)

    async def reload(self, plugin: str) -> PluginHandle:
        """Start the plugin anew from its folder beside the old instance and swap; if that fails the old stays."""
        supervisor = self._loaded(plugin)
        await supervisor.reload()
        return self._handle(supervisor)

    async def enable(self, plugin: str) -> None:
        """Record that a plugin may be loaded, for this user; it is loaded by `load` or the next scan."""
        found = self._found(plugin)
        self.state.set_enabled(plugin, found.folder, True)
        supervisor = self._supervisors.get(plugin)
        if supervisor is not None and supervisor.status is PluginStatus.DISABLED:
            supervisor.move(PluginStatus.DISCOVERED)

    async def disable(self, plugin: str) -> None:
        """Record that a plugin may not be loaded, for this user, and unload it and what needs it."""
        found = self._found(plugin)
        self.state.set_enabled(plugin, found.folder, False)
        supervisor = self._supervisors.get(plugin)
        if supervisor is not None and supervisor.loaded:
            for dependent in self.registry.dependents(plugin):
                await self._stop(dependent)
            await self._stop(plugin, PluginStatus.DISABLED)

    # -- calls and events

    async def execute(
        self, plugin: str, input: str | bytes = "", timeout: float | None = None
    ) -> str | bytes:
        """Run a loaded plugin's `execute`; see PluginHandle.execute."""
        return await self._handle(self._loaded(plugin)).execute(input, timeout)

    def subscribe(
        self, plugins: Iterable[str] = (), kinds: Iterable[EventKind | str] = (), size: int = 1000
    ) -> Subscription:
        """Return the events from now on as an async iterator; bounded, and it counts what it missed."""
        return self._running()[0].subscribe(plugins, kinds, size)

    def listen(self, callback: Callable[[PluginEvent], None]) -> Callable[[], None]:
        """Call `callback` for each event from now on; returns what stops it."""
        return self._running()[0].listen(callback)

    # -- the end

    async def close(self) -> None:
        """Shut every plugin down, dependents first, and free everything; may be called again."""
        if self._closed:
            return
        self._closed = True
        try:
            for plugin in reversed(list(self.registry.loaded())):
                await self._stop(plugin)
            for supervisor in self._supervisors.values():
                if supervisor.status is not PluginStatus.STOPPED and supervisor.pid is not None:
                    await supervisor.stop()
        finally:
            if self._control is not None:
                await self._control.close()
            if self._bus is not None:
                self._bus.publish(EventKind.SYSTEM, None, event_type="closed")
                self._bus.close()
                self._deadlines.close()
                for loader in self.extensions.loaders():
                    await loader.close()
            if self._scratch is not None:
                self._scratch.close()

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

    async def _answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what another process of this user asks."""
        plugin = str(request.get("id", ""))
        match request.get("op"):
            case "list":
                return {"plugins": {p.id: p.status.value for p in self.list_plugins()}}
            case "reload":
                handle = await self.reload(plugin)
                return {"id": plugin, "version": handle.version, "seconds": handle.info.load_seconds}
            case "unload":
                await self.unload(plugin, cascade=bool(request.get("cascade")))
                return {"id": plugin}
        raise UsageError(f"unknown request {request.get('op')!r}")

    def _running(self) -> tuple[Bus, Blueprints, Any]:
        """Return what running needs, made when first needed: a manager that only lists starts nothing."""
        if self._closed:
            raise LoadError("the manager is closed", code="manager-closed")
        if self._bus is None:
            listener = self.extensions.listener()
            self._bus = Bus([listener] if listener else ())
            self._deadlines = Deadlines(asyncio.get_running_loop())
            self._blueprints = Blueprints(
                self.config,
                self.extensions,
                self.state,
                self._deadlines,
                self.logs,
                self.places.cache,
                lambda folder: read_manifest(folder).manifest,
            )
            self._wrappers = self.extensions.call_wrappers()
        if self._scratch is None:
            self._scratch = ScratchRoot(self.places.runtime)
        return self._bus, self._blueprints, self._scratch.path

    def _handle(self, supervisor: Supervisor) -> PluginHandle:
        return PluginHandle(
            supervisor,
            lambda: self._info(supervisor.id),
            self._wrappers,
            self.config.max_payload_mb << 20,
        )

    def _info(self, plugin: str) -> PluginInfo:
        return describe(
            self.registry.find(plugin), self._supervisors.get(plugin), self.extensions, self.state
        )

    def _found(self, plugin: str) -> Discovered:
        if plugin not in self.registry:
            self.discover()
        return self.registry.find(plugin)

    def _loaded(self, plugin: str) -> Supervisor:
        supervisor = self._supervisors.get(plugin)
        if supervisor is None or not supervisor.loaded:
            self._found(plugin)
            raise LoadError(
                f"`{plugin}` is not loaded",
                code="plugin-not-loaded",
                plugin=plugin,
                hint="load it, or scan_and_load_plugins()",
            )
        return supervisor
