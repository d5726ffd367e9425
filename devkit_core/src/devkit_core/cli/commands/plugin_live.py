"""devkit plugin reload and unload: requests to the hosts that run now."""

from __future__ import annotations

from typing import Any

import click

from devkit_core.cli.grammar import command, dry_run, pass_session
from devkit_core.cli.plugin_ids import plugin_argument
from devkit_core.cli.running_hosts import ask_hosts, tell_answers
from devkit_core.cli.session import Session

__all__ = ["reload", "unload"]


@command(
    "reload", examples=("devkit plugin reload test-plugin", "devkit plugin reload test-plugin --dry-run")
)
@plugin_argument
@dry_run
@click.pass_context
@pass_session
def reload(session: Session, context: click.Context, *, plugin: str, dry_run: bool) -> None:
    """Ask every running host of yours that has the plugin loaded to swap it for a fresh instance.

    Where no host has it, it is loaded, initialized and shut down once, to show that it would load.
    """
    session.usable(plugin)
    answers = ask_hosts(session, {"op": "reload", "id": plugin}, dry_run)
    trial = None
    if not answers and dry_run:
        session.output.say(f"no running host has {plugin} loaded; would load it and shut it down once")
    elif not answers:
        from devkit_core.cli import eventloop

        trial = eventloop.run(_try(session, plugin))
        session.output.say(f"no running host has {plugin} loaded; it loads in {trial:.3f} s")
    _finish(session, context, plugin, "plugin-reload/1", answers, dry_run, trial_seconds=trial)


@command(
    "unload", examples=("devkit plugin unload test-plugin", "devkit plugin unload test-plugin --cascade")
)
@plugin_argument
@click.option("--cascade", is_flag=True, help="Unload the plugins that need it, too.")
@dry_run
@click.pass_context
@pass_session
def unload(session: Session, context: click.Context, *, plugin: str, cascade: bool, dry_run: bool) -> None:
    """Ask every running host of yours to shut the plugin down; where none has it, nothing is to be done."""
    session.plugin(plugin)
    answers = ask_hosts(session, {"op": "unload", "id": plugin, "cascade": cascade}, dry_run)
    if not answers:
        session.output.say(f"no running host has {plugin} loaded")
    _finish(session, context, plugin, "plugin-unload/1", answers, dry_run)


def _finish(
    session: Session,
    context: click.Context,
    plugin: str,
    schema: str,
    answers: list[dict[str, Any]],
    dry_run: bool,
    **more: Any,
) -> None:
    ending = tell_answers(session, plugin, answers, f"would {context.info_name}" if dry_run else "done")
    session.output.data(schema, {"id": plugin, "hosts": answers, "dry_run": dry_run, **more}, lambda: [])
    if ending:
        context.exit(ending)


async def _try(session: Session, plugin: str) -> float:
    """Load and shut down; return the seconds that loading took."""
    from devkit_core.manager import PluginManager

    manager = PluginManager(
        session.settings.config, places=session.places, extensions=session.extensions, control=False
    )
    async with manager:
        handle = await manager.load(plugin)
        return handle.info.load_seconds or 0.0
