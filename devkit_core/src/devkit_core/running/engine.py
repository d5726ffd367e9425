"""What running plugins takes in one host; made when first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.events.bus import Bus, EventKind
from devkit_core.events.logs import Logs
from devkit_core.model.manifest import Manifest
from devkit_core.model.plugin_config import PluginConfig
from devkit_core.model.types import Discovered
from devkit_core.running.blueprints import Blueprint, Blueprints
from devkit_core.running.host_services import Exposed, HostServices
from devkit_core.running.reload import HotReload, ReloadSettings
from devkit_core.running.restarts import Restarts
from devkit_core.running.roster import Roster
from devkit_core.running.rounds import Rounds
from devkit_core.running.scratch import ScratchRoot
from devkit_core.running.supervisor import Supervisor
from devkit_core.running.watch import available
from devkit_core.workers.admission import Admission
from devkit_core.workers.deadlines import Deadlines

if TYPE_CHECKING:
    from devkit_core.catalog.state import State
    from devkit_core.config.places import Places
    from devkit_core.config.schema import PluginSystemConfig
    from devkit_core.hooks.extensions import Extensions
    from devkit_core.running.handle import PluginHandle

__all__ = ["Engine"]


class Engine:
    """The parts that supervisors share: deadlines, blueprints, scratch folders, hot reload.

    `handle` returns that of a loaded plugin, `exposed` are the host's functions that plugins may call;
    `found` returns what is known of a plugin when its files are read; `stays` says that the host runs on
    and doesn't end with one command, so that changed files matter; `threads`
    that calls come from other threads than the event loop's.
    """

    def __init__(
        self,
        config: PluginSystemConfig,
        places: Places,
        extensions: Extensions,
        state: State,
        logs: Logs,
        bus: Bus,
        read: Callable[[Path], Manifest],
        settings: Callable[[Manifest], PluginConfig],
        roster: Roster,
        handle: Callable[[str], PluginHandle],
        exposed: Exposed,
        *,
        stays: bool,
        threads: bool,
    ) -> None:
        self._extensions = extensions
        self._roster = roster
        self._bus = bus
        self._scratch = ScratchRoot(places.runtime)
        self.loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self.loop)
        self._admission = Admission(config.max_waiting_calls, config.max_waiting_mb)
        self._blueprints = Blueprints(
            config,
            extensions,
            state,
            self._deadlines,
            logs,
            places.cache,
            read,
            settings,
            partial(bus.publish, EventKind.OUTPUT_DROPPED),
            threads=threads,
        )
        self._services = HostServices(roster, handle, exposed, bus, logs, places.data)
        self.wrappers = extensions.call_wrappers()
        self._reload: HotReload | None = None
        if stays and config.hot_reload and available():
            reloading = ReloadSettings(
                config.debounce_delay_ms / 1000, config.max_reload_attempts, config.ignore_patterns
            )
            self._reload = HotReload(roster, bus, reloading)
        self._rounds = Rounds(config.ping_interval, config.ping_timeout, roster.rest)
        extensions.users += 1

    def supervise(self, plugin: str, found: Callable[[str], Discovered]) -> Supervisor:
        """Return a supervisor that reads the plugin from where `found` says it is, each time it starts it."""

        def read() -> Blueprint:
            blueprint = self._blueprints.reader(found(plugin))()
            services = self._services.of(plugin, blueprint.folder, blueprint.authority)
            request = blueprint.request
            share = self._admission.share(plugin)
            return replace(
                blueprint, request=lambda *start: replace(request(*start), services=services, share=share)
            )

        return Supervisor(
            plugin,
            read,
            self._bus,
            self._scratch.path,
            self._deadlines,
            self._admission.share(plugin),
            Restarts(),
            self._rounds.watch,
        )

    async def close(self) -> None:
        """End everything: the watch, the plugins, what loaders share; may be called once."""
        try:
            if self._reload is not None:
                await self._reload.close()
            await self._rounds.close()
            await self._roster.close()
        finally:
            await self._services.close()
            self._deadlines.close()
            self._extensions.users -= 1
            if not self._extensions.users:  # another host may run its plugins by the same loaders
                for loader in self._extensions.loaders():
                    await loader.close()
            self._scratch.close()
