"""The plugins of one host: loads in order, unloads, reloads with dependents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.errors import DependencyMissing, DevKitError, LoadError
from devkit_core.events.bus import Bus, EventKind
from devkit_core.model.types import Discovered, PluginStatus
from devkit_core.running.failures import told
from devkit_core.running.supervisor import Supervisor
from devkit_core.running.together import together

if TYPE_CHECKING:
    from devkit_core.catalog.offers import Available
    from devkit_core.catalog.registry import Registry
    from devkit_core.catalog.resolver import Need, Order
    from devkit_core.model.manifest import Parsed

__all__ = ["Roster"]

_UNWATCHED = (PluginStatus.DISCOVERED, PluginStatus.STOPPED, PluginStatus.DISABLED)


class Roster:
    """Every plugin that was loaded, or that it was tried with, and its supervisor.

    `order` says what to load for the plugins wanted; `read` reads a folder's manifest; `supervise` makes
    a supervisor; `most` bounds how many are loaded at once. `before_read` is awaited before a plugin's
    files are read, with its id and folder.
    """

    def __init__(
        self,
        registry: Registry,
        order: Callable[[Sequence[str]], Order],
        read: Callable[[Path], Parsed],
        supervise: Callable[[str], Supervisor],
        bus: Bus,
        most: int,
    ) -> None:
        self.before_read: Callable[[str, Path], Awaitable[None]] | None = None
        self._registry = registry
        self._order = order
        self._read = read
        self._supervise = supervise
        self._bus = bus
        self._most = most
        self._supervisors: dict[str, Supervisor] = {}
        self._found: dict[str, Discovered] = {}
        self._starting: set[str] = set()
        self._closed = False

    def get(self, plugin: str) -> Supervisor | None:
        """Return the supervisor of a plugin, loaded or not, or None where it was never tried."""
        return self._supervisors.get(plugin)

    def supervisors(self) -> list[Supervisor]:
        """Return every supervisor, in the order in which they were first tried."""
        return list(self._supervisors.values())

    def loaded(self) -> list[str]:
        """Return the ids of the loaded plugins, in the order of loading."""
        return [each for each in self._registry.loaded() if each in self._supervisors]

    def waiting(self) -> list[str]:
        """Return the ids of the plugins that take calls, and that the next call starts."""
        return [each.id for each in self._supervisors.values() if each.resting]

    def found(self, plugin: str) -> Discovered:
        """Return what was found of a plugin, also where it is loaded and its folder has gone since.

        Raises NotFound.
        """
        known = self._registry.get(plugin)
        if known is None or (known.manifest is None and plugin in self._found):
            known = self._found.get(plugin, known)
        return known if known is not None else self._registry.find(plugin)

    def running_from(self) -> dict[str, Path]:
        """Return the folders of the plugins that are loaded, or that failed when they were last tried."""
        return {
            each.id: self.found(each.id).folder
            for each in self._supervisors.values()
            if each.status not in _UNWATCHED
        }

    # -- loading

    async def load(
        self, wanted: Sequence[str], *, lazily: bool = False, asked: bool = True
    ) -> dict[str, DevKitError]:
        """Load plugins and what they need, several at once, dependencies first; return what failed, by id.

        With `lazily`, those that are started on demand, and that no other needs, are only made ready for it.
        A plugin that died too often is started all the same where somebody `asked` for it.
        """
        plan = self._order(wanted)
        failed: dict[str, DevKitError] = dict(plan.failures)
        waiting = self._on_demand(plan) if lazily else set()

        async def one(chosen: Available) -> None:
            missing = [n.id for n in chosen.needs if n.id in failed and not n.optional]
            try:
                if missing:
                    raise _missing(chosen.id, missing[0], failed[missing[0]].message)
                if chosen.id in waiting:
                    self._arm(chosen.id)
                else:
                    await self._start(chosen.id, chosen.needs, asked=asked)
            except DevKitError as error:
                failed[chosen.id] = error

        before = set(self._registry.loaded())
        await together(plan.sequence, one)
        self._registry.arrange(each.id for each in plan.sequence if each.id not in before)
        for chosen in plan.sequence:  # one that failed may have left its place to another
            error = failed.get(chosen.id)
            if error is not None and error.code == "too-many-plugins" and self._has_room(chosen.id):
                del failed[chosen.id]
                await one(chosen)
        return failed

    def _has_room(self, plugin: str) -> bool:
        return len({*self._registry.loaded(), *self._starting} - {plugin}) < self._most

    def _on_demand(self, plan: Order) -> set[str]:
        """Return the plugins that only their first call has to start."""
        lazy = {each.id for each in plan.sequence if self._is_on_demand(each.id)}
        for chosen in reversed(plan.sequence):  # what needs others comes behind them
            if chosen.id not in lazy:
                lazy -= {need.id for need in chosen.needs}
        return lazy

    def _is_on_demand(self, plugin: str) -> bool:
        manifest = self._registry.find(plugin).manifest
        return manifest is not None and manifest.runtime.activation == "on-demand"

    def _arm(self, plugin: str) -> None:
        """Let a plugin be started by its first call."""
        supervisor = self._made(plugin)
        if not supervisor.loaded:
            self._resolve(supervisor)
            supervisor.arm()

    def _made(self, plugin: str) -> Supervisor:
        """Return a plugin's supervisor, and remember what was found of it."""
        if self._closed:
            raise _manager_closed(plugin)
        self._found[plugin] = self._registry.find(plugin)
        supervisor = self._supervisors.get(plugin)
        if supervisor is None:
            supervisor = self._supervisors[plugin] = self._supervise(plugin)
            supervisor.wake = partial(self._wake, plugin)
        return supervisor

    @staticmethod
    def _resolve(supervisor: Supervisor) -> None:
        if supervisor.status is PluginStatus.DISABLED:
            supervisor.condition.move(PluginStatus.DISCOVERED)
        supervisor.condition.move(PluginStatus.RESOLVED)

    async def _wake(self, plugin: str) -> None:
        """Start a plugin that rests, and what it needs; raises what stopped it."""
        failed = await self.load([plugin], asked=False)
        if plugin in failed:
            raise failed[plugin]

    def rest(self, plugin: str) -> None:
        """Stop an idle plugin until its next call, unless a loaded one needs it, or one that starts may."""
        supervisor = self._supervisors[plugin]
        idle = supervisor.blueprint.upkeep.idle if supervisor.blueprint else 0.0
        held = self._starting or self._registry.dependents(plugin)
        if not held and supervisor.rest(f"idle for {idle:g} s"):
            self._registry.remove_loaded(plugin)

    async def _start(self, plugin: str, needs: Sequence[Need], *, asked: bool = True) -> None:
        supervisor = self._supervisors.get(plugin)
        if supervisor is not None and supervisor.running:
            return
        if self._closed:
            raise _manager_closed(plugin)
        if not self._has_room(plugin):
            raise LoadError(
                f"{self._most} plugins are loaded already",
                code="too-many-plugins",
                plugin=plugin,
                hint="unload one, or raise max_plugins",
            )
        self._starting.add(plugin)
        try:
            supervisor = self._made(plugin)
            if self.before_read is not None:
                await self.before_read(plugin, self._found[plugin].folder)
            if self._closed:
                raise _manager_closed(plugin)
            if supervisor.status in _UNWATCHED:
                self._resolve(supervisor)
                for need in self._registry.loaded():
                    if need in {n.id for n in needs}:
                        self._bus.publish(EventKind.DEPENDENCY_RESOLVED, plugin, dependency=need)
            required = self._required(needs)
            if asked:
                supervisor.recovery.close_circuit()
            if await supervisor.load():
                self._registry.add_loaded(plugin, required)
        finally:
            self._starting.discard(plugin)
        # what it needs may have been unloaded while it started
        gone = [each for each in required if each not in self._registry.loaded()]
        if gone or self._closed:
            await self.stop(plugin)
            raise _missing(plugin, gone[0], "it was unloaded") if gone else _manager_closed(plugin)

    def _required(self, needs: Iterable[Need]) -> list[str]:
        """Return the plugins that are held loaded by who needs them: an optional one holds nothing."""
        return [each.id for each in needs if not each.optional and each.id in self._registry]

    # -- unloading

    async def unload(self, plugin: str, *, cascade: bool = False) -> None:
        """Shut a plugin down; raises HasDependents where others need it, unless `cascade` takes them too."""
        if not cascade:
            self._registry.check_unload(plugin)
        for dependent in self._registry.dependents(plugin):
            await self.stop(dependent)
        await self.stop(plugin)

    def enable(self, plugin: str) -> None:
        """Make a plugin that was disabled one like just found."""
        supervisor = self._supervisors.get(plugin)
        if supervisor is not None and supervisor.status is PluginStatus.DISABLED:
            supervisor.condition.move(PluginStatus.DISCOVERED)

    async def disable(self, plugin: str) -> None:
        """Shut a plugin down, and what needs it, and note that it is disabled."""
        for dependent in self._registry.dependents(plugin):
            await self.stop(dependent)
        await self.stop(plugin, PluginStatus.DISABLED)

    async def stop(self, plugin: str, final: PluginStatus = PluginStatus.STOPPED) -> None:
        """Shut one plugin down, whoever needs it; does nothing where it was never tried."""
        supervisor = self._supervisors.get(plugin)
        if supervisor is None:
            return
        try:
            if supervisor.status is not PluginStatus.DISCOVERED or final is PluginStatus.DISABLED:
                await supervisor.stop(final)
        finally:
            self._registry.remove_loaded(plugin)

    async def close(self) -> None:
        """Shut every plugin down, dependents first, those that nothing connects at once; load no more."""
        self._closed = True
        results: list[BaseException | None] = []
        while loaded := self.loaded():
            leaves = [each for each in loaded if not self._registry.dependents(each)]
            results += await asyncio.gather(*map(self.stop, leaves), return_exceptions=True)
        others = [each.id for each in self._supervisors.values() if each.busy or each.loaded]
        results += await asyncio.gather(*map(self.stop, others), return_exceptions=True)
        for failed in results:
            if failed is not None:  # none that is expected; all others are down by now
                raise failed

    # -- reloading

    async def reload(self, plugin: str, **about: object) -> None:
        """Swap a plugin, and then what needs it, for fresh instances read from their folders.

        One that isn't running, as it failed before, is loaded from its folder as it is now.

        Where the new one can't be started, isn't fit, or no longer goes with the plugins that need it,
        the old stays and that is raised. A dependent that fails keeps its old instance and is told of by
        its own event. `about` is added to the events.
        """
        await self._reload_one(plugin, about)
        for dependent in reversed(self._registry.dependents(plugin)):
            try:
                await self._reload_one(dependent, {"because": plugin})
            except DevKitError:
                continue  # its event has told

    async def _reload_one(self, plugin: str, about: dict[str, object]) -> None:
        supervisor = self._supervisors[plugin]
        before = supervisor.blueprint.manifest.version if supervisor.blueprint else None
        self._bus.publish(EventKind.RELOAD_STARTED, plugin, version=before, **about)
        began = time.perf_counter()
        found = self.found(plugin)
        try:
            if self.before_read is not None:
                await self.before_read(plugin, found.folder)
            needs = await self._replan(found)
            if supervisor.loaded:
                await supervisor.reload()
                self._registry.add_loaded(plugin, self._required(needs))
            else:
                await self._start(plugin, needs)
        except DevKitError as error:
            self._bus.publish(EventKind.RELOAD_FAILED, plugin, **told(error, found.folder), **about)
            raise
        version = supervisor.blueprint.manifest.version if supervisor.blueprint else None
        seconds = time.perf_counter() - began
        self._bus.publish(
            EventKind.RELOAD_SUCCEEDED, plugin, version=version, before=before, seconds=seconds, **about
        )

    async def _replan(self, found: Discovered) -> Sequence[Need]:
        """Take over a plugin's manifest as it is now, load what it newly needs, and return its needs.

        Raises what forbids it; the manifest that was known stays then.
        """
        parsed = self._read(found.folder)
        others = [found.id, *self._registry.dependents(found.id)]
        failing = self._order(others).failures
        now = found._replace(manifest=parsed.manifest, error=None, warnings=parsed.warnings)
        everything = list(self._registry)
        mine = [each for each in everything if (each.id, each.folder) == (found.id, found.folder)]
        if not mine or parsed.manifest.id != found.id:
            return ()  # no source has it any more, or the supervisor will refuse it
        self._registry.replace([now if each is mine[0] else each for each in everything])
        plan = self._order(others)
        try:
            for plugin, error in plan.failures.items():
                if plugin == found.id or plugin not in failing:
                    raise error
            needs = next((each.needs for each in plan.sequence if each.id == found.id), ())
            new = [n.id for n in needs if n.id not in self._registry.loaded() and n.id in self._registry]
            failed = await self.load(new) if new else {}
            for need in needs:
                if need.id in failed and not need.optional:
                    raise _missing(found.id, need.id, failed[need.id].message)
        except DevKitError:
            self._registry.replace(everything)
            raise
        self._found[found.id] = now
        return needs


def _manager_closed(plugin: str) -> LoadError:
    return LoadError("the manager is closed", code="manager-closed", plugin=plugin)


def _missing(plugin: str, need: str, why: str) -> DependencyMissing:
    return DependencyMissing(
        f"`{plugin}` needs `{need}`, which can't be loaded: {why}", chain=[plugin, need], plugin=plugin
    )
