"""Finds newer versions of installed plugins; holds those that ask for more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devkit_core.catalog.acquiring import acquire
from devkit_core.catalog.installed import InstalledPlugin
from devkit_core.catalog.planning import Candidate, Plan, Releases, newly_asked, wanted_versions
from devkit_core.catalog.upkeep import installed_plugin
from devkit_core.catalog.wishes import parse_wish
from devkit_core.errors import DevKitError, LoadError
from devkit_core.model.versions import parse_version

if TYPE_CHECKING:
    from devkit_core.catalog.install import Agree, Installer

__all__ = ["Outlook", "look", "update"]

Standing = Literal["current", "update", "updated", "held", "pinned", "failed"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """How one installed plugin stands: `version` counts now (before an update), `newest` is on offer.

    `asked` is what the newest asks for, `new` what of it the plugin neither asked for nor has.
    """

    id: str
    standing: Standing
    version: str
    newest: str
    asked: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    error: DevKitError | None = None
    plan: Plan | None = None


def look(installer: Installer, ids: Sequence[str] = ()) -> list[Outlook]:
    """Return how installed plugins stand, all of them without `ids`; changes nothing.

    Asks the sources, folders and addresses that they came from. One that can't be asked stands as failed.
    """
    plugins = installer.installed.read()
    found = installer.around.present() if ids else ()
    chosen = [installed_plugin(plugins, each, found).id for each in dict.fromkeys(ids)]
    with installer.store.staging() as staging:
        releases = installer.releases(plugins)
        return [_look(installer, plugins[each], releases, staging)[0] for each in chosen or sorted(plugins)]


def update(
    installer: Installer,
    ids: Sequence[str],
    agree: Agree,
    *,
    withhold: bool = False,
    dry_run: bool = False,
) -> list[Outlook]:
    """Bring installed plugins to their newest versions, all of them without `ids`; each on its own.

    One that asks for more than its plugin asked for or was granted is held, unless `withhold`: then it
    comes, and has no more than before. Pinned ones stay, unless they are named. One that fails stops no
    other; NotFound is raised for an id that isn't installed, before anything is changed.
    """
    plugins = installer.installed.read()
    found = installer.around.present() if ids else ()
    chosen = [installed_plugin(plugins, each, found).id for each in dict.fromkeys(ids)]
    results = []
    for plugin in chosen or sorted(plugins):
        if plugins[plugin].pinned and not ids:
            version = plugins[plugin].active.version
            results.append(Outlook(plugin, "pinned", version, version))
            continue
        try:
            results.append(_update(installer, plugin, agree, withhold, dry_run))
        except DevKitError as error:
            version = plugins[plugin].active.version
            results.append(Outlook(plugin, "failed", version, "", error=error))
    return results


def _update(installer: Installer, plugin: str, agree: Agree, withhold: bool, dry_run: bool) -> Outlook:
    with installer.store.staging() as staging, installer.changing(staging, dry_run) as plugins:
        known = installed_plugin(plugins, plugin, ())
        releases = installer.releases(plugins)
        outlook, candidates = _look(installer, replace(known, pinned=False), releases, staging)
        if outlook.error is not None:
            raise outlook.error
        if not candidates:
            return outlook
        chosen = installer.choose({plugin: candidates}, releases)
        steps = [installer.step(each, plugins, {plugin}) for each in chosen]
        own = next(step for step in steps if step.id == plugin)
        wider = {each.offer.id: _new(installer, plugins, each) for each in chosen if each.offer.id in plugins}
        new = wider[plugin]
        held = any(wider.values()) and not withhold
        outlook = replace(outlook, newest=own.version, asked=own.asked, new=new)
        if held:
            if not dry_run:
                plugins[plugin] = replace(known, held_version=own.version, held=new)
            return replace(outlook, standing="held", new=new or next(each for each in wider.values() if each))
        plan = Plan(tuple(steps))
        agree(plan)
        if not dry_run:
            for each in chosen:
                installer.put(each, releases, staging, plugins, wanted=each.offer.id == plugin)
        return replace(outlook, standing="update" if dry_run else "updated", plan=plan)


def _look(
    installer: Installer, known: InstalledPlugin, releases: Releases, staging: Path
) -> tuple[Outlook, list[Candidate]]:
    """Return how a plugin stands, and the newer versions that it could be brought to."""
    active = known.active
    try:
        candidates = _newer(known, releases, staging)
    except DevKitError as error:
        return Outlook(known.id, "failed", active.version, "", error=error), []
    if not candidates:
        return Outlook(known.id, "current", active.version, active.version, active.asked), []
    newest = max(candidates, key=lambda each: each.offer.version)
    new = _new(installer, {known.id: known}, newest)
    standing: Standing = "pinned" if known.pinned else "held" if new else "update"
    outlook = Outlook(known.id, standing, active.version, str(newest.offer.version), newest.asked, new)
    return outlook, candidates


def _newer(known: InstalledPlugin, releases: Releases, staging: Path) -> list[Candidate]:
    active = known.active
    current = parse_version(active.version)
    if active.lineage.startswith("source:"):
        found = wanted_versions(known.id, releases.of(known.id), None, current)
        return [each for each in found if each.offer.version > current]
    staged = acquire(parse_wish(active.origin, Path("/")), staging)
    if staged.manifest.id != known.id:
        raise LoadError(
            f"{active.origin} now holds {staged.manifest.id!r}, not {known.id!r}",
            code="plugin-changed",
            plugin=known.id,
        )
    candidate = Candidate.of_staged(staged)
    changed = staged.tree.digest != known.current and candidate.offer.version >= current
    return [candidate] if changed else []


def _new(
    installer: Installer, plugins: Mapping[str, InstalledPlugin], candidate: Candidate
) -> tuple[str, ...]:
    """Return what a newer version asks for that its plugin neither asked for nor was granted."""
    known = plugins[candidate.offer.id]
    place = installer.store.place(known.current, known.id)
    granted = installer.state.granted(known.id, place, publisher=known.active.publisher)
    return newly_asked(candidate.asked, (*known.active.asked, *granted))
