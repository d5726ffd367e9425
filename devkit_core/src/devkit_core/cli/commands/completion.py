"""devkit completion: the script that a shell reads."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.session import Session

__all__ = ["completion"]


@command(
    "completion",
    examples=(
        "devkit completion bash > ~/.local/share/bash-completion/completions/devkit",
        'eval "$(devkit completion zsh)"',
        "devkit completion fish > ~/.config/fish/completions/devkit.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@pass_session
def completion(session: Session, context: click.Context, shell: str) -> None:
    """Print the completion script of a shell; it completes commands, options, plugin ids and codes."""
    found = get_completion_class(shell)
    assert found is not None, shell
    script = found(context.find_root().command, {}, "devkit", "_DEVKIT_COMPLETE")
    # The shell's own class would start that shell to look at its version; the script is the same for all.
    session.output.raw(ShellComplete.source(script).lstrip("\n").encode())
