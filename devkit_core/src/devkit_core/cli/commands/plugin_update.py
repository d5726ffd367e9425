"""devkit plugin update, outdated, rollback, pin, unpin, permissions diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from devkit_core.cli.errors import render
from devkit_core.cli.exit_codes import Exit, exit_code
from devkit_core.cli.grammar import command, dry_run, pass_session, yes
from devkit_core.cli.installing import agreeing, installer_of, plan_data, plan_view, tell_rights
from devkit_core.cli.output import Look, Styled, Table, View
from devkit_core.cli.plugin_ids import complete_plugin, plugin_argument
from devkit_core.cli.session import Session
from devkit_core.errors import PermissionDenied

if TYPE_CHECKING:
    from devkit_core.catalog.updating import Outlook

__all__ = ["diff", "outdated", "pin", "rollback", "unpin", "update"]

_LOOKS: dict[str, Look] = {
    "update": "accent",
    "updated": "good",
    "held": "warn",
    "failed": "bad",
    "pinned": "dim",
}


@command(
    "update",
    examples=(
        "devkit plugin update",
        "devkit plugin update my-plugin --dry-run",
        "devkit plugin update --check",
        "devkit plugin update my-plugin --withhold",
    ),
)
@click.argument("plugins", nargs=-1, metavar="[ID…]", shell_complete=complete_plugin)
@click.option("--check", is_flag=True, help="Only say what there is, as `outdated` does.")
@click.option(
    "--withhold", is_flag=True, help="Take versions that ask for more, too, and withhold what is new."
)
@yes
@dry_run
@click.pass_context
@pass_session
def update(
    session: Session,
    context: click.Context,
    *,
    plugins: tuple[str, ...],
    check: bool,
    withhold: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Bring installed plugins to their newest versions, from where they came.

    A version that asks for more permissions than its plugin asked for or has is held until you grant
    them. Pinned plugins stay, unless you name them. Running hosts keep what they have loaded until
    `devkit plugin reload`.
    """
    if check:
        context.invoke(outdated, plugins=plugins)
        return
    from devkit_core.catalog.updating import update as bring

    installer = installer_of(session)
    results = bring(installer, plugins, agreeing(session, yes, dry_run), withhold=withhold, dry_run=dry_run)
    data = {"plugins": [_as_data(each) for each in results], "dry_run": dry_run}
    session.output.data("plugin-update/1", data, lambda: _view(results))
    for each in results:
        if each.plan is not None and not dry_run:
            tell_rights(session, each.plan)
    _finish(session, context, results, named=bool(plugins))


@command("outdated", examples=("devkit plugin outdated", "devkit plugin outdated --format json"))
@click.argument("plugins", nargs=-1, metavar="[ID…]", shell_complete=complete_plugin)
@click.pass_context
@pass_session
def outdated(session: Session, context: click.Context, *, plugins: tuple[str, ...]) -> None:
    """Show which installed plugins have a newer version, and what that would ask for; changes nothing."""
    from devkit_core.catalog.updating import look

    results = look(installer_of(session), plugins)
    shown = [each for each in results if each.standing != "current"]
    data = {"plugins": [_as_data(each) for each in results]}
    session.output.data("plugin-outdated/1", data, lambda: _view(shown))
    if not shown:
        session.output.say(
            "every installed plugin is at its newest version" if results else "nothing is installed"
        )
    failed = [each for each in results if each.error is not None]
    _tell_failed(session, context, failed, len(results))


def _as_data(each: Outlook) -> dict[str, Any]:
    return {
        "id": each.id,
        "standing": each.standing,
        "version": each.version,
        "newest": each.newest,
        "asked": list(each.asked),
        "new": list(each.new),
        "error": each.error.as_dict() if each.error else None,
        "steps": plan_data(each.plan, dry_run=False)["steps"] if each.plan else [],
    }


def _view(results: Sequence[Outlook]) -> View:
    rows = [
        (
            Styled(each.id, "accent"),
            each.version,
            each.newest or "-",
            Styled(each.standing, _LOOKS.get(each.standing, "dim")),
            ", ".join(each.new) or "-",
        )
        for each in results
    ]
    return [Table(("ID", "VERSION", "NEWEST", "STANDING", "ASKS FOR MORE"), rows)] if rows else []


def _finish(session: Session, context: click.Context, results: Sequence[Outlook], *, named: bool) -> None:
    held = [each for each in results if each.standing == "held"]
    for each in held:
        session.output.say(
            f"{each.id} {each.newest} is held: it asks for {', '.join(each.new)}. "
            f"See devkit plugin permissions diff {each.id}; then grant it and update, or update --withhold"
        )
    if not results:
        session.output.say("nothing is installed")
    failed = [each for each in results if each.error is not None]
    if held and named and len(held) == len(results):
        raise PermissionDenied(
            f"{held[0].id} {held[0].newest} asks for more: {', '.join(held[0].new)}",
            code="update-held",
            plugin=held[0].id,
            hint=f"devkit plugin permissions grant {held[0].id} {' '.join(held[0].new)} && "
            f"devkit plugin update {held[0].id}",
        )
    _tell_failed(session, context, failed, len(results))


def _tell_failed(session: Session, context: click.Context, failed: Sequence[Outlook], total: int) -> None:
    for each in failed:
        assert each.error is not None
        if len(failed) == total == 1:
            raise each.error
        if session.format != "json":
            session.output.error_text(render(each.error, colour=session.output.error_colour))
    if failed and len(failed) == total and failed[0].error is not None:
        context.exit(exit_code(failed[0].error))
    elif failed:
        context.exit(Exit.SOME_FAILED)


@command(
    "rollback",
    examples=("devkit plugin rollback my-plugin", "devkit plugin rollback my-plugin --to 1.0.0 --dry-run"),
)
@plugin_argument
@click.option("--to", metavar="VERSION", help="The version to go back to (the one before the current).")
@yes
@dry_run
@pass_session
def rollback(session: Session, *, plugin: str, to: str | None, yes: bool, dry_run: bool) -> None:
    """Let a former version of an installed plugin count again; the last three are kept.

    What is granted stays as it is. `devkit plugin pin` keeps the next update from undoing it.
    """
    from devkit_core.catalog.upkeep import rollback as go_back

    plan = go_back(installer_of(session), plugin, agreeing(session, yes, dry_run), to=to, dry_run=dry_run)
    session.output.data("plugin-rollback/1", plan_data(plan, dry_run), lambda: plan_view(plan))
    if not dry_run:
        tell_rights(session, plan)


@command("pin", examples=("devkit plugin pin my-plugin", "devkit plugin pin my-plugin --dry-run"))
@plugin_argument
@dry_run
@pass_session
def pin(session: Session, *, plugin: str, dry_run: bool) -> None:
    """Keep an installed plugin at its version when all are updated."""
    _pin(session, plugin, True, dry_run)


@command("unpin", examples=("devkit plugin unpin my-plugin", "devkit plugin unpin my-plugin --dry-run"))
@plugin_argument
@dry_run
@pass_session
def unpin(session: Session, *, plugin: str, dry_run: bool) -> None:
    """Let updates of an installed plugin come again."""
    _pin(session, plugin, False, dry_run)


def _pin(session: Session, plugin: str, pinned: bool, dry_run: bool) -> None:
    from devkit_core.catalog.upkeep import pin as set_pin

    changed, version = set_pin(installer_of(session), plugin, pinned, dry_run=dry_run)
    word = "pinned" if pinned else "unpinned"
    session.output.say(f"{plugin} {version}: {word if changed else f'was {word} already'}")
    session.output.data(
        "plugin-pin/1",
        {"id": plugin, "version": version, "pinned": pinned, "changed": changed, "dry_run": dry_run},
        lambda: [],
    )


@command(
    "diff",
    examples=(
        "devkit plugin permissions diff my-plugin",
        "devkit plugin permissions diff my-plugin --format json",
    ),
)
@plugin_argument
@pass_session
def diff(session: Session, plugin: str) -> None:
    """Show what the newest version of an installed plugin asks for, beside what this one asks for."""
    from devkit_core.catalog.updating import look
    from devkit_core.cli.wording import meaning
    from devkit_core.model.permissions import parse_permission

    installer = installer_of(session)
    outlook = look(installer, [plugin])[0]
    if outlook.error is not None:
        raise outlook.error
    known = installer.installed.read()[plugin]
    before, after = set(known.active.asked), set(outlook.asked)
    place = installer.store.place(known.current, plugin)
    granted = session.state.granted(plugin, place, publisher=known.active.publisher)
    rows = [(each, _change(each, before, after)) for each in sorted(before | after)]
    session.output.data(
        "plugin-permissions-diff/1",
        {
            "id": plugin,
            "version": outlook.version,
            "newest": outlook.newest,
            "added": sorted(after - before),
            "removed": sorted(before - after),
            "kept": sorted(before & after),
            "granted": list(granted),
            "held": outlook.standing == "held",
        },
        lambda: [
            f"{plugin} {outlook.version} → {outlook.newest}",
            Table(
                ("", "PERMISSION", "GRANTED", "MEANING"),
                [
                    (sign, each, "yes" if each in granted else "no", meaning(parse_permission(each)))
                    for each, sign in rows
                ],
            ),
        ],
    )


def _change(permission: str, before: set[str], after: set[str]) -> Styled | str:
    if permission not in before:
        return Styled("+", "warn")
    return "" if permission in after else Styled("-", "good")
