"""The argument that names a plugin, completed from the cached listing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from devkit_core.cli.escaping import escape
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError

__all__ = ["complete_plugin", "plugin_argument"]

F = TypeVar("F", bound=Callable[..., Any])


def complete_plugin(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the plugin ids that begin so, with their descriptions; nothing where something is wrong."""
    session = context.find_object(Session) or Session()
    session.verbosity = -2  # a shell that completes shows no warning
    try:
        rows = session.rows
    except DevKitError:
        return []
    return [
        CompletionItem(row.id, help=" ".join(escape(row.description).split()))
        for row in rows
        if row.id.startswith(incomplete) and row.shadowed_by is None and row.id.isprintable()
    ]


def plugin_argument(function: F) -> F:
    """Add the argument ID, passed as `plugin`."""
    return click.argument("plugin", metavar="ID", shell_complete=complete_plugin)(function)
