"""Reads `marketplace.toml` and `catalogue.toml`, and makes a listing with them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from devkit_core.api import Manifest, ManifestError, Place, Problem, read_bounded
from devkit_marketplace.listing import CatalogueFile, Licensing, Listing, MarketplaceFile, Publisher

__all__ = ["CATALOGUE_FILE", "MARKETPLACE_FILE", "catalogue_file", "listing", "marketplace_file", "moment"]

MARKETPLACE_FILE = "marketplace.toml"
CATALOGUE_FILE = "catalogue.toml"
_LIMIT = 1 << 20

T = TypeVar("T", CatalogueFile, MarketplaceFile)


def marketplace_file(folder: Path) -> MarketplaceFile:
    """Return what a plugin's folder says for catalogues; all defaults where it has no such file.

    Raises ManifestError for a file that can't be used.
    """
    return _read(folder / MARKETPLACE_FILE, MarketplaceFile)


def catalogue_file(folder: Path) -> CatalogueFile:
    """Return what a folder of plugins says of the catalogue made from it; raises ManifestError."""
    return _read(folder / CATALOGUE_FILE, CatalogueFile)


def listing(manifest: Manifest, about: MarketplaceFile, catalogue: CatalogueFile, where: Path) -> Listing:
    """Return the listing of a plugin; `where` is its folder, for errors. Raises ManifestError.

    A publisher that the catalogue doesn't know is the manifest's author, unverified.
    """
    facts = manifest.metadata
    publisher = Publisher(name=facts.author)
    if about.publisher is not None:
        if about.publisher not in catalogue.publishers:
            raise _problem(
                where / MARKETPLACE_FILE,
                f"`publisher` is {about.publisher!r}, and {CATALOGUE_FILE} has no such publisher",
            )
        publisher = catalogue.publishers[about.publisher]
    licensing = about.licensing or Licensing()
    return Listing(
        name=facts.name,
        version=facts.version,
        description=facts.description,
        author=facts.author,
        tags=facts.tags,
        capabilities=manifest.capabilities,
        category=about.category,
        homepage=facts.homepage,
        repository=facts.repository,
        documentation=about.documentation,
        issues=about.issues,
        created_at=moment(facts.created_at),
        updated_at=moment(facts.updated_at),
        publisher=publisher,
        licensing=msgspec.structs.replace(licensing, license=licensing.license or facts.license),
    )


def moment(value: datetime | None) -> str | None:
    """Return a moment as an index has it."""
    return value.isoformat().replace("+00:00", "Z") if value else None


def _read(path: Path, kind: type[T]) -> T:
    try:
        data, _ = read_bounded(path, _LIMIT, follow=False)
    except FileNotFoundError:
        return kind()
    except OSError as error:
        raise _problem(path, f"it can't be read: {error.strerror or error}") from error
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
        read = msgspec.convert(table, kind)
    except (ValueError, RecursionError) as error:  # TOML, UTF-8 and types alike
        raise _problem(path, str(error)) from None
    stray = _stray(table, msgspec.to_builtins(read))
    if stray is not None:
        raise _problem(path, f"`{stray}` is no key of this file")
    return read


def _stray(given: Any, known: Any, above: str = "") -> str | None:
    """Return the first key that was given and that nothing has read."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for key, value in given.items():
            path = f"{above}{key}"
            if key not in known:
                return path
            stray = _stray(value, known[key], f"{path}.")
            if stray is not None:
                return stray
    elif isinstance(given, list) and isinstance(known, list):
        for value, read in zip(given, known, strict=False):
            stray = _stray(value, read, above)
            if stray is not None:
                return stray
    return None


def _problem(path: Path, message: str) -> ManifestError:
    hint = "The keys are in docs/reference/catalogue-format.md."
    return ManifestError([Problem("catalogue-metadata", message, Place(str(path)), hint)])
