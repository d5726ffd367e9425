"""The install transaction: staged, planned, agreed to, put in the store, recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.catalog.acquiring import Staged, acquire, fetch
from devkit_core.catalog.installed import Installed, InstalledPlugin, InstalledVersion
from devkit_core.catalog.planning import (
    Candidate,
    Plan,
    Releases,
    Step,
    choose,
    newly_asked,
    wanted_versions,
)
from devkit_core.catalog.store import Store
from devkit_core.catalog.wishes import Wish, parse_wish
from devkit_core.errors import DuplicatePlugin, UsageError
from devkit_core.model.versions import parse_version

if TYPE_CHECKING:
    from devkit_core.catalog.state import State
    from devkit_core.loading.source import Source
    from devkit_core.model.types import Discovered

__all__ = ["Installer", "Surroundings"]

Agree = Callable[[Plan], None]


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an installation has to fit into: plugins found now, sources, runtimes, DevKit's version.

    `waiting` is called where another process has the lock.
    """

    present: Callable[[], Sequence[Discovered]]
    sources: Sequence[Source]
    runtimes: Mapping[str, str]
    devkit: str
    waiting: Callable[[], None] = _nothing


class Installer:
    """Changes which plugins are installed; each change is done wholly or not at all.

    Before a change counts everything lies on the disk; it counts by one rename, of `installed.json`. A
    process that dies earlier leaves the old state, one that dies later the new one; leftovers go with
    the next change. `agree` sees each plan before anything is changed, and raises where it doesn't.
    Methods raise DevKitError.
    """

    def __init__(
        self,
        data: Path,
        state: State,
        around: Surroundings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = Store(data)
        self.installed = Installed(data)
        self.state = state
        self.around = around
        self._now = now

    def install(
        self,
        texts: Sequence[str],
        agree: Agree,
        *,
        version: str | None = None,
        here: Path,
        dry_run: bool = False,
    ) -> Plan:
        """Install what the texts name, and what that needs; returns the plan that was carried out."""
        wishes = [parse_wish(each, here) for each in texts]
        if version is not None and [each.kind for each in wishes] != ["id"]:
            raise UsageError(
                "--version goes with one id", hint="An address or a path has the version it has."
            )
        with self.store.staging() as staging:
            ready = [Candidate.of_staged(acquire(each, staging)) for each in wishes if each.kind != "id"]
            with self.changing(staging, dry_run) as plugins:
                releases = self.releases(plugins, bound=False)
                named: dict[str, Sequence[Candidate]] = {}
                for candidate in ready:
                    _add(named, candidate.offer.id, [candidate])
                for wish in wishes:
                    if wish.kind == "id":
                        _add(named, wish.target, self._offered(wish, releases, version, plugins))
                chosen = self.choose(named, releases)
                plan = Plan(tuple(self.step(each, plugins, set(named)) for each in chosen))
                agree(plan)
                if not dry_run:
                    for each in chosen:
                        self.put(each, releases, staging, plugins, wanted=each.offer.id in named)
        return plan

    def choose(self, named: Mapping[str, Sequence[Candidate]], releases: Releases) -> list[Candidate]:
        """Return the candidates that go together with what is there; raises DependencyError."""
        around = self.around
        return choose(named, around.present(), releases, around.runtimes, around.devkit)

    def releases(self, plugins: Mapping[str, InstalledPlugin], *, bound: bool = True) -> Releases:
        """Return what sources offer; `bound` keeps each installed plugin to the source it came from."""
        names = {each.name for each in self.around.sources}

        def source_of(plugin: str) -> str | None:
            known = plugins.get(plugin)
            if known is None or (not bound and known.active.source not in names):
                return None
            return known.active.source

        return Releases(self.around.sources, source_of)

    def step(
        self, candidate: Candidate, plugins: Mapping[str, InstalledPlugin], named: set[str] | None = None
    ) -> Step:
        """Return what installing a candidate would do."""
        offer = candidate.offer
        known = plugins.get(offer.id)
        why = "needed" if named is not None and offer.id not in named else ""
        if known is None:
            action, before, new, drops = "install", "", candidate.asked, False
        else:
            before = known.active.version
            new = newly_asked(candidate.asked, known.active.asked)
            older, newer = parse_version(before), offer.version
            action = "update" if newer > older else "downgrade" if newer < older else "replace"
            has = self.state.granted(offer.id, self.store.place(known.current, offer.id))
            drops = bool(has) and not _same_hands(known.active, candidate)
        return Step(
            action=action,
            id=offer.id,
            version=str(offer.version),
            before=before,
            source=candidate.source,
            origin=candidate.origin,
            size=candidate.size,
            asked=candidate.asked,
            new=new,
            why=why,
            drops_grants=drops,
        )

    def put(
        self,
        candidate: Candidate,
        releases: Releases,
        staging: Path,
        plugins: dict[str, InstalledPlugin],
        *,
        wanted: bool,
    ) -> Staged:
        """Bring a candidate into the store and into `plugins`, which isn't written yet."""
        staged = candidate.staged
        if staged is None:
            assert candidate.release is not None
            staged = fetch(candidate.release, releases.source(candidate.source), staging)
        plugin = staged.manifest.id
        place = self.store.put(staged.folder, staged.tree, plugin, staging)
        known = plugins.get(plugin)
        if known is None or not _same_hands(known.active, candidate):
            # Rights are given to hands, not to a name. Before the change counts: less is the safe side.
            self.state.revoke(plugin, place)
        version = InstalledVersion(
            version=staged.manifest.version,
            digest=staged.tree.digest,
            source=staged.source,
            origin=staged.origin,
            lineage=staged.lineage,
            archive=staged.archive,
            archive_size=staged.archive_size,
            publisher=staged.manifest.metadata.author,
            asked=candidate.asked,
            installed_at=self._now().astimezone(UTC).isoformat(timespec="seconds"),
        )
        before = known or InstalledPlugin(plugin, "", (), wanted=wanted)
        plugins[plugin] = replace(before.with_version(version), wanted=before.wanted or wanted)
        return staged

    @contextmanager
    def changing(self, staging: Path, dry_run: bool = False) -> Iterator[dict[str, InstalledPlugin]]:
        """Give the installed plugins, to be changed; what isn't used any more goes afterwards.

        With `dry_run` nothing is locked and nothing written.
        """
        if dry_run:
            yield self.installed.read()
            return
        with self.installed.changing(self.around.waiting) as plugins:
            yield plugins
        self.collect(staging)

    def collect(self, staging: Path) -> list[str]:
        """Remove what the record doesn't name from the store, and what died left; return the hashes."""
        with self.installed.changing(self.around.waiting) as plugins:
            used = [each.digest for plugin in plugins.values() for each in plugin.versions]
            unused = self.store.unused(used)
            for digest in unused:
                self.store.remove(digest, staging)
            self.store.sweep()
        return unused

    def _offered(
        self, wish: Wish, releases: Releases, version: str | None, plugins: Mapping[str, InstalledPlugin]
    ) -> list[Candidate]:
        known = plugins.get(wish.target)
        current = parse_version(known.active.version) if known is not None else None
        return wanted_versions(wish.target, releases.of(wish.target), version, current)


def _same_hands(version: InstalledVersion, candidate: Candidate) -> bool:
    """Tell whether a candidate comes from where the installed version came from, and from whom."""
    same_publisher = candidate.publisher in ("", version.publisher)
    return version.lineage == candidate.lineage and same_publisher


def _add(named: dict[str, Sequence[Candidate]], plugin: str, candidates: Sequence[Candidate]) -> None:
    if plugin in named:
        raise DuplicatePlugin(
            f"{plugin} was named twice", hint="Install one of them at a time.", plugin=plugin
        )
    named[plugin] = candidates
