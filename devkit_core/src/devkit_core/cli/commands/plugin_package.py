"""devkit plugin pack, verify, lock and sync."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from devkit_core.cli.grammar import command, dry_run, pass_session, yes
from devkit_core.cli.installing import agreeing, installer_of, plan_data, plan_view, tell_rights
from devkit_core.cli.output import Facts, Table
from devkit_core.cli.plugin_ids import complete_plugin
from devkit_core.cli.session import Session
from devkit_core.errors import IntegrityError, Place, StateError

__all__ = ["lock", "pack", "sync", "verify"]


@command(
    "pack",
    examples=(
        "devkit plugin pack plugins/my-plugin",
        "devkit plugin pack . -o dist",
        "devkit plugin pack plugins/my-plugin --dry-run --format json",
    ),
)
@click.argument("folder", metavar="PATH", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write, or the folder for ID-VERSION.dkp (the current folder).",
)
@dry_run
@pass_session
def pack(session: Session, *, folder: Path, output: Path | None, dry_run: bool) -> None:
    """Make a .dkp package of a plugin's folder; the same files always give the same bytes.

    Left out are names that begin with a dot, `__pycache__`, `*.pyc`, `*.dkp`, and what `.devkitignore`
    lists. Runs nothing.
    """
    from devkit_core.catalog.packaging import package

    target, facts = package(folder, output, dry_run=dry_run)
    data = {**facts, "path": str(target), "dry_run": dry_run}
    session.output.data("plugin-pack/1", data, lambda: [str(target)])
    session.output.say(
        f"{'would write' if dry_run else 'wrote'} {len(facts['files'])} files, {facts['size']} bytes, "
        f"sha256 {facts['sha256']}"
    )


@command(
    "verify",
    examples=("devkit plugin verify my-plugin-1.0.0.dkp", "devkit plugin verify my-plugin --format json"),
)
@click.argument("target", metavar="FILE|ID", shell_complete=complete_plugin)
@pass_session
def verify(session: Session, target: str) -> None:
    """Check a package, or an installed plugin, file by file against its hashes; runs and installs nothing."""
    from devkit_core.catalog.packaging import verify_file
    from devkit_core.catalog.wishes import parse_wish

    wish = parse_wish(target, Path.cwd())
    if wish.kind == "file":
        facts = verify_file(Path(wish.target))
    elif wish.kind == "id":
        facts = _verify_installed(session, target)
    else:
        raise click.UsageError("name an archive's file, or an installed plugin")
    rows = [(key, str(facts[key])) for key in ("id", "version", "content", "sha256") if facts[key]]
    session.output.data(
        "plugin-verify/1", facts, lambda: [Facts([*rows, ("files", str(len(facts["files"])))])]
    )


def _verify_installed(session: Session, plugin: str) -> dict[str, Any]:
    from devkit_core.catalog.packaging import facts_of
    from devkit_core.catalog.upkeep import installed_plugin

    installer = installer_of(session)
    known = installed_plugin(installer.installed.read(), plugin, installer.around.present())
    place = installer.store.place(known.current, plugin)
    problems = installer.store.problems(known.current, plugin)
    if problems:
        raise IntegrityError(
            f"{plugin} was modified: {'; '.join(problems[:5])}",
            code="package-modified",
            place=Place(str(place)),
            plugin=plugin,
            hint="devkit store verify --repair",
        )
    tree = installer.store.listing(known.current)
    packed = known.active
    sha256 = packed.archive if packed.source != "git" else ""
    return facts_of(plugin, packed.version, tree, sha256, packed.archive_size)


@command(
    "lock",
    examples=("devkit plugin lock", "devkit plugin lock my-plugin", "devkit plugin lock --dry-run"),
)
@click.argument("plugins", nargs=-1, metavar="[ID…]", shell_complete=complete_plugin)
@dry_run
@pass_session
def lock(session: Session, *, plugins: tuple[str, ...], dry_run: bool) -> None:
    """Write which plugins are installed, by version and hash, to the project's devkit.lock.

    With IDs, those and what they need. `devkit plugin sync` installs exactly these elsewhere; nothing in
    the file grants anything.
    """
    from devkit_core.catalog.lockfile import FILE, write_lock
    from devkit_core.catalog.lockfile import lock as pinned

    project = session.places.project
    path = project / FILE
    if path == session.state.path:
        raise StateError(f"{path} is the record of grants", place=Place(str(path)), hint="cd elsewhere")
    found = pinned(installer_of(session), project, plugins)
    if not dry_run:
        write_lock(path, found)
    data = {
        "path": str(path),
        "plugins": [
            {
                "id": each.id,
                "version": each.version,
                "content": each.digest,
                "source": each.source,
                "origin": each.origin,
                "archives": dict(each.archives),
            }
            for each in found
        ],
        "dry_run": dry_run,
    }
    table = Table(("ID", "VERSION", "ORIGIN"), [(each.id, each.version, each.origin) for each in found])
    session.output.data("plugin-lock/1", data, lambda: [table])
    session.output.say(f"{'would write' if dry_run else 'wrote'} {path}")


@command("sync", examples=("devkit plugin sync", "devkit plugin sync --dry-run"))
@yes
@dry_run
@pass_session
def sync(session: Session, *, yes: bool, dry_run: bool) -> None:
    """Install exactly the plugins of the project's devkit.lock; others stay as they are.

    All of them are installed or none. Content that isn't what the lock says is refused.
    """
    from devkit_core.catalog.lockfile import FILE, read_lock
    from devkit_core.catalog.lockfile import sync as bring

    project = session.places.project
    locked = read_lock(project / FILE)
    plan = bring(
        installer_of(session), locked, agreeing(session, yes, dry_run), project=project, dry_run=dry_run
    )
    session.output.data("plugin-sync/1", plan_data(plan, dry_run), lambda: plan_view(plan))
    if not plan.steps:
        session.output.say("everything is as the lock says")
    elif not dry_run:
        tell_rights(session, plan)
