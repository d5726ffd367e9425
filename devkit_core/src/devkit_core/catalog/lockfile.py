"""The project's devkit.lock: exactly which plugins, by version and hash."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devkit_core.catalog.acquiring import Staged, acquire, check_plugin, fetch
from devkit_core.catalog.contents import is_content
from devkit_core.catalog.installed import InstalledPlugin
from devkit_core.catalog.planning import Candidate, Plan, Releases, wanted_versions
from devkit_core.catalog.upkeep import installed_plugin
from devkit_core.catalog.wishes import parse_wish
from devkit_core.config.files import read_bounded, replace_file
from devkit_core.errors import DevKitError, IntegrityError, NotFound, Place, StateError
from devkit_core.model.versions import parse_version

if TYPE_CHECKING:
    from devkit_core.catalog.install import Agree, Installer

__all__ = ["FILE", "Locked", "lock", "read_lock", "sync", "write_lock"]

FILE = "devkit.lock"
FORMAT = 1
_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True)
class Locked:
    """One plugin of a lock; `digest` is the hash of its content, which no other content has.

    `archives` are the hashes of what it comes packed in, by platform: `any` where one is for all.
    """

    id: str
    version: str
    digest: str
    source: str
    origin: str
    archives: Mapping[str, str]


def lock(installer: Installer, project: Path, ids: Sequence[str] = ()) -> list[Locked]:
    """Return the installed plugins as a lock has them: those named and what they need, or all."""
    plugins = installer.installed.read()
    found = installer.around.present()
    chosen = {installed_plugin(plugins, each, found).id for each in ids} or set(plugins)
    waiting = list(chosen)
    needs = {
        each.id: {need.id for need in each.manifest.dependencies if not need.optional}
        for each in found
        if each.manifest is not None and each.source == "installed"
    }
    while waiting:
        more = (needs.get(waiting.pop(), set()) & plugins.keys()) - chosen
        chosen |= more
        waiting += more
    return [_locked(plugins[each], project) for each in sorted(chosen)]


def _locked(plugin: InstalledPlugin, project: Path) -> Locked:
    active = plugin.active
    origin = active.origin
    if active.source == "git":  # what is fetched has to be this commit, whatever the branch is then
        wish = parse_wish(origin, project)
        origin = f"git+{wish.target}@{active.archive}"
    elif active.source in ("path", "file") and Path(origin).is_relative_to(project):
        origin = f"./{Path(origin).relative_to(project)}"
    archives = {"any": active.archive} if active.archive and active.source != "git" else {}
    return Locked(plugin.id, active.version, active.digest, active.source, origin, archives)


def write_lock(path: Path, locked: Iterable[Locked]) -> None:
    """Write a lock in one step; raises StateError."""
    plugins = [
        {
            "id": each.id,
            "version": each.version,
            "content": f"sha256:{each.digest}",
            "source": each.source,
            "origin": each.origin,
            "archives": {name: f"sha256:{digest}" for name, digest in sorted(each.archives.items())},
        }
        for each in locked
    ]
    text = json.dumps({"format": FORMAT, "plugins": plugins}, indent=2)
    try:
        replace_file(path, f"{text}\n".encode(), mode=0o644, durable=True)
    except OSError as error:
        raise StateError(
            f"{path} can't be written: {error.strerror or error}",
            code="state-unwritable",
            place=Place(str(path)),
        ) from error


def read_lock(path: Path) -> list[Locked]:
    """Read a lock; raises NotFound `lock-missing`, StateError `lock-invalid`."""
    try:
        data, _ = read_bounded(path, _LIMIT)
        content = json.loads(data)
        if content["format"] == FORMAT:
            locked = [_entry(each) for each in content["plugins"]]
            if len({each.id for each in locked}) == len(locked):
                return locked
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no {path}",
            code="lock-missing",
            place=Place(str(path)),
            hint="`devkit plugin lock` writes one from what is installed.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DevKitError) as error:
        raise _invalid(path, str(error)) from error
    raise _invalid(path, "another format, or a plugin is there twice")


def _invalid(path: Path, why: str) -> StateError:
    return StateError(
        f"{path} can't be used: {why}"[:500],
        code="lock-invalid",
        place=Place(str(path)),
        hint="Take it from version control, or write it anew: devkit plugin lock",
    )


def _entry(entry: dict[str, Any]) -> Locked:
    archives = {name: each.removeprefix("sha256:") for name, each in entry["archives"].items()}
    locked = Locked(
        entry["id"],
        str(parse_version(entry["version"])),
        entry["content"].removeprefix("sha256:"),
        entry["source"],
        entry["origin"],
        archives,
    )
    fits = all(is_content(each, locked.id) for each in (locked.digest, *archives.values()))
    if not fits or not isinstance(locked.source, str) or not isinstance(locked.origin, str):
        raise ValueError(f"the entry of {str(entry['id'])[:80]!r} is none")
    return locked


def sync(
    installer: Installer, locked: Sequence[Locked], agree: Agree, *, project: Path, dry_run: bool = False
) -> Plan:
    """Install exactly what a lock says, all of it or nothing; other plugins stay as they are.

    What lies in the store already isn't fetched. Raises IntegrityError `lock-mismatch` where something
    else comes from where a plugin should come from.
    """
    with installer.store.staging() as staging, installer.changing(staging, dry_run) as plugins:
        releases = installer.releases(plugins, bound=False)
        named = {
            each.id: [_candidate(installer, each, plugins, releases, project, staging)]
            for each in locked
            if each.id not in plugins or plugins[each.id].current != each.digest
        }
        nothing = Releases((), lambda _: None)  # what isn't in the lock doesn't come along
        chosen = installer.choose(named, nothing) if named else []
        plan = Plan(tuple(installer.step(each, plugins) for each in chosen))
        agree(plan)
        if not dry_run:
            for each in chosen:
                installer.put(each, releases, staging, plugins, wanted=True)
    return plan


def _candidate(
    installer: Installer,
    locked: Locked,
    plugins: Mapping[str, InstalledPlugin],
    releases: Releases,
    project: Path,
    staging: Path,
) -> Candidate:
    staged = _kept(installer, locked, plugins) or _fetched(locked, releases, project, staging)
    if staged.tree.digest != locked.digest or staged.manifest.id != locked.id:
        raise IntegrityError(
            f"{locked.origin} gives another {locked.id} than the lock has: its content is "
            f"sha256:{staged.tree.digest}, not sha256:{locked.digest}",
            code="lock-mismatch",
            plugin=locked.id,
            hint="It was changed since the lock was written. Find out why; then devkit plugin lock",
        )
    return Candidate.of_staged(staged)


def _kept(installer: Installer, locked: Locked, plugins: Mapping[str, InstalledPlugin]) -> Staged | None:
    """Return a version that is kept in the store, if it is this one and whole."""
    known = plugins.get(locked.id)
    version = next((each for each in known.versions if each.digest == locked.digest), None) if known else None
    if version is None or installer.store.problems(locked.digest, locked.id):
        return None
    place = installer.store.place(locked.digest, locked.id)
    tree = installer.store.listing(locked.digest)
    manifest = check_plugin(place, tree, str(place))
    staged = Staged(place, tree, manifest, version.source, version.origin, version.lineage)
    return replace(staged, archive=version.archive, archive_size=version.archive_size)


def _fetched(locked: Locked, releases: Releases, project: Path, staging: Path) -> Staged:
    if locked.source not in ("path", "file", "https", "git"):
        found = wanted_versions(locked.id, releases.of(locked.id), locked.version)
        chosen = [each for each in found if each.source == locked.source and each.release]
        if not chosen or chosen[0].release is None:
            raise NotFound(
                f"{locked.id} {locked.version} comes from {locked.source!r}, which doesn't offer it here",
                code="release-not-found",
                hint="Install the extension that brings that source, or set it up as in the project.",
                plugin=locked.id,
            )
        release = chosen[0].release
        if locked.archives and release.sha256 not in locked.archives.values():
            raise IntegrityError(
                f"{locked.source} lists {locked.id} {locked.version} with another hash than the lock has",
                code="lock-mismatch",
                plugin=locked.id,
                hint="A release never changes, so find out why. Then devkit plugin lock",
            )
        return fetch(release, releases.source(locked.source), staging)
    wish = parse_wish(locked.origin, Path(os.path.abspath(project)))
    archive = locked.archives.get("any", "")
    return acquire(replace(wish, sha256=archive) if archive and not wish.sha256 else wish, staging)
