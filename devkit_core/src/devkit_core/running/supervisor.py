"""One loaded plugin: starts its instance, replaces one that died, swaps, stops."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devkit_core.errors import DevKitError, FunctionMissing, LifecycleError, LoadError, Overloaded
from devkit_core.events.bus import Bus, EventKind
from devkit_core.loading.loader import Entry, Instance, Loader, LoadRequest
from devkit_core.model.lifecycle import check
from devkit_core.model.manifest import Manifest
from devkit_core.model.types import PluginHealth, PluginStatus
from devkit_core.sandbox.authority import Authority
from devkit_core.workers.pending import PendingCall

__all__ = ["Blueprint", "Supervisor", "Times"]

_BACKLOG = 10_000  # calls that wait for a starting instance


@dataclass(frozen=True, slots=True)
class Times:
    """Time limits of one plugin in seconds: the manifest's where it has them, else the configuration's."""

    start: float
    initialize: float
    execute: float
    shutdown: float


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What an instance is made from; read anew for every load, so that an edited plugin is what runs.

    `request` lacks what only one start has: scratch folder, log and the report of its end.
    """

    manifest: Manifest
    folder: Path
    entry: Entry
    loader: Loader
    authority: Authority
    times: Times
    request: Callable[[Path, Callable[[DevKitError | None, list[PendingCall]], None]], LoadRequest]


class Supervisor:
    """Keeps one plugin running.

    `blueprint` reads the plugin from disk; `scratch` is the folder that instances' own folders go to. All
    methods are called in one event loop.
    """

    def __init__(self, plugin: str, blueprint: Callable[[], Blueprint], bus: Bus, scratch: Path) -> None:
        self.id = plugin
        self.status = PluginStatus.DISCOVERED
        self.health = PluginHealth.UNKNOWN
        self.error: DevKitError | None = None
        self.load_seconds: float | None = None
        self.blueprint: Blueprint | None = None
        self.restarts = 0
        self.timeout = 300.0  # seconds a call may take where it sets no limit of its own
        self._read = blueprint
        self._bus = bus
        self._scratch = scratch
        self._instance: Instance | None = None
        self._folder: Path | None = None
        self._backlog: list[PendingCall] = []
        self._reviving: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._lock = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """Whether calls are taken: loaded, or about to be again."""
        return self.status in (PluginStatus.ACTIVE, PluginStatus.RUNNING)

    @property
    def pid(self) -> int | None:
        """The worker's process id, where there is one now."""
        return self._instance.pid if self._instance else None

    def move(self, status: PluginStatus) -> None:
        """Go to another state and say so; raises LifecycleError where the table has no such move."""
        if status is self.status:
            return
        check(self.status, status, plugin=self.id)
        old, self.status = self.status, status
        self._bus.publish(EventKind.PLUGIN_STATE_CHANGED, self.id, old=old.value, new=status.value)

    def set_health(self, health: PluginHealth, why: str | None = None) -> None:
        """Note how the plugin does, and say so where it changed."""
        if health is not self.health:
            self.health = health
            self._bus.publish(EventKind.PLUGIN_HEALTH_CHANGED, self.id, health=health.value, why=why)

    # -- calls

    def number(self, function: str) -> int:
        """Return a function's number; raises FunctionMissing, or LoadError where nothing is loaded."""
        if self._instance is None:
            manifest = self.blueprint.manifest if self.blueprint else None
            if function == "execute":
                return 0
            if manifest is not None and function in manifest.functions:
                # what every start agrees on: execute first, then the manifest's, in order of name
                return 1 + sorted(n for n in manifest.functions if n != "execute").index(function)
        elif (number := self._instance.functions.get(function)) is not None:
            return number
        have = ", ".join(self._instance.functions if self._instance else ("execute",))
        raise FunctionMissing(
            f"`{self.id}` has no function `{function}`", plugin=self.id, hint=f"it has: {have}"
        )

    def submit(self, call: PendingCall) -> None:
        """Start a call, or keep it until the instance that is starting takes it."""
        instance = self._instance
        if instance is not None:
            instance.submit(call)
        elif self.status in (PluginStatus.ACTIVE, PluginStatus.LOADING, PluginStatus.ERROR):
            if len(self._backlog) >= _BACKLOG:
                call.set_exception(
                    Overloaded(f"over {_BACKLOG:,} calls wait for `{self.id}` to start", plugin=self.id)
                )
                return
            self._backlog.append(call)
            self._revive()
        else:
            call.set_exception(
                LoadError(
                    f"`{self.id}` is {self.status}, not loaded", code="plugin-not-loaded", plugin=self.id
                )
            )

    def _revive(self) -> None:
        if self._reviving is None or self._reviving.done():
            self._reviving = asyncio.get_running_loop().create_task(self._start_again())

    async def _start_again(self) -> None:
        try:
            async with self._lock:
                if self._instance is None:
                    self.restarts += 1
                    await self._start()
        except DevKitError as error:
            self._settle(error)
        except Exception as bug:  # our own fault must not leave callers waiting
            self._settle(LoadError(f"starting `{self.id}` failed: {bug!r}", plugin=self.id))
            raise

    def _settle(self, error: DevKitError) -> None:
        calls, self._backlog = self._backlog, []
        for call in calls:
            if not call.done():
                call.set_exception(error)

    def _take_backlog(self, instance: Instance) -> None:
        calls, self._backlog = self._backlog, []
        for call in calls:
            if not call.done():
                instance.submit(call)

    def _ended(self, generation: int, why: DevKitError | None, unstarted: list[PendingCall]) -> None:
        """An instance ended by itself: say so, and give the calls it had not begun to a fresh one."""
        if generation != self._generation:
            self._backlog.extend(unstarted)
            if self._instance is not None:
                self._take_backlog(self._instance)
            return
        instance, self._instance = self._instance, None
        self._discard(instance)
        if why is not None:
            self.error = why
            self._bus.publish(EventKind.PLUGIN_ERROR, self.id, code=why.code, message=why.message)
            self.set_health(PluginHealth.DEGRADED, why.message)
        self._backlog.extend(unstarted)
        if self._backlog:
            self._revive()

    def _discard(self, instance: Instance | None) -> None:
        """Free what a dead or replaced instance held, in the background."""
        folder, self._folder = self._folder, None

        async def free() -> None:
            if instance is not None:
                await instance.close()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

        task = asyncio.get_running_loop().create_task(free())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    # -- life

    async def load(self) -> None:
        """Start and initialize; raises what stopped it, and the state is `error` then."""
        async with self._lock:
            if self._instance is None:
                await self._start()

    async def _start(self) -> None:
        began = time.perf_counter()
        self.move(PluginStatus.LOADING)
        try:
            blueprint, instance, folder, generation = await self._make()
        except asyncio.CancelledError:
            self.move(PluginStatus.STOPPED)
            raise
        except DevKitError as error:
            self.error = error
            self.set_health(PluginHealth.UNHEALTHY, error.message)
            self._bus.publish(EventKind.PLUGIN_ERROR, self.id, code=error.code, message=error.message)
            self.move(PluginStatus.ERROR)
            raise
        self._adopt(blueprint, instance, folder, generation)
        self.load_seconds = time.perf_counter() - began
        self.move(PluginStatus.ACTIVE)
        self._bus.publish(
            EventKind.PLUGIN_LOADED,
            self.id,
            version=blueprint.manifest.metadata.version,
            seconds=self.load_seconds,
        )
        self._take_backlog(instance)

    async def _make(self) -> tuple[Blueprint, Instance, Path, int]:
        blueprint = self._read()
        folder = Path(tempfile.mkdtemp(prefix=f"{self.id}-", dir=self._scratch))
        generation = self._generation + 1
        instance: Instance | None = None
        try:
            request = blueprint.request(folder, lambda why, calls: self._ended(generation, why, calls))
            instance = await blueprint.loader.start(request)
            await instance.initialize(blueprint.times.initialize)
        except BaseException:
            if instance is not None:
                await instance.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return blueprint, instance, folder, generation

    def _adopt(self, blueprint: Blueprint, instance: Instance, folder: Path, generation: int) -> None:
        self.blueprint, self._instance, self._folder = blueprint, instance, folder
        self._generation = generation
        self.timeout = blueprint.times.execute
        self.error = None
        self.set_health(PluginHealth.HEALTHY)

    async def reload(self) -> None:
        """Start a new instance beside the old, swap, drain and stop the old; if the new fails, the old stays.

        No call fails because of it. Raises what stopped the new instance.
        """
        async with self._lock:
            if self._instance is None:
                await self._start()
                return
            began = time.perf_counter()
            blueprint, instance, folder, generation = await self._make()
            old, old_folder, old_times = self._instance, self._folder, self.blueprint
            self._adopt(blueprint, instance, folder, generation)
            self.load_seconds = time.perf_counter() - began
            self._bus.publish(
                EventKind.PLUGIN_LOADED,
                self.id,
                version=blueprint.manifest.metadata.version,
                seconds=self.load_seconds,
                reloaded=True,
            )
            seconds = old_times.times.shutdown if old_times else blueprint.times.shutdown
            if old is not None:
                await old.drain(old_times.times.execute if old_times else seconds)
                await old.shutdown(seconds)
                await old.close()
            if old_folder is not None:
                shutil.rmtree(old_folder, ignore_errors=True)

    async def stop(self, final: PluginStatus = PluginStatus.STOPPED) -> None:
        """Shut the plugin down and end its instance; calls that wait fail."""
        if self._reviving is not None and not self._reviving.done():
            self._reviving.cancel()
            await asyncio.wait({self._reviving})
        async with self._lock:
            instance, self._instance = self._instance, None
            was_loaded = self.status in (PluginStatus.ACTIVE, PluginStatus.RUNNING)
            self._generation += 1
            if instance is not None:
                seconds = self.blueprint.times.shutdown if self.blueprint else 5.0
                await instance.shutdown(seconds)
                await instance.close()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None
            self._settle(LoadError(f"`{self.id}` was unloaded", code="plugin-not-loaded", plugin=self.id))
            if self._leaving:
                await asyncio.wait(set(self._leaving), timeout=2.0)
            try:
                self.move(final)
            except LifecycleError:
                self.move(PluginStatus.STOPPED)
                self.move(final)
            self.set_health(PluginHealth.UNKNOWN)
            if was_loaded:
                self._bus.publish(EventKind.PLUGIN_UNLOADED, self.id)
