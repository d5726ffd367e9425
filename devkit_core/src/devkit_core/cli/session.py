"""One run of the command line: options, and the rooms it asks."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from devkit_core.cli.output import Format, Output

if TYPE_CHECKING:
    from devkit_core.catalog.state import State
    from devkit_core.config.places import Places
    from devkit_core.config.sources import Loaded
    from devkit_core.hooks.extensions import Extensions
    from devkit_core.loading.source import Source
    from devkit_core.model.manifest import Manifest
    from devkit_core.model.types import Discovered, PluginInfo

__all__ = ["Session"]


class Session:
    """What the options say, and what commands share; everything below is built when it is first asked for."""

    def __init__(self) -> None:
        self.format: str = "table"
        self.colour: str = "auto"
        self.verbosity: int = 0
        self.no_input: bool = False

    @cached_property
    def output(self) -> Output:
        """The streams, in the format and colour that the options ask for."""
        return Output(cast("Format", self.format), self.colour, self.verbosity)

    @property
    def interactive(self) -> bool:
        """Whether the user can be asked: both ends are terminals and nothing forbids it."""
        from devkit_core.config.environment import NO_INPUT, flag

        if self.no_input or flag(os.environ, NO_INPUT):
            return False
        return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))

    @cached_property
    def places(self) -> Places:
        """The folders of this user and of the project around the current folder."""
        from devkit_core.config.places import Places

        return Places.find()

    @cached_property
    def _read(self) -> Loaded:
        from devkit_core.config.sources import read

        return read(self.places)

    @cached_property
    def settings(self) -> Loaded:
        """The settings in force; what is doubtful about them is said once."""
        from devkit_core.config.sources import usable

        loaded = usable(self._read)
        for problem in loaded.problems:
            self.output.warn(f"{problem.place}: {problem.message}", hint=problem.hint)
        return loaded

    @cached_property
    def extensions(self) -> Extensions:
        """The installed extensions; settings that can't be used don't stand in the way of help."""
        from devkit_core.hooks.extensions import Extensions

        disabled = self._read.config.disabled_extensions
        return Extensions(disabled=disabled, cache=self.places.cache / "entry-points.json")

    @cached_property
    def state(self) -> State:
        """The user's record of grants and disabled plugins."""
        from devkit_core.catalog.state import FILE, State

        return State(self.places.data / FILE)

    def sources(self) -> list[Source]:
        """Return where plugins are looked for: the core's own places, then those of extensions."""
        from devkit_core.catalog.folders import builtin_sources

        config = self.settings.config
        return [*builtin_sources(config, self.places), *self.extensions.sources(config, self.places)]

    @cached_property
    def rows(self) -> list[PluginInfo]:
        """A row for every plugin, from the cache where nothing changed: for listings and completion only."""
        from devkit_core.catalog.listing import Listing
        from devkit_core.errors import StateError

        broken: StateError | None = None

        def is_enabled(plugin: str, folder: Path) -> bool:
            nonlocal broken
            try:
                return broken is not None or self.state.is_enabled(plugin, folder)
            except StateError as error:  # what is damaged must not hide the plugins
                broken = error
                return True

        def kind(entry_point: str, declared: str | None) -> str:
            from devkit_core.running.factory import kind_of

            return kind_of(entry_point, declared)

        from devkit_core import __version__

        stamp = f"{__version__}\n{self.extensions.fingerprint()}"
        listing = Listing(self.places.cache / "listing.json", stamp, kind, is_enabled=is_enabled)
        rows = listing.rows(self.sources())
        if broken is not None:
            self.output.warn(broken.message, hint=broken.hint)
        return rows

    @cached_property
    def plugins(self) -> list[Discovered]:
        """Every plugin of every source, its manifest read now; none of its code runs."""
        from devkit_core.catalog.discovery import discover

        return discover(self.sources())

    def plugin(self, identity: str) -> Discovered:
        """Return the plugin of that id that counts, usable or not; raises NotFound, with the nearest id."""
        from devkit_core.catalog.registry import Registry

        registry = Registry()
        registry.replace(self.plugins)
        return registry.find(identity)

    def usable(self, identity: str) -> tuple[Discovered, Manifest]:
        """Return the plugin of that id and its manifest; raises NotFound, or what is wrong with it."""
        found = self.plugin(identity)
        if found.error is not None:
            raise found.error
        assert found.manifest is not None
        return found, found.manifest
