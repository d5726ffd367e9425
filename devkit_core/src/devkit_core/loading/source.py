"""Source: what a catalogue of plugins is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devkit_core.loading.offers import Found, Query, Release, SearchResult

__all__ = ["Source"]


class Source(ABC):
    """Somewhere plugins are found: a folder, a store, a marketplace.

    `name` is what listings show and is unique among the sources; `rank` orders them: of two plugins with
    one id, the source with the lower rank wins (project 100, DEVKIT_PLUGIN_PATH 200, user 300, installed
    400, others 500). A source that only hands out archives has no folders; one that is a folder hands out
    nothing.
    """

    name: str
    rank: int = 500

    @abstractmethod
    def folders(self) -> Iterable[Path]:
        """Return the plugin folders that this source has now; called by every discovery.

        A folder that can't be used is returned all the same: what is wrong with it is found, and shown,
        by the discovery. Raises nothing for an empty or missing place; an OSError is shown as the
        source's own failure and hides no other source.
        """

    def versions(self, plugin: str) -> Sequence[Release]:
        """Return every release of a plugin, yanked ones too, in any order; nothing where it has none.

        Called by install, update and outdated, for the plugins asked for and what they need. Raises
        DevKitError where the source can't answer.
        """
        return ()

    def fetch(self, release: Release, target: Path) -> None:
        """Write a release's archive to `target`, a new file in a private folder; `release` is its own.

        Called by install after the plan was agreed to. Stop at `release.size` bytes. Raises DevKitError;
        whoever called removes the file then, and checks size and hash of what was written.
        """
        from devkit_core.errors import NotFound

        raise NotFound(f"{self.name} hands out no archives", code="release-not-found", plugin=release.id)

    def search(self, query: Query) -> SearchResult:
        """Return the plugins on offer that match; called by `devkit plugin search`. Raises DevKitError."""
        from devkit_core.loading.offers import SearchResult

        return SearchResult()

    def describe(self, plugin: str) -> Found | None:
        """Return what is known of one plugin, in its newest version, or None where it isn't on offer.

        Called by `devkit plugin info`. Raises DevKitError where the source can't answer.
        """
        return None
