"""What the commands that change installed plugins share."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from devkit_core.cli.output import Look, Styled, Table, View
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError, UsageError

if TYPE_CHECKING:
    from devkit_core.catalog.install import Installer
    from devkit_core.catalog.planning import Plan, Step
    from devkit_core.model.permissions import Permission
    from devkit_core.model.types import Discovered

__all__ = [
    "agreeing",
    "held_asks",
    "installer_of",
    "plan_data",
    "plan_view",
    "tell_rights",
    "unload_in_hosts",
]

_LOOKS: dict[str, Look] = {"remove": "bad", "downgrade": "warn", "rollback": "warn"}


def installer_of(session: Session) -> Installer:
    """Return what changes this user's installed plugins."""
    from devkit_core import __version__
    from devkit_core.catalog.discovery import discover
    from devkit_core.catalog.install import Installer, Surroundings

    around = Surroundings(
        present=lambda: discover(session.sources()),
        sources=session.sources(),
        runtimes=session.extensions.runtimes(),
        devkit=__version__,
        waiting=lambda: session.output.say("another devkit is changing the plugins; waiting for it"),
    )
    return Installer(session.places.data, session.state, around)


def held_asks(session: Session, found: Discovered) -> tuple[Permission, ...]:
    """Return what a held update of an installed plugin asks for anew, which may be granted ahead."""
    from devkit_core.catalog.installed import Installed
    from devkit_core.model.permissions import parse_permission

    if found.source != "installed":
        return ()
    known = Installed(session.places.data).read().get(found.id)
    return tuple(parse_permission(each) for each in known.held) if known else ()


def unload_in_hosts(session: Session, plugins: Iterable[str]) -> None:
    """Ask this user's running hosts to unload plugins that go; one that can't be asked is no obstacle."""
    from devkit_core.running.control import ask, hosts

    for host in hosts(session.places.runtime):
        for plugin in plugins:
            with suppress(DevKitError):
                ask(host, {"op": "unload", "id": plugin, "cascade": True})


def agreeing(session: Session, yes: bool, dry_run: bool) -> Callable[[Plan], None]:
    """Return what shows a plan and asks for consent where it does more than it was told by name."""

    def agree(plan: Plan) -> None:
        reasons = list(_reasons(plan))
        if dry_run or yes or not reasons:
            return
        if not session.interactive:
            why = f"this needs a confirmation: {reasons[0]}"
            raise UsageError(why, code="confirmation-needed", hint=_again(click.get_current_context()))
        for part in plan_view(plan):
            session.output.say(_line(part) if isinstance(part, Table) else str(part))
        if not click.confirm(f"Go on ({'; '.join(reasons)})?", err=True):
            raise click.Abort

    return agree


def _again(context: click.Context) -> str:
    """Return the command that would pass: the one that was given, with --yes."""
    words = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if value in (None, False, ()):
            continue
        if isinstance(parameter, click.Option):
            words += [parameter.opts[-1]] if value is True else [parameter.opts[-1], str(value)]
        else:
            words += [str(each) for each in value] if isinstance(value, tuple) else [str(value)]
    return f"{context.command_path} {shlex.join(words)} --yes"


def _reasons(plan: Plan) -> Iterator[str]:
    along = [step.id for step in plan.steps if step.why]
    if along:
        yield f"{', '.join(along)} {'goes' if plan.steps[0].action == 'remove' else 'comes'} along"
    for step in plan.steps:
        if step.drops_grants:
            yield f"{step.id} comes from other hands than before, so what was granted to it is revoked"


def plan_data(plan: Plan, dry_run: bool) -> dict[str, Any]:
    """Return a plan as JSON-ready data."""
    return {"steps": [asdict(step) for step in plan.steps], "dry_run": dry_run}


def plan_view(plan: Plan) -> View:
    """Return a plan for a human."""
    rows = [
        (
            Styled(step.action, _LOOKS.get(step.action, "good")),
            Styled(step.id, "accent"),
            _versions(step),
            step.source or "-",
            ", ".join(step.asked) or ("-" if step.action == "remove" else "nothing"),
            step.why,
        )
        for step in plan.steps
    ]
    return [Table(("ACTION", "ID", "VERSION", "FROM", "ASKS FOR", "NOTE"), rows)] if rows else []


def _versions(step: Step) -> str:
    if step.before and step.version:
        return f"{step.before} → {step.version}"
    return step.version or step.before


def _line(table: Table) -> str:
    return "\n".join(
        "  ".join(cell.text if isinstance(cell, Styled) else cell for cell in row) for row in table.rows
    )


def tell_rights(session: Session, plan: Plan) -> None:
    """Say which plugins ask for something that they don't have, and how to grant it."""
    from devkit_core.catalog.discovery import discover
    from devkit_core.cli.rights import rights_of

    changed = {step.id for step in plan.steps if step.new or step.drops_grants}
    if not changed:
        return
    for found in discover(session.sources()):
        if found.id in changed and found.source == "installed" and found.manifest is not None:
            rights = rights_of(session, found)
            if rights.withheld:
                withheld = ", ".join(str(each) for each in rights.withheld)
                how = rights.command() or "A policy withholds it."
                session.output.say(f"{found.id} asks for {withheld}, and doesn't have it. {how}")
