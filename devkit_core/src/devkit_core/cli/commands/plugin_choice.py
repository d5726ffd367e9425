"""devkit plugin enable and disable: the user's choice, recorded."""

from __future__ import annotations

from devkit_core.cli.grammar import command, dry_run, pass_session
from devkit_core.cli.plugin_ids import plugin_argument
from devkit_core.cli.session import Session

__all__ = ["disable", "enable"]


@command("enable", examples=("devkit plugin enable test-plugin",))
@plugin_argument
@dry_run
@pass_session
def enable(session: Session, plugin: str, dry_run: bool) -> None:
    """Let a plugin be loaded again, in this folder and for this user."""
    _choose(session, plugin, True, dry_run)


@command(
    "disable", examples=("devkit plugin disable test-plugin", "devkit plugin disable test-plugin --dry-run")
)
@plugin_argument
@dry_run
@pass_session
def disable(session: Session, plugin: str, dry_run: bool) -> None:
    """Keep a plugin from being loaded, in this folder and for this user, until it is enabled again.

    A host that has it loaded keeps it: `devkit plugin unload` takes it out.
    """
    _choose(session, plugin, False, dry_run)


def _choose(session: Session, plugin: str, enabled: bool, dry_run: bool) -> None:
    found = session.plugin(plugin)  # a broken one too: disabling is a way to silence it
    changes = session.state.is_enabled(plugin, found.folder) != enabled
    if not dry_run:
        changes = session.state.set_enabled(plugin, found.folder, enabled)
    word = "enabled" if enabled else "disabled"
    if not changes:
        session.output.say(f"{plugin} is {word} already")
    else:
        session.output.say(f"{plugin} {'would be' if dry_run else 'is'} {word}")
    session.output.data(
        "plugin-choice/1",
        {"id": plugin, "enabled": enabled, "changed": changes, "dry_run": dry_run},
        lambda: [],
    )
