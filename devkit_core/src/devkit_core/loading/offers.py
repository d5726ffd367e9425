"""What a source offers: releases, and what a search finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Found", "Query", "Release", "ReleaseNeed", "SearchResult"]


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
