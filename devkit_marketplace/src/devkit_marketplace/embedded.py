"""Finds the catalogue that DevKit brings, or makes it from the checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from devkit_core.api import NotFound, Place, Places, StateError
from devkit_marketplace.index import ROOT, Index

__all__ = ["Embedded"]

_PACKAGE = Path(__file__).parent
_KEPT_SECONDS = 86_400  # of a catalogue that a running process may still read from
_SKIPPED = {"__pycache__", "node_modules"}


class Embedded:
    """The catalogue inside the installed package; in a source checkout, one made from its `plugins/`.

    What is made lies in the user's cache and is made again when a file of `plugins/`, of this package or
    PATH has changed. `package` is this package's folder.
    """

    def __init__(self, places: Places, package: Path = _PACKAGE) -> None:
        self._cache = places.cache / "catalogue"
        self._shipped = package / "catalogue"
        self._package = package
        checkout = package.parents[2]
        self._plugins = checkout / "plugins" if (checkout / "devkit_marketplace").is_dir() else None

    def open(self) -> Index:
        """Return the index. Raises NotFound where this package came without one, StateError of the disk."""
        if (self._shipped / ROOT).is_file():
            return Index(self._shipped)
        if self._plugins is None or not self._plugins.is_dir():
            raise NotFound(
                "this installation of devkit-marketplace has no catalogue in it",
                code="catalogue-missing",
                place=Place(str(self._shipped / ROOT)),
                hint="Install devkit-marketplace from its wheel.",
            )
        return self._made(self._plugins)

    def _made(self, plugins: Path) -> Index:
        folder = self._cache / _fingerprint(plugins, self._package)
        if not (folder / ROOT).is_file():
            from devkit_marketplace.export import export

            try:
                self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
                with tempfile.TemporaryDirectory(prefix=".made-", dir=self._cache) as room:
                    export(plugins, Path(room, "new"), tolerant=True)
                    with suppress(FileExistsError):  # another process was faster; its catalogue is the same
                        os.rename(Path(room, "new"), folder)
            except OSError as error:
                if not (folder / ROOT).is_file():
                    raise StateError(
                        f"the catalogue can't be written: {error.strerror or error}",
                        code="catalogue-unwritable",
                        place=Place(str(self._cache)),
                    ) from error
            self._sweep(folder)
        return Index(folder)

    def _sweep(self, kept: Path) -> None:
        """Remove what was made from earlier states of the checkout, a day after it was made."""
        with suppress(OSError):
            for folder in self._cache.iterdir():
                if folder != kept and time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


def _fingerprint(plugins: Path, package: Path) -> str:
    """Return a name that changes with the files below the folders and with where tools are looked for."""
    hashed = hashlib.sha256(os.environ.get("PATH", "").encode())
    for folder in (plugins, package):
        for line in _facts(str(folder)):
            hashed.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return hashed.hexdigest()[:32]


def _facts(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name in _SKIPPED:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _facts(entry.path)
        else:
            facts = entry.stat(follow_symlinks=False)
            yield f"{entry.path} {facts.st_mode} {facts.st_size} {facts.st_mtime_ns}"
