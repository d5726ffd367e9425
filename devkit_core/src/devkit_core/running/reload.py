"""Hot reload: changed plugins are swapped while calls go on."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devkit_core.errors import DevKitError
from devkit_core.events.bus import Bus, EventKind, PluginEvent
from devkit_core.loading.folder import MANIFEST
from devkit_core.running.contents import Contents, ignored
from devkit_core.running.roster import Roster
from devkit_core.running.watch import FolderWatch

__all__ = ["HotReload", "ReloadSettings"]

_log = logging.getLogger("devkit")
_SHOWN = 20  # changed files that an event names
_PATIENCE = 10  # debounce delays after which a folder that never rests is looked at all the same
_AGAIN = 0.5  # seconds before the second attempt; doubled for each further one
_SOON = 0.02  # seconds in which plugins that are loaded one after the other become one watch


@dataclass(frozen=True, slots=True)
class ReloadSettings:
    """How to reload: seconds of rest before a change counts, tries with the same files, names to ignore."""

    debounce: float = 0.3
    attempts: int = 3
    ignore: Sequence[str] = ()


@dataclass(slots=True)
class _Burst:
    """Changes that came shortly after each other: when to look at them, and when at the latest."""

    timer: asyncio.TimerHandle
    latest: float


class HotReload:
    """Watches the folders of a roster's plugins, and reloads those whose contents differ.

    A plugin that failed to load is watched too, and loaded when its files change. All runs in the event
    loop, but for reading and watching, which have threads.
    """

    def __init__(self, roster: Roster, bus: Bus, settings: ReloadSettings) -> None:
        self._roster = roster
        self._bus = bus
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._watch: FolderWatch | None = None
        self._watched: dict[str, Path] = {}
        self._contents: dict[str, Contents] = {}  # as they were when they were last loaded, or tried
        self._bursts: dict[str, _Burst] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._syncing: asyncio.Task[None] | None = None
        self._stale = False  # whether a watched folder was replaced by another of its name
        self._closed = False
        roster.before_read = self._note
        self._stop = bus.listen(self._follow, kinds=[EventKind.PLUGIN_STATE_CHANGED])

    # -- what is watched

    async def _note(self, plugin: str, folder: Path) -> None:
        """Remember what is about to be loaded."""
        self._contents[plugin] = await self._read(plugin, folder)

    async def _read(self, plugin: str, folder: Path) -> Contents:
        entry = self._entry(plugin)
        before = self._contents.get(plugin)
        return await asyncio.to_thread(Contents.read, folder, self._settings.ignore, entry, before)

    def _entry(self, plugin: str) -> tuple[str, ...]:
        manifest = self._roster.found(plugin).manifest
        return (MANIFEST, os.path.normpath(manifest.entry_point)) if manifest is not None else (MANIFEST,)

    def _follow(self, _: PluginEvent) -> None:
        self._loop.call_later(_SOON, self._sync)

    def _sync(self) -> None:
        if not self._closed and (self._syncing is None or self._syncing.done()):
            self._syncing = self._loop.create_task(self._synchronize())

    async def _synchronize(self) -> None:
        """Watch what is loaded now, and nothing else."""
        while not self._closed and ((wanted := self._roster.running_from()) != self._watched or self._stale):
            before, self._watched, self._stale = self._watched, wanted, False
            for plugin in before.keys() - wanted.keys():
                self._forget(plugin)
                self._bus.publish(EventKind.WATCH_STOPPED, plugin, path=str(before[plugin]))
            for plugin in wanted.keys() - before.keys():
                self._bus.publish(EventKind.WATCH_STARTED, plugin, path=str(wanted[plugin]))
            old, self._watch = self._watch, None
            if old is not None:
                await old.close()
            if wanted:
                self._watch = FolderWatch(wanted.values(), self._changed, self._unwatched)

    def _forget(self, plugin: str) -> None:
        self._contents.pop(plugin, None)
        if (burst := self._bursts.pop(plugin, None)) is not None:
            burst.timer.cancel()

    def _unwatched(self, why: str) -> None:
        _log.warning("plugins can't be watched any more: %s", why)
        for plugin, folder in self._watched.items():
            self._bus.publish(EventKind.WATCH_STOPPED, plugin, path=str(folder), why=why)

    # -- what changed

    def _changed(self, paths: set[str]) -> None:
        """Take changed paths from the watch; an empty set means that it has only begun."""
        for plugin, folder in self._watched.items():
            roots = {str(folder), os.path.realpath(folder)}
            if not paths.isdisjoint(roots):
                self._stale = True  # the system watches the old folder, wherever that is now
            if not paths or any(self._counts(plugin, path, root) for path in paths for root in roots):
                self._wait(plugin)
        if self._stale:
            self._sync()

    def _counts(self, plugin: str, path: str, root: str) -> bool:
        if path == root:
            return True
        inside = path.startswith(root + os.sep)
        relative = path[len(root) + 1 :]
        return inside and (relative in self._entry(plugin) or not ignored(relative, self._settings.ignore))

    def _wait(self, plugin: str) -> None:
        """Look at a plugin when its folder has been at rest for a while."""
        now = self._loop.time()
        burst = self._bursts.pop(plugin, None)
        latest = burst.latest if burst is not None else now + _PATIENCE * self._settings.debounce
        if burst is not None:
            burst.timer.cancel()
        when = min(now + self._settings.debounce, latest)
        self._bursts[plugin] = _Burst(self._loop.call_at(when, self._due, plugin), latest)

    def _due(self, plugin: str) -> None:
        if plugin in self._busy:
            self._wait(plugin)  # it is being reloaded: look again afterwards
            return
        self._bursts.pop(plugin, None)
        task = self._busy[plugin] = self._loop.create_task(self._consider(plugin))
        task.add_done_callback(lambda _: self._busy.pop(plugin, None))

    async def _consider(self, plugin: str) -> None:
        """Reload a plugin where its contents differ from what was loaded, or tried, last."""
        folder = self._watched.get(plugin)
        before = self._contents.get(plugin)
        if folder is None or before is None:
            return
        now = await self._read(plugin, folder)
        changes = before.changes(now)
        if not changes or plugin not in self._watched:
            return
        shown = dict(list(changes.items())[:_SHOWN])
        more = len(changes) - len(shown)
        self._bus.publish(EventKind.FILE_CHANGED, plugin, path=str(folder), changes=shown, more=more)
        if MANIFEST in changes:
            self._bus.publish(EventKind.MANIFEST_CHANGED, plugin, path=str(folder / MANIFEST))
        for attempt in range(1, self._settings.attempts + 1):
            self._contents[plugin] = now
            if await self._try(plugin, attempt) or attempt == self._settings.attempts:
                return
            await asyncio.sleep(_AGAIN * 2 ** (attempt - 1))
            if plugin in self._bursts or plugin not in self._watched:
                return  # its files changed again, and that begins anew; or it was unloaded

    async def _try(self, plugin: str, attempt: int) -> bool:
        try:
            await self._roster.reload(plugin, attempt=attempt, attempts=self._settings.attempts)
        except DevKitError:
            return False  # an event has told
        return True

    async def close(self) -> None:
        """Stop watching; a reload that goes on is cut off, and its old instance stays."""
        self._closed = True
        self._stop()
        self._roster.before_read = None
        tasks = [task for task in (*self._busy.values(), self._syncing) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for plugin, folder in self._watched.items():
            self._forget(plugin)
            self._bus.publish(EventKind.WATCH_STOPPED, plugin, path=str(folder))
        self._watched = {}
        if self._watch is not None:
            await self._watch.close()
