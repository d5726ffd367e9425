"""Finds plugins in their sources; runs none of their code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from devkit_core.errors import DevKitError, DuplicatePlugin, LoadError, Place, StateError
from devkit_core.loading.folder import read_bytes, read_manifest, real_path
from devkit_core.model.types import Discovered

if TYPE_CHECKING:
    from devkit_core.loading.source import Source

__all__ = [
    "Candidate",
    "candidates",
    "discover",
    "folder_id",
    "read_bytes",
    "read_manifest",
    "real_path",
    "settle",
]

T = TypeVar("T")

MOST = 10_000  # folders of one source


class Candidate(NamedTuple):
    """A folder that a source takes for a plugin's; `origin` is its real path.

    With `error` it stands for a source that failed, and `folder` is where that source looks, if known.
    """

    folder: Path
    origin: str
    source: str
    error: DevKitError | None = None


def discover(sources: Iterable[Source]) -> list[Discovered]:
    """Return every plugin of the sources, nearest source first, then by folder; raises for none of them.

    A plugin that can't be used has its `error` and hides no other. Of two usable ones with one id the
    nearer source's counts and the other has `shadowed_by`; two of one source are both unusable. A source
    that fails is listed as `source:NAME`, with its error.
    """
    found = [_discovered(each) for each in candidates(sources)]

    def duplicate(plugin: Discovered, error: DuplicatePlugin) -> Discovered:
        return plugin._replace(error=error)

    def shadow(plugin: Discovered, by: str) -> Discovered:
        return plugin._replace(shadowed_by=by)

    facts = [(each.id, each.source, each.folder, each.error is None) for each in found]
    return settle(found, facts, duplicate, shadow)


def candidates(sources: Iterable[Source]) -> Iterator[Candidate]:
    """Return what the sources offer, nearest first; a folder reached twice counts once.

    Each source in its own failure domain: whatever one raises becomes a candidate with that error.
    """
    seen: set[str] = set()
    for source in sorted(sources, key=lambda each: each.rank):
        try:
            folders = [Path(each) for _, each in zip(range(MOST), source.folders(), strict=False)]
        except Exception as error:  # noqa: BLE001 - a source of an extension may raise anything
            where = getattr(source, "folder", None)
            yield _failed(source.name, Path(where) if isinstance(where, Path) else Path(), error)
            continue
        # A link beside the folder that it points to is the one to leave out.
        linked = {folder for folder in folders if os.path.islink(folder)}
        kept: list[Candidate] = []
        for folder in sorted(folders, key=linked.__contains__):
            origin = real_path(folder)
            if origin not in seen:
                seen.add(origin)
                kept.append(Candidate(folder, origin, source.name))
        yield from sorted(kept, key=lambda each: each.folder)


def settle(
    found: Sequence[T],
    facts: Sequence[tuple[str, str, Path, bool]],
    duplicate: Callable[[T, DuplicatePlugin], T],
    shadow: Callable[[T, str], T],
) -> list[T]:
    """Return the plugins with duplicates and shadowed ones marked.

    `facts` holds id, source, folder and whether it can be used, for each, nearest source first.
    """
    claims: dict[str, list[int]] = {}
    for index, (identity, _, _, usable) in enumerate(facts):
        if usable:
            claims.setdefault(identity, []).append(index)
    result = list(found)
    for identity, indexes in claims.items():
        nearest = facts[indexes[0]][1]
        same = [index for index in indexes if facts[index][1] == nearest]
        if len(same) > 1:
            paths = [str(facts[index][2]) for index in same]
            for index in same:
                result[index] = duplicate(result[index], _duplicate(identity, paths))
        for index in indexes[len(same) :]:
            result[index] = shadow(result[index], nearest)
    return result


def folder_id(folder: Path) -> str:
    """Return the id that stands for a plugin whose manifest can't be read: its folder's name."""
    return os.fsencode(folder.name).decode("utf-8", "replace") or "unknown"


def _discovered(candidate: Candidate) -> Discovered:
    folder, source = candidate.folder, candidate.source
    if candidate.error is not None:
        return Discovered(f"source:{source}", folder, source, error=candidate.error)
    try:
        parsed = read_manifest(folder)
    except DevKitError as error:
        return Discovered(folder_id(folder), folder, source, error=error)
    return Discovered(parsed.manifest.id, folder, source, parsed.manifest, warnings=parsed.warnings)


def _failed(name: str, folder: Path, error: Exception) -> Candidate:
    if isinstance(error, StateError):
        return Candidate(folder, "", name, error)
    reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    problem = LoadError(
        f"the source {name!r} can't list its plugins: {reason}"[:1000],
        code="source-unreadable",
        place=Place(str(folder)) if folder != Path() else None,
        hint="Mend the folder or its permissions; the other sources are not affected.",
    )
    return Candidate(folder, "", name, problem)


def _duplicate(identity: str, paths: list[str]) -> DuplicatePlugin:
    shown = " and ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
    return DuplicatePlugin(
        f"{len(paths)} folders have a plugin {identity!r}, so none of them is loaded: {shown}",
        place=Place(paths[0]),
        hint="Give one of them another id, or take it away.",
        plugin=identity,
    )
