"""devkit help: a command's help, and topics."""

from __future__ import annotations

import click

from devkit_core.cli.exit_codes import MEANINGS
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.output import Table
from devkit_core.cli.session import Session

__all__ = ["help_"]


@command(
    "help",
    examples=("devkit help plugin run", "devkit help exit-codes", "devkit help exit-codes --format json"),
)
@click.argument("words", nargs=-1, metavar="[COMMAND… | exit-codes]")
@click.pass_context
@pass_session
def help_(session: Session, context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, or of the topic exit-codes."""
    if words == ("exit-codes",):
        session.output.data(
            "exit-codes/1",
            {"exit_codes": [{"code": int(code), "meaning": text} for code, text in MEANINGS.items()]},
            lambda: [Table(("CODE", "MEANING"), [(str(int(code)), text) for code, text in MEANINGS.items()])],
        )
        return
    root = context.find_root()
    found: click.Command = root.command
    reached = click.Context(found, info_name="devkit", obj=session)
    for word in words:
        if not isinstance(found, click.Group):
            raise click.UsageError(f"{reached.command_path!r} has no commands", reached)
        _name, child, _rest = found.resolve_command(reached, [word])
        assert child is not None
        found = child
        reached = click.Context(found, info_name=word, parent=reached)
    session.output.page(found.get_help(reached))
