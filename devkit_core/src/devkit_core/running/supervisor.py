"""One loaded plugin: keeps its instances running, and gives calls to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.errors import DevKitError, LoadError
from devkit_core.events.bus import Bus, EventKind
from devkit_core.model.types import PluginHealth, PluginStatus
from devkit_core.running import health as healths
from devkit_core.running.failures import passing
from devkit_core.running.intake import Intake
from devkit_core.running.member import Member, start_all
from devkit_core.running.recovery import Recovery
from devkit_core.running.restarts import Restarts

if TYPE_CHECKING:
    from devkit_core.running.blueprints import Blueprint
    from devkit_core.workers.admission import Share
    from devkit_core.workers.deadlines import Deadlines
    from devkit_core.workers.pending import PendingCall

__all__ = ["Supervisor"]

_SHUTDOWN = 5.0  # seconds, of a plugin that was never read


class Supervisor(Intake):
    """Keeps one plugin running, through deaths, restarts and swaps.

    `read` reads the plugin from disk; `scratch` is the folder that instances' own folders go to; `started` is
    called whenever instances took over. All methods are called in one event loop.
    """

    def __init__(
        self,
        plugin: str,
        read: Callable[[], Blueprint],
        bus: Bus,
        scratch: Path,
        deadlines: Deadlines,
        share: Share,
        restarts: Restarts,
        started: Callable[[Supervisor], None],
    ) -> None:
        super().__init__(plugin, bus, deadlines, share)
        self.recovery = Recovery(plugin, restarts, self.condition, self)
        self.reloads = 0
        self.load_seconds: float | None = None
        self.since: float | None = None  # by time.monotonic, when the instances took over
        #: starts a plugin that rests, with what it needs; set by whoever lets it rest
        self.wake: Callable[[], Awaitable[None]] | None = None
        self._read = read
        self._scratch = scratch
        self._started = started
        self._answers = 0  # before the instances took over
        self._resting = False
        self._waking = False
        self._lock = asyncio.Lock()

    @property
    def resting(self) -> bool:
        """Whether nothing runs until the next call."""
        return self._loaded and self._resting

    @property
    def busy(self) -> bool:
        """Whether instances are being started, swapped or stopped right now."""
        return self._lock.locked()

    @property
    def _folder(self) -> Path | None:
        return self.blueprint.folder if self.blueprint else None

    async def check_health(self) -> PluginHealth:
        """Ask the instances how they do and note the worst; without one keep what was noted."""
        if members := list(self.crew.members):
            health, why = await healths.check_all(self.id, [m.instance for m in members], self.timeout)
            if members == self.crew.members:
                self.condition.set_health(health, why)
        return self.health

    # -- deaths and restarts

    def _ended(self, member: Member, why: DevKitError | None, calls: list[PendingCall]) -> None:
        """An instance ended by itself: say so, and give the calls it had not begun to another."""
        current = self.crew.lose(member)
        self._backlog.take_back(calls)
        if why is not None:
            self.condition.tell_error(why, self._folder)
            if current:
                self.condition.error = why
                self.condition.set_health(PluginHealth.DEGRADED, why.message)
                if not getattr(why, "for_call", False):
                    self.recovery.fell(why, useful=self.tally.answers > self._answers)
        self._route()
        missed = (
            bool(self._backlog) or self.running or (why is not None and why.code == "worker-unresponsive")
        )
        if self.running or not self._loaded:
            self._hand_out()
        if self._loaded and missed:
            self.recovery.mend()

    @property
    def incomplete(self) -> bool:
        """Whether it is to run, and instances are missing."""
        return self._loaded and self.crew.missing > 0

    async def start_missing(self) -> None:
        """Start one of the instances that are missing; called by the recovery. Raises what stopped it."""
        if self._resting and self.wake is not None:
            self._waking = True
            try:
                await self.wake()
            except DevKitError as error:
                if self._loaded and self.error is not error:  # it didn't come as far as to a start
                    self._not_started(error)
                raise
            finally:
                self._waking = False
            return
        async with self._lock:
            if self.incomplete and not self.recovery.is_open:
                self.recovery.restarts.begin()
                await self._start(1, restarted=True)  # the others follow: the first takes calls already

    def circuit_changed(self) -> None:
        """Take calls, or fail them, as the circuit is now; called by the recovery."""
        if self.recovery.is_open and not self.running:
            self.condition.set_health(PluginHealth.UNHEALTHY, self.error.message if self.error else None)
            self.condition.rest_as(PluginStatus.ERROR)
        self._route()

    # -- life

    def arm(self) -> None:
        """Read the plugin and take calls, the first of which starts it; raises what is wrong with it."""
        try:
            self.blueprint = self._read()
        except DevKitError as error:
            self._not_started(error)
            raise
        self._apply(self.blueprint)
        self._loaded = self._resting = True
        self._route()

    async def load(self) -> bool:
        """Start and initialize; raises what stopped it, and the state is `error` then.

        Return False, and do nothing, where it runs already.
        """
        async with self._lock:
            if self.running:
                return False
            await self._start(None, on_demand=self._resting)
            return True

    async def _start(self, count: int | None, **about: bool) -> None:
        began = time.perf_counter()
        alone = not self.running
        if alone:
            self.condition.move(PluginStatus.LOADING)
        try:
            blueprint, members = await self._make(count)
        except asyncio.CancelledError:
            if alone:
                self.condition.move(PluginStatus.STOPPED if not self._loaded else PluginStatus.ERROR)
            raise
        except DevKitError as error:
            self._not_started(error)
            raise
        self._loaded = True
        self._resting = False
        self.load_seconds = time.perf_counter() - began
        self.condition.move(PluginStatus.ACTIVE)
        self._adopt(blueprint, [*self.crew.members, *members])
        self._tell_loaded(blueprint, **{key: True for key, value in about.items() if value})

    def _not_started(self, error: DevKitError) -> None:
        """Settle what a failed start leaves; calls that waited stay where another try may go better."""
        if self.running:
            self.condition.tell_error(error, self._folder)
        else:
            self.condition.failed(error, PluginHealth.UNHEALTHY, self._folder)
            self.condition.rest_as(PluginStatus.ERROR)
        if self._loaded:
            if self._resting:
                self.recovery.restarts.begin()
            self.recovery.fell(error)
            self._route()
        if not self.running and not passing(error):
            self._backlog.fail(error)

    def _tell_loaded(self, blueprint: Blueprint, **about: bool) -> None:
        self.condition.tell(
            EventKind.PLUGIN_LOADED,
            version=blueprint.manifest.metadata.version,
            seconds=self.load_seconds,
            workers=len(self.crew.members),
            **about,
        )

    async def _make(self, count: int | None, *, fit: bool = False) -> tuple[Blueprint, list[Member]]:
        """Read the plugin and start so many instances of it, or as many as it wants; all or none."""
        blueprint = self._read()
        if self.blueprint is None:
            self.blueprint = blueprint
        return blueprint, await start_all(
            blueprint.upkeep.workers if count is None else count,
            lambda: Member.start(self.id, blueprint, self._scratch, self._ended, fit=fit),
        )

    def _adopt(self, blueprint: Blueprint, members: list[Member]) -> list[Member]:
        """Let these instances take the calls, and return those that did."""
        self.blueprint = blueprint
        self._apply(blueprint)
        old = self.crew.swap(members)
        self._answers = self.tally.answers
        self.since = time.monotonic()
        self.condition.well()
        self._route()
        calls = self._backlog.empty()
        self.recovery.started(calls[0] if calls else None)
        for call in calls:
            self.submit(call)
        self._started(self)
        return old

    async def reload(self) -> None:
        """Start new instances beside the old and swap; if the new ones are not fit, the old stay.

        No call fails because of it: those that the old instances have are finished by them, and then they
        are shut down. Raises what stopped the new ones.
        """
        await self.crew.room()
        async with self._lock:
            if not self._loaded:
                raise self._not_loaded()
            if not self.running:
                self.recovery.close_circuit()
                await self._start(None)
                return
            began = time.perf_counter()
            blueprint, members = await self._make(None, fit=True)
            times = (self.blueprint or blueprint).times
            self.recovery.close_circuit()
            old = self._adopt(blueprint, members)
            self.reloads += 1
            self.load_seconds = time.perf_counter() - began
            self.condition.move(PluginStatus.ACTIVE)
            self._tell_loaded(blueprint, reloaded=True)
            self.crew.retire(old, times)

    async def configure(self) -> list[str]:
        """Read the settings anew and give them to the plugin; return the keys that changed, sorted.

        One that can't take them while it runs is reloaded. Raises what stopped that, or what is wrong with
        them; the plugin runs on with those it had.
        """
        async with self._lock:
            blueprint, known = self._read(), self.blueprint
            now, before = blueprint.config, known.config if known is not None else None
            changed = now.changed(before) if now is not None and before is not None else []
            if now is None or before is None or known is None or not self.running or not changed:
                return changed
            # behind the calls that it has: a plugin may take them one by one
            seconds = blueprint.times.execute + blueprint.times.initialize
            taken = await self.crew.configure(now.values, before.values, seconds)
            if taken:
                self.blueprint = replace(known, config=now)
        if not taken:
            await self.reload()
        return changed

    def rest(self, why: str) -> bool:
        """Stop what nobody calls until the next call; return False, and do nothing, where somebody does."""
        if self.busy or not self.running or self.crew.in_flight or self._backlog or self.blueprint is None:
            return False
        self._resting = True
        old = self.crew.swap(())
        self._route()
        self.since = None
        self.condition.rest_as(PluginStatus.RESOLVED)
        self.condition.set_health(PluginHealth.UNKNOWN)
        self.condition.tell(EventKind.PLUGIN_UNLOADED, why=why)
        self.crew.retire(old, self.blueprint.times)
        return True

    async def stop(self, final: PluginStatus = PluginStatus.STOPPED) -> None:
        """Take no more calls, let those in flight finish, shut down and end; calls that wait fail."""
        was_loaded, self._loaded = self._loaded, False
        self._route()
        await self.recovery.stop(waking=self._waking)
        async with self._lock:
            was_loaded, self._loaded = was_loaded or self._loaded, False
            self._resting = False
            self._route()
            self.since = None
            await self.crew.end(self.blueprint.times.shutdown if self.blueprint else _SHUTDOWN)
            self._backlog.fail(
                LoadError(f"`{self.id}` was unloaded", code="plugin-not-loaded", plugin=self.id)
            )
            self.condition.rest_as(final)
            self.condition.set_health(PluginHealth.UNKNOWN)
            if was_loaded:
                self.condition.tell(EventKind.PLUGIN_UNLOADED)
