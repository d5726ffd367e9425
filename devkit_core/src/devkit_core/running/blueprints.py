"""What an instance is made from, read anew for each load."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.errors import DevKitError, LoadError, Unconfined
from devkit_core.events.logs import Logs
from devkit_core.loading.loader import Entry, Loader, LoadRequest
from devkit_core.model.manifest import Manifest
from devkit_core.model.plugin_config import PluginConfig
from devkit_core.model.types import Discovered
from devkit_core.running.factory import choose, entry_of, without_effect
from devkit_core.running.functions import Functions, functions_of
from devkit_core.running.limits import limits_of
from devkit_core.running.plugin_log import PluginLog
from devkit_core.running.upkeep import Upkeep, upkeep_of
from devkit_core.sandbox.authority import Authority, decide
from devkit_core.sandbox.plan import Limits
from devkit_core.sandbox.probe import Enforcement, probe
from devkit_core.workers.deadlines import Deadlines
from devkit_core.workers.pending import PendingCall

if TYPE_CHECKING:
    from devkit_core.catalog.state import State
    from devkit_core.config.schema import PluginSystemConfig
    from devkit_core.hooks.extensions import Extensions

__all__ = ["Blueprint", "Blueprints", "Times", "authority_of"]


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

    `config` is None where the manifest has no settings, `functions` where it has no schemas. `request` lacks
    what only one start has: scratch folder, log and the report of its end.
    """

    manifest: Manifest
    folder: Path
    entry: Entry
    loader: Loader
    authority: Authority
    times: Times
    limits: Limits
    config: PluginConfig | None
    functions: Functions | None
    upkeep: Upkeep
    request: Callable[[Path, Callable[[DevKitError | None, list[PendingCall]], None]], LoadRequest]


def authority_of(
    manifest: Manifest, folder: Path, config: PluginSystemConfig, extensions: Extensions, state: State
) -> Authority:
    """Return what a plugin may do: asked, and granted by the user, and left by the policies."""
    granted = (
        *config.default_permissions,
        *state.granted(manifest.id, folder, publisher=manifest.metadata.author),
    )
    return decide(manifest.permissions, granted, plugin=manifest.id, policy=extensions.policy())


def times_of(manifest: Manifest, config: PluginSystemConfig, limits: Limits) -> Times:
    """Return a plugin's time limits: a manifest may lower the host's, never raise them."""
    asked = manifest.timeouts
    initialize = min(asked.init_timeout_seconds or config.initialize_timeout, config.initialize_timeout)
    return Times(
        start=config.initialize_timeout,
        initialize=initialize,
        execute=limits.call_seconds,
        shutdown=min(asked.shutdown_timeout_seconds or config.shutdown_timeout, config.shutdown_timeout),
    )


def _trusted(config: PluginSystemConfig, plugin: str, folder: Path, source: str) -> bool:
    """Say whether the user lets a plugin run in the host's own process.

    A project's plugins are trusted by their folder alone: a clone may bring a plugin of any id.
    """
    by_id = plugin in config.trusted_plugins and source != "project"
    folders = (os.path.realpath(each) for each in config.trusted_plugins if each.startswith("/"))
    return by_id or str(folder) in folders


class Blueprints:
    """Makes blueprints for one host; what the kernel enforces is asked once.

    `dropped` is told of output over a plugin's limits, by its id and as facts by name.
    """

    def __init__(
        self,
        config: PluginSystemConfig,
        extensions: Extensions,
        state: State,
        deadlines: Deadlines,
        logs: Logs,
        cache: Path,
        read: Callable[[Path], Manifest],
        settings: Callable[[Manifest], PluginConfig],
        dropped: Callable[..., object],
        enforcement: Enforcement | None = None,
        *,
        threads: bool = False,
    ) -> None:
        self._config = config
        self._extensions = extensions
        self._state = state
        self._deadlines = deadlines
        self._logs = logs
        self._cache = cache
        self._read = read
        self._settings = settings
        self._dropped = dropped
        self._enforcement = enforcement or probe()
        self._cwd = Path.cwd()
        self._threads = threads

    def reader(self, found: Discovered) -> Callable[[], Blueprint]:
        """Return what reads this plugin's blueprint from its folder, each time it is called."""
        return lambda: self.read(found.id, found.folder, found.source)

    def read(self, plugin: str, folder: Path, source: str) -> Blueprint:
        """Read a plugin from disk, from the source of that name.

        Raises ManifestError, LoadError, ConfigError, or Unconfined.
        """
        config = self._config
        manifest = self._read(folder)
        if manifest.id != plugin:
            raise LoadError(
                f"{folder} now holds `{manifest.id}`, not `{plugin}`", code="plugin-changed", plugin=plugin
            )
        entry = entry_of(folder, manifest)
        loader = choose(entry, self._extensions.loaders(), config.loader_order, plugin=plugin)
        unconfined = config.allow_unconfined or not config.enable_sandbox
        if loader.confinement == "none" and not unconfined:
            raise Unconfined(
                f"`{plugin}` would run in this process: the loader `{loader.name}` confines nothing",
                plugin=plugin,
                hint="`--allow-unconfined` runs it with all of your rights",
            )
        settings = self._settings(manifest)  # also where there are none: what is given in vain is refused
        values = settings if manifest.config else None
        authority = authority_of(manifest, folder, config, self._extensions, self._state)
        limits = Limits.of(limits_of(manifest, config))
        # where the user allows it, a kernel that can't confine is no obstacle; one that can, still does
        confined = config.enable_sandbox and not (config.allow_unconfined and self._enforcement.missing())
        real = Path(os.path.realpath(folder))

        def request(
            scratch: Path, ended: Callable[[DevKitError | None, list[PendingCall]], None]
        ) -> LoadRequest:
            log = PluginLog(plugin, limits, self._logs.writer(plugin), partial(self._dropped, plugin))
            if (said := without_effect(manifest, loader)) is not None:
                log("stderr", f"[{said}]")
            return LoadRequest(
                id=plugin,
                folder=real,
                entry=entry,
                manifest=manifest,
                authority=authority,
                confined=confined,
                trusted=_trusted(config, plugin, real, source),
                enforcement=self._enforcement,
                limits=limits,
                scratch=scratch,
                cwd=self._cwd,
                cache=self._cache,
                payload_limit=limits.payload_mb << 20,
                start_seconds=config.initialize_timeout,
                deadlines=self._deadlines,
                log=log,
                ended=ended,
                config=values.values if values is not None else None,
                threads=self._threads,
            )

        return Blueprint(
            manifest,
            folder,
            entry,
            loader,
            authority,
            times_of(manifest, config, limits),
            limits,
            values,
            functions_of(manifest),
            upkeep_of(manifest, config),
            request,
        )
