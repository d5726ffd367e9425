"""A catalogue as a source: search, description, releases, archives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.api import Source

if TYPE_CHECKING:
    from devkit_core.api import Found, Query, Release, SearchResult
    from devkit_marketplace.index import Index
    from devkit_marketplace.listing import Archive, Listing, ReleaseRecord

__all__ = ["Catalogue"]


class Catalogue(Source):
    """Plugins that an index offers; has no folders, so a listing never opens it.

    `opened` returns the index, and raises DevKitError where there can't be one; it is called when the first
    question comes, and again until it has answered.
    """

    def __init__(self, name: str, rank: int, opened: Callable[[], Index]) -> None:
        self.name = name
        self.rank = rank
        self._opened = opened
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        """The index, opened when first asked for. Raises DevKitError."""
        if self._index is None:
            self._index = self._opened()
        return self._index

    def folders(self) -> tuple[Path, ...]:
        """Return nothing: what is offered here is installed first."""
        return ()

    def versions(self, plugin: str) -> Sequence[Release]:
        """Return the releases that run on this machine."""
        record = self.index.record(plugin)
        if record is None:
            return ()
        publisher = self.index.root.plugins[plugin].listing.publisher.name
        found = ((each, _fitting(each)) for each in record.releases)
        return tuple(self._release(plugin, publisher, each, archive) for each, archive in found if archive)

    def fetch(self, release: Release, target: Path) -> None:
        """Write a release's archive to `target`; of a plugin that is sold, raise PermissionDenied."""
        from devkit_core.api import NotFound

        record = self.index.record(release.id)
        archives = [each for known in (record.releases if record else ()) for each in known.archives]
        archive = next((each for each in archives if each.path == release.location), None)
        if archive is None:
            raise NotFound(
                f"{self.name} has no {release.id} {release.version} any more",
                code="release-not-found",
                plugin=release.id,
            )
        self._refuse_sold(release.id, self.index.root.plugins[release.id].listing)
        self.index.copy(archive, target)

    def search(self, query: Query) -> SearchResult:
        """Return what matches, by the listings alone."""
        from devkit_core.api import select

        plugins = self.index.root.plugins
        return select((self._found(name, each.listing) for name, each in plugins.items()), query)

    def describe(self, plugin: str) -> Found | None:
        """Return a plugin's listing."""
        entry = self.index.root.plugins.get(plugin)
        return self._found(plugin, entry.listing) if entry else None

    def _found(self, plugin: str, listing: Listing) -> Found:
        from devkit_core.api import Found

        return Found(
            plugin,
            listing.name,
            listing.version,
            listing.description,
            self.name,
            listing.tags,
            listing.facts(),
        )

    def _release(self, plugin: str, publisher: str, record: ReleaseRecord, archive: Archive) -> Release:
        from devkit_core.api import Release, ReleaseNeed

        return Release(
            plugin,
            record.version,
            archive.sha256,
            archive.size,
            self.name,
            archive.path,
            tuple(ReleaseNeed(each.id, each.version, each.optional) for each in record.requires),
            record.permissions,
            record.min_devkit_version,
            record.max_devkit_version,
            publisher,
            record.yanked,
        )

    def _refuse_sold(self, plugin: str, listing: Listing) -> None:
        from devkit_core.api import PermissionDenied

        if not listing.licensing.is_free:
            publisher = listing.publisher
            raise PermissionDenied(
                f"{plugin} is sold by {publisher.name}, and this DevKit can't check a licence",
                code="licence-needed",
                plugin=plugin,
                hint=f"Ask the publisher for a package to install: {publisher.website or publisher.name}",
            )


def _fitting(record: ReleaseRecord) -> Archive | None:
    """Return the archive for this machine, or the one for any."""
    from devkit_marketplace.platforms import ANY, here

    by_platform = {each.platform: each for each in record.archives}
    return by_platform.get(here()) or by_platform.get(ANY)
