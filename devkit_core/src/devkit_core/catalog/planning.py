"""What an installation would do: versions, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from devkit_core.catalog.acquiring import Staged, source_errors
from devkit_core.catalog.offers import Available, Need, available
from devkit_core.catalog.resolver import order
from devkit_core.errors import DependencyError, DevKitError, IntegrityError, NotFound
from devkit_core.loading.offers import Release
from devkit_core.loading.source import Source
from devkit_core.model.permissions import parse_permission
from devkit_core.model.types import Discovered
from devkit_core.model.versions import Requirement, Version, parse_requirement, parse_version

__all__ = ["Candidate", "Plan", "Releases", "Step", "choose", "newly_asked", "wanted_versions"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One version that could be installed: a release that isn't fetched yet, or a plugin that lies ready."""

    offer: Available
    publisher: str
    asked: tuple[str, ...]
    source: str
    origin: str
    lineage: str
    size: int
    staged: Staged | None = None
    release: Release | None = None

    @classmethod
    def of_staged(cls, staged: Staged) -> Candidate:
        """Return what was acquired as a candidate."""
        manifest = staged.manifest
        return cls(
            available(manifest, staged.origin),
            manifest.metadata.author,
            _canonical(manifest.permissions),
            staged.source,
            staged.origin,
            staged.lineage,
            staged.tree.size,
            staged=staged,
        )

    @classmethod
    def of_release(cls, release: Release) -> Candidate:
        """Return a release as a candidate; raises IntegrityError where its facts can't be read."""
        try:
            needs = tuple(
                Need(each.id, parse_requirement(each.version), each.optional) for each in release.needs
            )
            oldest, newest = (
                parse_version(each) if each else None
                for each in (release.min_devkit_version, release.max_devkit_version)
            )
            offer = Available(
                release.id, parse_version(release.version), release.source, needs, oldest, newest
            )
            asked = _canonical(release.permissions)
        except DevKitError as error:
            raise IntegrityError(
                f"{release.source} lists a release of {release.id[:80]!r} that can't be read: "
                f"{error.message}",
                code="release-invalid",
                hint="Ask whoever runs that source to mend its list.",
            ) from error
        return cls(
            offer,
            release.publisher,
            asked,
            release.source,
            release.location or release.id,
            f"source:{release.source}",
            release.size,
            release=release,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One plugin that a plan changes; `before` is the version that counts now, empty where none does.

    `asked` is all that it asks for, `new` what it asks for and didn't have or ask before. `why` names
    what it comes along with, empty where it was asked for.
    """

    action: str  # install, update, downgrade, replace, switch, remove
    id: str
    version: str
    before: str = ""
    source: str = ""
    origin: str = ""
    size: int = 0
    asked: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    why: str = ""
    drops_grants: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in order; nothing is granted by any of it."""

    steps: tuple[Step, ...] = ()


class Releases:
    """The releases that sources hand out; each source is asked once for each plugin.

    A plugin's releases come from one source only: that which it was installed from, else the first in
    rank that has any. So no other source can slip in a version.
    """

    def __init__(self, sources: Iterable[Source], bound: Callable[[str], str | None]) -> None:
        self._sources = sorted(sources, key=lambda each: each.rank)
        self._bound = bound
        self._known: dict[str, list[Candidate]] = {}

    def of(self, plugin: str) -> list[Candidate]:
        """Return all releases of a plugin, yanked ones too. Raises DevKitError of the sources."""
        if plugin not in self._known:
            self._known[plugin] = [Candidate.of_release(each) for each in self._first(plugin)]
        return self._known[plugin]

    def source(self, name: str) -> Source:
        """Return the source of that name."""
        return next(each for each in self._sources if each.name == name)

    def _first(self, plugin: str) -> Sequence[Release]:
        bound = self._bound(plugin)
        for source in self._sources:
            if bound is None or source.name == bound:
                with source_errors(source):
                    found = [each for each in source.versions(plugin) if each.id == plugin]
                if found:
                    return found
        return ()


def wanted_versions(
    plugin: str, releases: Sequence[Candidate], version: str | None, current: Version | None = None
) -> list[Candidate]:
    """Return the releases that will do, for an exact version, a requirement, or None for any.

    Yanked ones and pre-releases only where asked for exactly; pre-releases also where one is installed.
    Raises NotFound `release-not-found`, UsageError.
    """
    exact = requirement = None
    if version is not None:
        try:
            exact = parse_version(version)
        except DevKitError:
            requirement = parse_requirement(version)
    found = [each for each in releases if _fits(each, exact, requirement, current)]
    if found:
        return found
    if not releases:
        raise NotFound(
            f"no source offers a plugin {plugin!r}",
            code="release-not-found",
            hint="A folder is installed by its path, as ./folder; a source's plugins by their id.",
            plugin=plugin,
        )
    offered = sorted((each.offer.version for each in releases), reverse=True)[:5]
    raise NotFound(
        f"{releases[0].source} has no {plugin} {version or 'that is no pre-release and not withdrawn'}",
        code="release-not-found",
        hint=f"It has {', '.join(map(str, offered))}.",
        plugin=plugin,
    )


def _fits(
    each: Candidate, exact: Version | None, requirement: Requirement | None, current: Version | None
) -> bool:
    version = each.offer.version
    if exact is not None:
        return version == exact
    if each.release is not None and each.release.yanked:
        return False
    if requirement is not None:
        return requirement.allows(version)
    return version.pre is None or (current is not None and current.pre is not None)


def choose(
    named: Mapping[str, Sequence[Candidate]],
    present: Iterable[Discovered],
    releases: Releases,
    runtimes: Mapping[str, str],
    devkit: str,
) -> list[Candidate]:
    """Return which candidates to install: one of each that is named, and what they need and isn't there.

    Those that are there stay as they are where that is possible; where it isn't, other releases of
    installed ones that the named ones need are tried. Raises DependencyError where it can't be done, or
    where a plugin that can be loaded now couldn't any more.
    """
    usable = [each for each in present if each.error is None and each.shadowed_by is None]
    there = {each.id: available(each.manifest, str(each.folder)) for each in usable if each.manifest}
    installed = {each.id for each in usable if each.source == "installed"}
    fine = [each.id for each in order(there, there.values(), runtimes, devkit).sequence]
    kept = [each for each in fine if each not in named]
    failure: DependencyError | None = None
    for changeable in (frozenset[str](), installed):
        pool = {plugin: list(candidates) for plugin, candidates in named.items()}
        fixed = {*runtimes, *there} - changeable
        _add_needed(pool, fixed, releases, there)
        offers = [each.offer for candidates in pool.values() for each in candidates]
        offers += [each for plugin, each in there.items() if plugin not in named]
        result = order([*named, *kept], offers, runtimes, devkit)
        failed = [each for each in [*named, *kept] if each in result.failures]
        if not failed:
            candidates = {
                (each.offer.id, each.offer.version): each for found in pool.values() for each in found
            }
            needed = _needed(named, result.sequence)
            chosen = [candidates.get((each.id, each.version)) for each in result.sequence]
            return [each for each in chosen if each is not None and each.offer.id in needed]
        failure = failure or result.failures[failed[0]]
    assert failure is not None
    raise failure


def _add_needed(
    pool: dict[str, list[Candidate]], fixed: Set[str], releases: Releases, there: Mapping[str, Available]
) -> None:
    """Add the releases of what the candidates need, and of what those need."""
    waiting = [each for candidates in pool.values() for each in candidates]
    while waiting:
        for need in waiting.pop().offer.needs:
            if need.optional or need.id in pool or need.id in fixed:
                continue
            same = there[need.id].version if need.id in there else None
            found = [each for each in releases.of(need.id) if not (each.release and each.release.yanked)]
            found = [each for each in found if each.offer.version != same]
            pool[need.id] = [each for each in found if each.offer.version.pre is None] or found
            waiting += pool[need.id]


def _needed(named: Iterable[str], sequence: Iterable[Available]) -> set[str]:
    by_id = {each.id: each for each in sequence}
    found: set[str] = set()
    waiting = list(named)
    while waiting:
        current = waiting.pop()
        if current in by_id and current not in found:
            found.add(current)
            waiting += [need.id for need in by_id[current].needs if not need.optional]
    return found


def newly_asked(asked: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return which permissions aren't covered by known ones: what an update would ask for anew."""
    held = [parse_permission(each) for each in known]
    return tuple(each for each in asked if not any(one.covers(parse_permission(each)) for one in held))


def _canonical(permissions: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({str(parse_permission(each)) for each in permissions}))
