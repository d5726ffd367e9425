"""Source: what a catalogue of plugins is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Found", "Query", "Release", "ReleaseNeed", "SearchResult", "Source"]


@dataclass(frozen=True, slots=True)
class ReleaseNeed:
    """What a release needs: another plugin or a runtime, as the manifest's `[[dependencies]]` say it."""

    id: str
    version: str = "*"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """One version of one plugin that a source can hand out; its bytes never change.

    `sha256` (64 lower-case hex digits) and `size` (bytes) are the archive's, and installing fails where
    what `fetch` brought has others. All else is what the archive's own manifest says and is held against
    it; it is here so that a plan can be made before anything is fetched. `location` is for the source
    alone and for messages. A `yanked` release is only installed where that very version is asked for.
    """

    id: str
    version: str
    sha256: str
    size: int
    source: str  # the source's name
    location: str = ""
    needs: tuple[ReleaseNeed, ...] = ()
    permissions: tuple[str, ...] = ()
    min_devkit_version: str | None = None
    max_devkit_version: str | None = None
    publisher: str = ""
    yanked: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What a search asks for; words are looked for in id, name, description and tags.

    Filters all hold together, `tags` by any of them; `searching.select` is what they mean. `sort` is one
    of relevance, downloads, rating, updated, name and price. `limit` and `offset` cut the page after sorting.
    """

    text: str = ""
    category: str | None = None
    tags: tuple[str, ...] = ()
    free_only: bool = False
    verified_only: bool = False
    min_rating: float | None = None
    sort: str = "relevance"
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin on offer, in its newest version.

    `facts` is JSON-ready and holds what only some sources know. These keys have one meaning everywhere:
    `category`, `publisher` (with `name` and `verified`), `licensing` (with `license`, `is_free` and
    `pricing`), `stats` (with `downloads`, `rating` and `rating_count`), `updated_at`; a number that nobody
    has measured is null.
    """

    id: str
    name: str
    version: str
    description: str
    source: str
    tags: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One page of what a search found, in order; `total` counts all pages."""

    found: tuple[Found, ...] = ()
    total: int = 0


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
        return SearchResult()

    def describe(self, plugin: str) -> Found | None:
        """Return what is known of one plugin, in its newest version, or None where it isn't on offer.

        Called by `devkit plugin info`. Raises DevKitError where the source can't answer.
        """
        return None
