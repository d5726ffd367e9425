"""Folders of plugins as sources: the project's, DEVKIT_PLUGIN_PATH's, the user's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.catalog.contents import RECORD, plugin_folder
from devkit_core.loading.folder import MANIFEST
from devkit_core.loading.source import Source

if TYPE_CHECKING:
    from devkit_core.config.places import Places
    from devkit_core.config.schema import PluginSystemConfig

__all__ = ["MANIFEST", "FolderSource", "InstalledSource", "builtin_sources"]


class FolderSource(Source):
    """A folder whose subfolders are plugins, one level deep.

    A subfolder is a plugin when it has a `plugin.toml`, whatever that is. It may be a symbolic link, as
    while a plugin is being written elsewhere; what it points to is then the plugin's folder, for grants
    too. Names that start with a dot are left out: that is where unfinished work stands.
    """

    def __init__(self, name: str, rank: int, folder: Path) -> None:
        self.name = name
        self.rank = rank
        self.folder = folder

    def __repr__(self) -> str:
        return f"FolderSource({self.name!r}, {self.rank}, {str(self.folder)!r})"

    def folders(self) -> list[Path]:
        """Return the plugin folders in order of name; a missing folder has none. Raises OSError."""
        try:
            with os.scandir(self.folder) as entries:
                found = [entry.name for entry in entries if _is_plugin(entry)]
        except FileNotFoundError:
            return []
        return [self.folder / name for name in sorted(found)]


class InstalledSource(Source):
    """The installed plugins, each by the version that counts."""

    def __init__(self, data: Path) -> None:
        self.name = "installed"
        self.rank = 400
        self.folder = data

    def folders(self) -> list[Path]:
        """Return the plugins' folders in the store, by id. Raises StateError."""
        if not os.path.lexists(self.folder / RECORD):
            return []  # a listing then does without what reads it
        from devkit_core.catalog.installed import Installed

        plugins = Installed(self.folder).read()
        return [plugin_folder(self.folder, plugins[name].current, name) for name in sorted(plugins)]


def builtin_sources(config: PluginSystemConfig, places: Places) -> list[Source]:
    """Return the core's own sources, nearest first; extensions' come after them by their rank.

    `project` is `plugin_dir`, `path` the folders of DEVKIT_PLUGIN_PATH in their order (`path-2` is the
    second), `user` is `plugins` in the user's data folder, `installed` what is in the store there.
    """
    path = [
        FolderSource("path" if number == 1 else f"path-{number}", 200, folder)
        for number, folder in enumerate(places.plugin_path, 1)
    ]
    return [
        FolderSource("project", 100, places.plugin_dir(config.plugin_dir)),
        *path,
        FolderSource("user", 300, places.data / "plugins"),
        InstalledSource(places.data),
    ]


def _is_plugin(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return False
    try:
        if not entry.is_dir():
            # A link to nothing was meant as a plugin; showing it beats hiding it.
            return entry.is_symlink() and not os.path.exists(entry.path)
        os.lstat(os.path.join(entry.path, MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # it can't be looked into: discovery says so
    return True
