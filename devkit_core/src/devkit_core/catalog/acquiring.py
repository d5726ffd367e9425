"""Brings a plugin into a private folder and checks it."""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devkit_core.catalog.downloads import download
from devkit_core.catalog.extract import extract, plugin_root
from devkit_core.catalog.names import BOUNDS, Bounds
from devkit_core.catalog.packing import collect
from devkit_core.catalog.repositories import checkout
from devkit_core.catalog.trees import Tree
from devkit_core.catalog.wishes import Wish
from devkit_core.errors import (
    DevKitError,
    EntryPointError,
    IntegrityError,
    LoadError,
    ManifestError,
    NotFound,
    Place,
    UsageError,
)
from devkit_core.loading.folder import MANIFEST, read_manifest
from devkit_core.loading.offers import Release
from devkit_core.loading.source import Source
from devkit_core.model.manifest import Manifest

__all__ = ["Staged", "acquire", "check_plugin", "fetch", "open_archive", "source_errors"]


@dataclass(frozen=True, slots=True)
class Staged:
    """A plugin that lies ready in a private folder, checked.

    `source`, `origin` and `lineage` say where it is from; `archive` and `archive_size` are the hash and
    the bytes of what it came packed in; for a repository, `archive` is the commit.
    """

    folder: Path
    tree: Tree
    manifest: Manifest
    source: str
    origin: str
    lineage: str
    archive: str = ""
    archive_size: int = 0


def acquire(wish: Wish, staging: Path, *, bounds: Bounds = BOUNDS) -> Staged:
    """Bring what was wished for, other than an id, into a folder of its own in `staging`.

    Raises DevKitError for anything that is wrong with it, OSError of the disk. Runs nothing of it.
    """
    room = Path(tempfile.mkdtemp(prefix="a-", dir=staging))
    plugin = room / "plugin"
    plugin.mkdir()
    target = Path(wish.target)
    if wish.kind == "path":
        tree = collect(target, plugin, bounds=bounds)
        return _staged(plugin, tree, wish, shown=wish.target)
    if wish.kind == "git":
        files, commit = checkout(wish.target, wish.revision, room, bounds=bounds)
        tree = collect(files, plugin, bounds=bounds)
        return _staged(*plugin_root(plugin, tree, wish.origin), wish, shown=wish.origin, archive=commit)
    if wish.kind == "https":
        target = room / "archive"
        download(wish.target, target, limit=bounds.archive)
    archive, size = _hashed(target, bounds)
    if wish.sha256 and archive != wish.sha256:
        raise IntegrityError(
            f"{wish.origin[:200]} has the SHA-256 {archive}",
            code="hash-mismatch",
            hint="It isn't the file that was meant: ask whoever gave you the hash.",
        )
    folder, tree = open_archive(target, plugin, wish.target, bounds)
    return _staged(folder, tree, wish, shown=wish.origin, archive=archive, size=size)


def fetch(release: Release, source: Source, staging: Path, *, bounds: Bounds = BOUNDS) -> Staged:
    """Bring a release into a folder of its own in `staging`, and hold it against what was promised.

    Raises IntegrityError where it is another one, and what `acquire` raises.
    """
    room = Path(tempfile.mkdtemp(prefix="a-", dir=staging))
    plugin = room / "plugin"
    plugin.mkdir()
    target = room / "archive"
    with source_errors(source):
        source.fetch(release, target)
    digest, size = _hashed(target, bounds)
    if (digest, size) != (release.sha256, release.size):
        raise IntegrityError(
            f"{release.id} {release.version} from {release.source} has {size} bytes and the SHA-256 "
            f"{digest}, not {release.size} and {release.sha256}",
            code="hash-mismatch",
            plugin=release.id,
            hint="Try again; where it stays so, the source hands out something else than it lists.",
        )
    folder, tree = open_archive(target, plugin, f"{release.id}-{release.version}.dkp", bounds)
    manifest = check_plugin(folder, tree, f"{release.id} {release.version}")
    promised = (release.id, release.version, tuple(release.permissions))
    found = (manifest.id, manifest.version, tuple(manifest.permissions))
    needs = {(each.id, each.version, each.optional) for each in release.needs}
    if promised != found or needs != {(e.id, e.version, e.optional) for e in manifest.dependencies}:
        raise IntegrityError(
            f"the archive of {release.id} {release.version} says another id, version, permissions or "
            f"dependencies than {release.source} lists",
            code="release-mismatch",
            plugin=release.id,
            hint="The archive's own manifest is the only one that counts, so nothing was installed.",
        )
    origin = release.location or release.id
    return Staged(folder, tree, manifest, source.name, origin, f"source:{source.name}", digest, size)


def open_archive(path: Path, folder: Path, name: str, bounds: Bounds = BOUNDS) -> tuple[Path, Tree]:
    """Unpack the archive at a path, `name` being what errors call it; raises as `extract`, and NotFound."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound(
            f"{name} can't be read: {error.strerror}", code="path-not-found", place=Place(str(path))
        ) from error
    with open(descriptor, "rb") as file:
        return extract(file, name, folder, bounds=bounds)


def check_plugin(folder: Path, tree: Tree, shown: str) -> Manifest:
    """Return the manifest of an unpacked plugin; raises ManifestError, EntryPointError.

    `shown` is where it came from, which is what a user can look at.
    """
    try:
        manifest = read_manifest(folder).manifest
    except ManifestError as error:
        raise error.at(f"{shown}/{MANIFEST}") from None
    entry = posixpath.normpath(manifest.entry_point)
    if entry not in tree.files:
        raise EntryPointError(
            f"{shown} has no {manifest.entry_point!r}, which is its entry point",
            plugin=manifest.id,
            hint="Build it first, if it is made by a build; what is left out of packages is listed in "
            "`devkit plugin pack --help`.",
        )
    return manifest


@contextmanager
def source_errors(source: Source) -> Iterator[None]:
    """Turn whatever a source of an extension raises into an error that names the source."""
    try:
        yield
    except DevKitError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise  # the disk's fault, not the source's
        raise LoadError(
            f"the source {source.name!r} failed: {type(error).__name__}: {error}"[:1000],
            code="source-unreadable",
            hint="`devkit doctor` shows the installed extensions.",
        ) from error


def _staged(folder: Path, tree: Tree, wish: Wish, *, shown: str, archive: str = "", size: int = 0) -> Staged:
    manifest = check_plugin(folder, tree, shown)
    return Staged(folder, tree, manifest, wish.kind, wish.origin, wish.lineage, archive, size)


def _hashed(path: Path, bounds: Bounds) -> tuple[str, int]:
    """Return a file's hash and size; a file that is no regular one or far too large is refused unread."""
    from devkit_core.config.files import NotRegular, TooLarge, read_bounded

    try:
        data, _ = read_bounded(path, bounds.archive)
    except (NotRegular, TooLarge) as error:
        raise UsageError(str(error), code="install-target", place=Place(str(path))) from error
    except OSError as error:
        raise NotFound(
            f"{path} can't be read: {error.strerror}", code="path-not-found", place=Place(str(path))
        ) from error
    return hashlib.sha256(data).hexdigest(), len(data)
