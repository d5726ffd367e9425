"""devkit plugin install and uninstall: what would be done, then done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from devkit_core.cli.grammar import command, dry_run, pass_session, yes
from devkit_core.cli.installing import (
    agreeing,
    installer_of,
    plan_data,
    plan_view,
    tell_rights,
    unload_in_hosts,
)
from devkit_core.cli.plugin_ids import complete_plugin
from devkit_core.cli.session import Session

if TYPE_CHECKING:
    from devkit_core.catalog.planning import Plan

__all__ = ["install", "uninstall"]


@command(
    "install",
    examples=(
        "devkit plugin install ./my-plugin",
        "devkit plugin install python-formatter --version 1.0.5",
        "devkit plugin install my-plugin-1.0.0.dkp --dry-run",
        "devkit plugin install git+https://example.org/my-plugin.git@v1.0.0",
        "devkit plugin install https://example.org/my-plugin-1.0.0.dkp --yes",
    ),
)
@click.argument("targets", nargs=-1, required=True, metavar="PATH|FILE|URL|ID…")
@click.option("--version", help="The version to install, or a requirement as `>=1.2,<2`, of one ID.")
@yes
@dry_run
@pass_session
def install(
    session: Session, *, targets: tuple[str, ...], version: str | None, yes: bool, dry_run: bool
) -> None:
    """Install plugins from folders, archives, https addresses, git repositories or sources.

    Plugins that they need come along. Nothing of a plugin runs, and nothing that it asks for is granted.
    An address may end in `#sha256=` and the hash that the archive has to have.
    """
    installer = installer_of(session)
    for target in targets:
        if target.startswith(("https://", "git+")):
            session.output.say(f"fetching {target}")
    plan = installer.install(
        targets,
        agreeing(session, yes, dry_run),
        version=version,
        here=Path.cwd(),
        dry_run=dry_run,
    )
    session.output.data("plugin-install/1", plan_data(plan, dry_run), lambda: plan_view(plan))
    if not dry_run:
        _tell_shadowed(session, plan)
        tell_rights(session, plan)


def _tell_shadowed(session: Session, plan: Plan) -> None:
    from devkit_core.catalog.discovery import discover

    ids = {step.id for step in plan.steps}
    for each in discover(session.sources()):
        if each.id in ids and each.source == "installed" and each.shadowed_by is not None:
            session.output.warn(
                f"{each.id} of the source {each.shadowed_by!r} is nearer, so the installed one isn't used"
            )


@command(
    "uninstall",
    examples=(
        "devkit plugin uninstall my-plugin",
        "devkit plugin uninstall my-plugin other-plugin --cascade --yes",
        "devkit plugin uninstall my-plugin --purge --dry-run",
    ),
)
@click.argument("plugins", nargs=-1, required=True, metavar="ID…", shell_complete=complete_plugin)
@click.option("--cascade", is_flag=True, help="Take the plugins away that need it, too.")
@click.option("--purge", is_flag=True, help="Also forget its settings, its secrets and that it was disabled.")
@yes
@dry_run
@pass_session
def uninstall(
    session: Session, *, plugins: tuple[str, ...], cascade: bool, purge: bool, yes: bool, dry_run: bool
) -> None:
    """Take installed plugins away, with what was granted to them; also spelled remove and rm.

    Running hosts of yours unload them first. Settings stay where a plugin of that id is found
    elsewhere too, as in the project.
    """
    from devkit_core.catalog.discovery import discover
    from devkit_core.catalog.plugin_settings import PluginSettings
    from devkit_core.catalog.upkeep import uninstall as take_away

    consent = agreeing(session, yes, dry_run)
    settings = PluginSettings(session.places)
    forgotten: dict[str, list[str]] = {}

    def agree(plan: Plan) -> None:
        if purge:
            elsewhere = {each.id for each in discover(session.sources()) if each.source != "installed"}
            going = [step.id for step in plan.steps if step.id not in elsewhere]
            forgotten.update({each: [str(path) for path in settings.files(each)] for each in going})
        consent(plan)
        if not dry_run:
            unload_in_hosts(session, [step.id for step in plan.steps])

    plan = take_away(
        installer_of(session),
        plugins,
        agree,
        cascade=cascade,
        purge=purge,
        dry_run=dry_run,
    )
    for each in forgotten if not dry_run else ():
        settings.forget(each)
    files = [path for each in forgotten.values() for path in each]
    for path in files:
        session.output.say(f"{'would remove' if dry_run else 'removed'} {path}")
    data = {**plan_data(plan, dry_run), "files": files}
    session.output.data("plugin-uninstall/1", data, lambda: plan_view(plan))
