"""devkit plugin list: every plugin, broken and shadowed ones too."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click

from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.output import Look, Styled, Table
from devkit_core.cli.session import Session
from devkit_core.model.types import PluginInfo, PluginStatus, capability

__all__ = ["list_"]

_SHOWN = [
    each.name
    for each in fields(PluginInfo)
    if each.name not in ("health", "load_seconds")  # only a host that has it loaded knows these
]
_LOOKS: dict[PluginStatus, Look] = {PluginStatus.ERROR: "bad", PluginStatus.DISABLED: "dim"}


@command(
    "list",
    examples=(
        "devkit plugin list",
        "devkit plugin list --status error",
        "devkit plugin list --capability CodeAnalysis --format json",
    ),
)
@click.option(
    "--status",
    type=click.Choice(["discovered", "error", "disabled", "shadowed"]),
    help="Only plugins in this state.",
)
@click.option("--capability", "wanted", metavar="NAME", help="Only plugins with this capability.")
@pass_session
def list_(session: Session, status: str | None, wanted: str | None) -> None:
    """Show the plugins of the project, of DEVKIT_PLUGIN_PATH, the user's and installed ones.

    A broken plugin is shown with its error's code, one that a nearer plugin of the same id hides as
    shadowed. Runs no plugin.
    """
    rows = [row for row in session.rows if _matches(row, status, wanted)]
    session.output.data(
        "plugin-list/1",
        {"plugins": [_as_data(row) for row in rows]},
        lambda: [
            Table(
                ("ID", "VERSION", "KIND", "STATUS", "SOURCE", "DESCRIPTION"),
                [
                    (
                        Styled(row.id, "accent"),
                        row.version or "-",
                        row.kind or "-",
                        _status(row),
                        row.source,
                        row.description or row.error or "",
                    )
                    for row in rows
                ],
            )
        ],
    )
    if not rows:
        session.output.say(
            "no plugins; `devkit plugin new ID` makes one, `devkit plugin search` shows those to install"
            if session.rows == []
            else "no plugin matches; leave the filter out to see all"
        )


def _matches(row: PluginInfo, status: str | None, wanted: str | None) -> bool:
    if status == "shadowed" and row.shadowed_by is None:
        return False
    if status not in (None, "shadowed") and (row.status != status or row.shadowed_by is not None):
        return False
    return wanted is None or capability(wanted) in row.capabilities


def _status(row: PluginInfo) -> Styled | str:
    if row.status is PluginStatus.ERROR:
        return Styled(f"error[{row.error_code}]", "bad")
    if row.shadowed_by is not None:
        return Styled(f"shadowed by {row.shadowed_by}", "dim")
    look = _LOOKS.get(row.status)
    return Styled(row.status.value, look) if look else row.status.value


def _as_data(row: PluginInfo) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _SHOWN}
