"""Verifies what is in the store, and fetches again what is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.catalog.acquiring import Staged, acquire, fetch
from devkit_core.catalog.installed import InstalledVersion
from devkit_core.catalog.planning import Releases, wanted_versions
from devkit_core.catalog.wishes import parse_wish
from devkit_core.errors import DevKitError, IntegrityError

if TYPE_CHECKING:
    from devkit_core.catalog.install import Installer

__all__ = ["Verified", "verify_store"]


@dataclass(frozen=True, slots=True)
class Verified:
    """One version in the store: what is wrong with it, if anything, and whether it was mended."""

    id: str
    version: str
    digest: str
    current: bool
    problems: tuple[str, ...] = ()
    mended: bool = False
    error: DevKitError | None = None


def verify_store(installer: Installer, *, repair: bool = False) -> list[Verified]:
    """Hash every installed version anew; with `repair`, fetch damaged ones again from where they came.

    A version is mended only by the very same content. Raises StateError where the store or the record
    can't be used at all.
    """
    with installer.store.staging() as staging, installer.changing(staging, dry_run=not repair) as plugins:
        releases = installer.releases(plugins)
        results = []
        for plugin in plugins.values():
            for version in plugin.versions:
                problems = tuple(installer.store.problems(version.digest, plugin.id))
                current = version.digest == plugin.current
                mended, error = False, None
                if problems and repair:
                    try:
                        _mend(installer, plugin.id, version, releases, staging)
                        mended = True
                    except DevKitError as caught:
                        error = caught
                results.append(
                    Verified(plugin.id, version.version, version.digest, current, problems, mended, error)
                )
    return results


def _mend(
    installer: Installer, plugin: str, version: InstalledVersion, releases: Releases, staging: Path
) -> None:
    staged = _again(plugin, version, releases, staging)
    if staged.tree.digest != version.digest or staged.manifest.id != plugin:
        raise IntegrityError(
            f"{version.origin} now holds other files than were installed",
            code="package-modified",
            plugin=plugin,
            hint=f"Install it again: devkit plugin install {version.origin}",
        )
    installer.store.put(staged.folder, staged.tree, plugin, staging)


def _again(plugin: str, version: InstalledVersion, releases: Releases, staging: Path) -> Staged:
    if not version.lineage.startswith("source:"):
        return acquire(parse_wish(version.origin, Path("/")), staging)
    found = wanted_versions(plugin, releases.of(plugin), version.version)
    release = found[0].release
    assert release is not None
    return fetch(release, releases.source(found[0].source), staging)
