"""One loaded plugin: starts its instance, replaces one that died, swaps, stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.errors import DevKitError, FunctionMissing, LoadError, Overloaded
from devkit_core.events.bus import Bus, EventKind
from devkit_core.events.stats import Tally
from devkit_core.model.lifecycle import allowed, check
from devkit_core.model.types import PluginHealth, PluginStatus
from devkit_core.running import health as healths
from devkit_core.running.failures import blamed, told
from devkit_core.running.scratch import clear, instance_folder
from devkit_core.workers.pending import PendingCall

if TYPE_CHECKING:
    from devkit_core.loading.loader import Instance
    from devkit_core.running.blueprints import Blueprint, Times
    from devkit_core.workers.blocking_channel import BlockingChannel

__all__ = ["Supervisor"]

_BACKLOG = 10_000  # calls that wait for a starting instance
_DRAINING = 4  # replaced instances that still have calls; a further reload waits for one to end


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
        self.tally = Tally()
        self.restarts = 0
        self.reloads = 0
        self.since: float | None = None  # by time.monotonic, when the instance took over
        self.timeout = 300.0  # seconds a call may take where it sets no limit of its own
        self.payload_limit = 64 << 20  # bytes that one input or one result may have
        self._read = blueprint
        self._bus = bus
        self._scratch = scratch
        self._loaded = False
        self._instance: Instance | None = None
        self._folder: Path | None = None
        self._backlog: list[PendingCall] = []
        self._reviving: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()  # of instances that are dead
        # replaced instances that still have calls, and their folders
        self._draining: dict[asyncio.Task[None], tuple[Instance, Path | None]] = {}
        self._generation = 0
        self._lock = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """Whether calls are taken: from a load that succeeded to the stop, through deaths and restarts."""
        return self._loaded

    @property
    def running(self) -> bool:
        """Whether there is an instance now."""
        return self._instance is not None

    @property
    def starting(self) -> bool:
        """Whether an instance is being started, swapped or stopped right now."""
        return self._lock.locked()

    @property
    def pid(self) -> int | None:
        """The worker's process id, where there is one now."""
        return self._instance.pid if self._instance else None

    @property
    def lane(self) -> BlockingChannel | None:
        """What takes calls of threads directly now."""
        return self._instance.lane if self._instance is not None else None

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

    async def check_health(self) -> PluginHealth:
        """Ask the instance how it does and note that; a plugin without an instance keeps what was noted."""
        if (instance := self._instance) is not None:
            health, why = await healths.check(self.id, instance, self.timeout)
            if instance is self._instance:
                self.set_health(health, why)
        return self.health

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
        elif self._loaded:
            if len(self._backlog) >= _BACKLOG:
                call.set_exception(
                    Overloaded(f"over {_BACKLOG:,} calls wait for `{self.id}` to start", plugin=self.id)
                )
                return
            self._backlog.append(call)
            self._revive()
        else:
            call.set_exception(self._not_loaded())

    def _not_loaded(self) -> LoadError:
        return LoadError(
            f"`{self.id}` is {self.status}, not loaded", code="plugin-not-loaded", plugin=self.id
        )

    def _revive(self) -> None:
        if self._reviving is None or self._reviving.done():
            self._reviving = asyncio.get_running_loop().create_task(self._start_again())

    async def _start_again(self) -> None:
        try:
            async with self._lock:
                if self._instance is None and self._loaded:
                    self.restarts += 1
                    await self._start()
        except DevKitError:
            pass  # told and settled by _start
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
        current = generation == self._generation
        self._backlog.extend(unstarted)
        if current:
            instance, self._instance = self._instance, None
            self._discard(instance)
        if why is not None:
            self._tell_error(why)
            if current:
                self.error = why
                self.set_health(PluginHealth.DEGRADED, why.message)
        if self._instance is not None:
            self._take_backlog(self._instance)
        elif not self._loaded:
            self._settle(self._not_loaded())
        elif self._backlog:
            self._revive()

    def _discard(self, instance: Instance | None) -> None:
        """Free what a dead instance held, in the background."""
        folder, self._folder = self._folder, None
        task = asyncio.get_running_loop().create_task(_free(instance, folder))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _retire(self, instance: Instance, folder: Path | None, times: Times) -> None:
        """Let a replaced instance finish its calls, then shut it down, in the background."""

        async def drain() -> None:
            try:
                await instance.drain(times.execute)
                await instance.shutdown(times.shutdown)
            finally:
                await _free(instance, folder)

        task = asyncio.get_running_loop().create_task(drain())
        self._draining[task] = (instance, folder)
        task.add_done_callback(self._draining.pop)

    # -- life

    async def load(self) -> bool:
        """Start and initialize; raises what stopped it, and the state is `error` then.

        Return False, and do nothing, where it runs already.
        """
        async with self._lock:
            if self._instance is not None:
                return False
            await self._start()
            return True

    async def _start(self) -> None:
        began = time.perf_counter()
        self.move(PluginStatus.LOADING)
        try:
            blueprint, instance, folder, generation = await self._make()
        except asyncio.CancelledError:
            self.move(PluginStatus.STOPPED if not self._loaded else PluginStatus.ERROR)
            raise
        except DevKitError as error:
            self.error = error
            self.set_health(PluginHealth.UNHEALTHY, error.message)
            self._tell_error(error)
            self.move(PluginStatus.ERROR)
            self._settle(error)
            raise
        self._loaded = True
        self.load_seconds = time.perf_counter() - began
        self.move(PluginStatus.ACTIVE)
        self._adopt(blueprint, instance, folder, generation)
        self._tell_loaded(blueprint)

    def _tell_error(self, error: DevKitError) -> None:
        folder = self.blueprint.folder if self.blueprint else None
        self._bus.publish(EventKind.PLUGIN_ERROR, self.id, **told(error, folder))

    def _tell_loaded(self, blueprint: Blueprint, **more: bool) -> None:
        version = blueprint.manifest.metadata.version
        self._bus.publish(
            EventKind.PLUGIN_LOADED, self.id, version=version, seconds=self.load_seconds, **more
        )

    async def _make(self, *, fit: bool = False) -> tuple[Blueprint, Instance, Path, int]:
        """Start and initialize an instance; with `fit` it also has to say that it is healthy."""
        blueprint = self._read()
        if self.blueprint is None:
            self.blueprint = blueprint
        folder = instance_folder(self._scratch, self.id)
        generation = self._generation + 1
        instance: Instance | None = None
        try:
            request = blueprint.request(folder, lambda why, calls: self._ended(generation, why, calls))
            try:
                instance = await blueprint.loader.start(request)
            except OSError as error:
                raise LoadError(
                    f"the system refuses what `{self.id}` needs to start: {error.strerror or error}",
                    code="worker-start",
                    plugin=self.id,
                    hint="the limit on open files (ulimit -n), full disks and memory are usual causes",
                ) from error
            if blueprint.config is not None and not instance.takes_config:
                raise LoadError(
                    f"`{self.id}` has settings, but nothing that is given them",
                    code="plugin-config-undeliverable",
                    plugin=self.id,
                    hint="it needs an `initialize` or a `configure` that takes them",
                )
            await instance.initialize(blueprint.times.initialize)
            if fit:
                await healths.demand(self.id, instance, blueprint.times.initialize)
        except BaseException as error:
            if isinstance(error, LoadError) and error.place is None:
                error.place = blamed(error, blueprint.folder, blueprint.entry.path)
            if instance is not None:
                await instance.close()
            await clear(folder)
            raise
        return blueprint, instance, folder, generation

    def _adopt(self, blueprint: Blueprint, instance: Instance, folder: Path, generation: int) -> None:
        self.blueprint, self._instance, self._folder = blueprint, instance, folder
        self._generation = generation
        self.timeout = blueprint.times.execute
        self.payload_limit = blueprint.limits.payload_mb << 20
        self.since = time.monotonic()
        self.error = None
        self.set_health(PluginHealth.HEALTHY)
        self._take_backlog(instance)

    async def reload(self) -> None:
        """Start a new instance beside the old and swap; if the new one is not fit, the old stays.

        No call fails because of it: those that the old instance has are finished by it, and then it is
        shut down. Raises what stopped the new instance.
        """
        while len(self._draining) >= _DRAINING:
            await asyncio.wait(self._draining, return_when=asyncio.FIRST_COMPLETED)
        async with self._lock:
            if not self._loaded:
                raise self._not_loaded()
            if self._instance is None:
                await self._start()
                return
            began = time.perf_counter()
            blueprint, instance, folder, generation = await self._make(fit=True)
            old, old_folder, old_blueprint = self._instance, self._folder, self.blueprint
            self._adopt(blueprint, instance, folder, generation)
            self.reloads += 1
            self.load_seconds = time.perf_counter() - began
            if self.status is not PluginStatus.ACTIVE:
                self.move(PluginStatus.ACTIVE)
            self._tell_loaded(blueprint, reloaded=True)
            if old is not None:
                self._retire(old, old_folder, (old_blueprint or blueprint).times)

    async def configure(self) -> list[str]:
        """Read the settings anew and give them to the plugin; return the keys that changed, sorted.

        One that can't take them while it runs is reloaded. Raises what stopped that, or what is wrong with
        them; the plugin runs on with those it had.
        """
        async with self._lock:
            blueprint, known, instance = self._read(), self.blueprint, self._instance
            now, before = blueprint.config, known.config if known is not None else None
            changed = now.changed(before) if now is not None and before is not None else []
            if now is None or known is None or instance is None or not changed:
                return changed
            # behind the calls that it has: a plugin may take them one by one
            seconds = blueprint.times.execute + blueprint.times.initialize
            taken = await instance.configure(now.values, seconds)
            if taken:
                self.blueprint = replace(known, config=now)
        if not taken:
            await self.reload()
        return changed

    async def stop(self, final: PluginStatus = PluginStatus.STOPPED) -> None:
        """Shut the plugin down and end its instances; calls that wait fail."""
        was_loaded, self._loaded = self._loaded, False
        if self._reviving is not None and not self._reviving.done():
            self._reviving.cancel()
            await asyncio.wait({self._reviving})
        async with self._lock:
            was_loaded, self._loaded = was_loaded or self._loaded, False
            instance, self._instance = self._instance, None
            self._generation += 1
            self.since = None
            for task, (old, old_folder) in list(self._draining.items()):
                task.cancel()
                await _free(old, old_folder)
            if instance is not None:
                await instance.shutdown(self.blueprint.times.shutdown if self.blueprint else 5.0)
            await _free(instance, self._folder)
            self._folder = None
            self._settle(LoadError(f"`{self.id}` was unloaded", code="plugin-not-loaded", plugin=self.id))
            if self._leaving:
                await asyncio.wait(set(self._leaving), timeout=2.0)
            self._rest_as(final)
            self.set_health(PluginHealth.UNKNOWN)
            if was_loaded:
                self._bus.publish(EventKind.PLUGIN_UNLOADED, self.id)

    def _rest_as(self, final: PluginStatus) -> None:
        if not allowed(self.status, final) and allowed(self.status, PluginStatus.STOPPED):
            self.move(PluginStatus.STOPPED)
        if allowed(self.status, final):
            self.move(final)


async def _free(instance: Instance | None, folder: Path | None) -> None:
    if instance is not None:
        await instance.close()
    if folder is not None:
        await clear(folder)
