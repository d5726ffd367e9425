"""Everything that can be said of a plugin's folder without running it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.catalog.discovery import read_bytes, read_manifest
from devkit_core.catalog.folders import MANIFEST
from devkit_core.config.files import read_bounded
from devkit_core.errors import DevKitError, LoaderMissing, ManifestError, NotFound, Place, Problem
from devkit_core.running.factory import choose, entry_of, without_effect

if TYPE_CHECKING:
    from devkit_core.loading.loader import Loader
    from devkit_core.model.manifest import Manifest

__all__ = ["Checked", "check"]

_LARGEST_SOURCE = 16 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one folder; `id` is None where the manifest can't be read."""

    path: str
    id: str | None
    kind: str
    problems: tuple[Problem, ...]

    def ok(self, *, strict: bool) -> bool:
        """Say whether nothing is wrong; with `strict`, warnings count too."""
        return not any(strict or not problem.warning for problem in self.problems)


def check(path: Path, loaders: Sequence[Loader], order: Sequence[str] = ()) -> Checked:
    """Check a plugin's folder, or its plugin.toml: the manifest, the entry point, and its text by its loader.

    Raises NotFound where there is nothing at the path.
    """
    folder = path.parent if path.name == MANIFEST and not path.is_dir() else path
    if not os.path.lexists(path):
        raise NotFound(
            f"there is nothing at {path}",
            code="path-not-found",
            place=Place(str(path)),
            hint="name a plugin's folder, or its plugin.toml",
        )
    try:
        parsed = read_manifest(folder)
    except ManifestError as error:
        return Checked(str(path), None, "", error.problems)
    kind, found = _entry(folder, parsed.manifest, loaders, order)
    return Checked(str(path), parsed.manifest.id, kind, (*parsed.warnings, *found))


def _entry(
    folder: Path, manifest: Manifest, loaders: Sequence[Loader], order: Sequence[str]
) -> tuple[str, Sequence[Problem]]:
    plugin = manifest.id
    try:
        entry = entry_of(folder, manifest, at=_named_at(folder, "metadata", "entry_point"))
        loader = choose(entry, loaders, order, plugin=plugin)
    except LoaderMissing as error:  # nothing is wrong with the plugin; this machine can't look further
        return "", [Problem(error.code, error.message, error.place, error.hint, warning=True)]
    except DevKitError as error:
        return "", [Problem(error.code, error.message, error.place, error.hint)]
    try:
        source = read_bounded(entry.path, _LARGEST_SOURCE)[0]
    except OSError as error:
        message = f"the entry point can't be read: {error.strerror or error}"
        return loader.name, [Problem("entry-point-missing", message, Place(str(entry.path)))]
    return loader.name, [*_without_effect(folder, manifest, loader), *loader.check(entry, source)]


def _without_effect(folder: Path, manifest: Manifest, loader: Loader) -> Iterator[Problem]:
    if (said := without_effect(manifest, loader)) is not None:
        place = _named_at(folder, "python", "requires")
        yield Problem("manifest-unsupported", said, place, "take it out", warning=True)


def _named_at(folder: Path, *path: str) -> Place | None:
    """Return where the manifest has a key, with the source line for the caret."""
    from devkit_core.model.locate import locate
    from devkit_core.model.parsing import place

    text = read_bytes(folder)[0].decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    spot = locate(text).get(path)
    return place(str(folder / MANIFEST), text, spot.key, path[-1]) if spot is not None else None
