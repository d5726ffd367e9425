"""Makes a static index from a folder of plugins."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from devkit_core.api import (
    DevKitError,
    ManifestError,
    Place,
    StateError,
    UsageError,
    parse_version,
    read_manifest,
)
from devkit_marketplace.building import NotBuilt, Packed, package
from devkit_marketplace.describing import catalogue_file, listing, moment
from devkit_marketplace.index import ROOT
from devkit_marketplace.listing import (
    FORMAT,
    CatalogueFile,
    Digest,
    Entry,
    Listing,
    Missing,
    Need,
    Record,
    ReleaseRecord,
    Root,
)

__all__ = ["RELEASES", "export", "release_folders"]

#: the folder of a plugin that has its earlier releases, each a plugin's folder of its own
RELEASES = "releases"
_MANIFEST = "plugin.toml"


def export(plugins: Path, target: Path, *, tolerant: bool = False) -> Root:
    """Write the catalogue of a folder of plugins to `target`, all of it or nothing; return its root.

    `target` is new, empty, or a catalogue that is replaced. A plugin that can't be built on this machine is
    left out and listed as such; so is one that is wrong where `tolerant` is true, else it raises. Raises
    UsageError for a target that is something else, StateError of the disk.
    """
    _check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            made = room / "new"
            made.mkdir()
            root = _write(plugins, made, tolerant)
            if target.exists():
                os.replace(target, room / "old")
            os.replace(made, target)
        finally:
            shutil.rmtree(room, ignore_errors=True)
    except OSError as error:
        raise StateError(
            f"the catalogue can't be written: {error.strerror or error}",
            code="catalogue-unwritable",
            place=Place(str(error.filename or target)),
        ) from error
    return root


def release_folders(plugins: Path) -> Iterator[tuple[str, Path]]:
    """Yield each folder that has a release, with the id it stands under, in order."""
    for folder in sorted(plugins.iterdir()):
        if folder.name.startswith(".") or not (folder / _MANIFEST).is_file():
            continue
        yield folder.name, folder
        if (folder / RELEASES).is_dir():
            for release in sorted((folder / RELEASES).iterdir()):
                if (release / _MANIFEST).is_file():
                    yield folder.name, release


def _check_target(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        problem = "is no folder"
    elif target.is_dir() and not (target / ROOT).is_file() and any(target.iterdir()):
        problem = "has files in it, and is no catalogue"
    else:
        return
    raise UsageError(
        f"{target} {problem}",
        code="catalogue-target",
        place=Place(str(target)),
        hint="Name a new folder, an empty one, or an earlier export to replace.",
    )


def _write(plugins: Path, folder: Path, tolerant: bool) -> Root:
    catalogue = catalogue_file(plugins)
    packed: dict[str, list[tuple[Path, Packed]]] = {}
    left: list[Missing] = []
    for identity, source in release_folders(plugins):
        try:
            manifest = read_manifest(source).manifest
            if manifest.id != identity:
                raise _wrong(source, f"its id is {manifest.id!r}, and its folder is {identity!r}")
            if any(each.manifest.version == manifest.version for _, each in packed.get(identity, ())):
                raise _wrong(source, f"there is a {identity} {manifest.version} already")
            made = package(source, manifest, folder)
            packed.setdefault(identity, []).append((source, made))
        except NotBuilt as why:
            left.append(Missing(id=identity, version=_version(source), reason=str(why)))
        except DevKitError as error:
            if not tolerant:
                raise
            left.append(Missing(id=identity, version=_version(source), reason=str(error)[:1000]))
    entries: dict[str, Entry] = {}
    for identity, releases in packed.items():
        try:
            entries[identity] = _entry(identity, releases, catalogue, folder)
        except ManifestError as error:
            if not tolerant:
                raise
            left.append(Missing(id=identity, version="", reason=str(error)[:1000]))
    root = Root(format=FORMAT, name=catalogue.name, plugins=entries, not_built=tuple(left))
    (folder / ROOT).write_bytes(_encoded(root))
    return root


def _entry(
    identity: str, releases: list[tuple[Path, Packed]], catalogue: CatalogueFile, folder: Path
) -> Entry:
    releases.sort(key=lambda each: parse_version(each[1].manifest.version), reverse=True)
    record = Record(format=FORMAT, id=identity, releases=tuple(_release(made) for _, made in releases))
    data = _encoded(record)
    place = folder / "index" / f"{identity}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(data)
    digest = Digest(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    return Entry(listing=_newest(releases, catalogue), record=digest)


def _newest(releases: list[tuple[Path, Packed]], catalogue: CatalogueFile) -> Listing:
    """Return the listing of the newest release that is neither withdrawn nor early, or else of the newest."""
    plain = [
        each
        for each in releases
        if not each[1].about.yanked and not parse_version(each[1].manifest.version).pre
    ]
    source, made = (plain or releases)[0]
    return listing(made.manifest, made.about, catalogue, source)


def _release(made: Packed) -> ReleaseRecord:
    facts = made.manifest.metadata
    return ReleaseRecord(
        version=facts.version,
        archives=(made.archive,),
        requires=tuple(
            Need(id=each.id, version=each.version, optional=each.optional)
            for each in made.manifest.dependencies
        ),
        permissions=tuple(made.manifest.permissions),
        min_devkit_version=facts.min_devkit_version,
        max_devkit_version=facts.max_devkit_version,
        updated_at=moment(facts.updated_at),
        yanked=made.about.yanked,
    )


def _version(source: Path) -> str:
    """Return what a manifest, however wrong, has as its version."""
    import tomllib

    try:
        table = tomllib.loads((source / _MANIFEST).read_text("utf-8"))
        return str(table["metadata"]["version"])[:200]
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _wrong(source: Path, message: str) -> UsageError:
    return UsageError(
        message,
        code="catalogue-plugin",
        place=Place(str(source / _MANIFEST)),
        hint="A plugin stands in a folder named like its id, each earlier release under releases/VERSION/.",
    )


def _encoded(data: Root | Record) -> bytes:
    text = msgspec.json.format(msgspec.json.encode(data, order="sorted"), indent=1)
    return text + b"\n"
