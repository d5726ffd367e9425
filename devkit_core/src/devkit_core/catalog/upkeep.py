"""Takes installed plugins away, goes back to former versions, pins them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from devkit_core.catalog.installed import InstalledPlugin, InstalledVersion
from devkit_core.catalog.planning import Candidate, Plan, Step, newly_asked
from devkit_core.errors import HasDependents, NotFound, StateError
from devkit_core.model.versions import parse_version

if TYPE_CHECKING:
    from devkit_core.catalog.install import Agree, Installer
    from devkit_core.model.types import Discovered

__all__ = ["former_version", "installed_plugin", "pin", "rollback", "uninstall"]


def installed_plugin(
    plugins: Mapping[str, InstalledPlugin], plugin: str, found: Iterable[Discovered]
) -> InstalledPlugin:
    """Return an installed plugin; raises NotFound, which says where a plugin that isn't installed is."""
    if plugin in plugins:
        return plugins[plugin]
    other = next((each for each in found if each.id == plugin), None)
    if other is not None:
        raise NotFound(
            f"{plugin} was not installed: it is a folder of the source {other.source!r}, {other.folder}",
            code="plugin-not-installed",
            hint="Delete that folder to take it away, or change what is in it.",
            plugin=plugin,
        )
    from difflib import get_close_matches

    near = get_close_matches(plugin[:64], plugins, n=1)
    raise NotFound(
        f"no plugin {plugin[:80]!r} is installed",
        code="plugin-not-installed",
        hint=f"Did you mean {near[0]}?" if near else "`devkit plugin list` shows the plugins there are.",
    )


def uninstall(
    installer: Installer,
    ids: Sequence[str],
    agree: Agree,
    *,
    cascade: bool = False,
    purge: bool = False,
    dry_run: bool = False,
) -> Plan:
    """Take plugins away with what was granted to them; `purge` also forgets that they were disabled.

    Raises HasDependents where others need them, unless `cascade`, which takes those away too.
    """
    with installer.store.staging() as staging, installer.changing(staging, dry_run) as plugins:
        found = installer.around.present()
        going = [installed_plugin(plugins, each, found).id for each in dict.fromkeys(ids)]
        for plugin in list(going):
            going += [each for each in _users(plugin, going, found, plugins, cascade) if each not in going]
        steps = [
            Step("remove", each, "", plugins[each].active.version, why="" if each in ids else "needs it")
            for each in going
        ]
        plan = Plan(tuple(steps))
        agree(plan)
        places = {each: installer.store.place(plugins[each].current, each) for each in going}
        if dry_run:
            return plan
        for each in going:
            del plugins[each]
    # Only now: a plugin that is still there keeps its rights. An install revokes what died before this.
    for each, place in places.items():
        installer.state.revoke(each, place)
        if purge:
            installer.state.set_enabled(each, place, True)
    return plan


def _users(
    plugin: str,
    going: Sequence[str],
    found: Sequence[Discovered],
    plugins: Mapping[str, InstalledPlugin],
    cascade: bool,
) -> list[str]:
    """Return the plugins that can't do without one that goes, directly or through others."""
    usable = [each for each in found if each.manifest is not None and each.error is None]
    elsewhere = {each.id for each in usable if each.source != "installed"}
    users: list[str] = []
    waiting = [] if plugin in elsewhere else [plugin]
    while waiting:
        current = waiting.pop()
        for each in usable:
            assert each.manifest is not None
            needs = {need.id for need in each.manifest.dependencies if not need.optional}
            if current not in needs or each.id in going or each.id in users:
                continue
            if not cascade or each.source != "installed" or each.id not in plugins:
                raise HasDependents(
                    f"{current} is needed by {each.id}",
                    chain=[each.id, current],
                    hint="Take both away with --cascade."
                    if each.source == "installed"
                    else f"{each.id} is in {each.folder}; take that folder away first.",
                    plugin=current,
                )
            users.append(each.id)
            if each.id not in elsewhere:
                waiting.append(each.id)
    return users


def former_version(plugin: InstalledPlugin, wanted: str | None) -> InstalledVersion:
    """Return the version to go back to: the one before the current, or the one wanted. Raises NotFound."""
    versions = plugin.versions
    position = [each.digest for each in versions].index(plugin.current)
    if wanted is not None:
        version = parse_version(wanted)
        found = [each for each in versions if parse_version(each.version) == version]
        if found and found[-1].digest != plugin.current:
            return found[-1]
    elif position:
        return versions[position - 1]
    kept = ", ".join(each.version for each in versions)
    raise NotFound(
        f"there is no {'former version' if wanted is None else wanted} of {plugin.id} to go back to",
        code="rollback-none",
        hint=f"Kept are {kept}; {plugin.active.version} is the current one.",
        plugin=plugin.id,
    )


def rollback(
    installer: Installer, plugin: str, agree: Agree, *, to: str | None = None, dry_run: bool = False
) -> Plan:
    """Let a former version count again, one of those that are kept; raises NotFound `rollback-none`.

    What was granted stays as it is, and nothing more comes back with the version.
    """
    with installer.store.staging() as staging, installer.changing(staging, dry_run) as plugins:
        known = installed_plugin(plugins, plugin, installer.around.present())
        version = former_version(known, to)
        problems = installer.store.problems(version.digest, plugin)
        if problems:
            raise StateError(
                f"{plugin} {version.version} is damaged in the store: {problems[0]}",
                code="store-damaged",
                hint="`devkit store verify --repair` may mend it; otherwise install that version again.",
                plugin=plugin,
            )
        from devkit_core.catalog.acquiring import Staged, check_plugin

        place = installer.store.place(version.digest, plugin)
        tree = installer.store.listing(version.digest)
        manifest = check_plugin(place, tree, str(place))
        staged = Staged(place, tree, manifest, version.source, version.origin, version.lineage)
        releases = installer.releases(plugins)
        installer.choose({plugin: [Candidate.of_staged(staged)]}, releases)  # others must still fit
        drops = (version.lineage, version.publisher) != (known.active.lineage, known.active.publisher)
        drops = drops and bool(installer.state.granted(plugin, place))
        step = Step(
            action="rollback",
            id=plugin,
            version=version.version,
            before=known.active.version,
            source=version.source,
            origin=version.origin,
            asked=version.asked,
            new=newly_asked(version.asked, known.active.asked),
            drops_grants=drops,
        )
        agree(Plan((step,)))
        if not dry_run:
            if drops:
                installer.state.revoke(plugin, place)
            plugins[plugin] = replace(known, current=version.digest, held=(), held_version="")
    return Plan((step,))


def pin(installer: Installer, plugin: str, pinned: bool, *, dry_run: bool = False) -> tuple[bool, str]:
    """Keep a plugin at its version, or let updates come again; tell whether that changed anything, and
    the version."""
    with installer.store.staging() as staging, installer.changing(staging, dry_run) as plugins:
        known = installed_plugin(plugins, plugin, installer.around.present())
        if not dry_run:
            plugins[plugin] = replace(known, pinned=pinned)
    return known.pinned != pinned, known.active.version
