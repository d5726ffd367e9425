"""devkit loader: what is installed to run plugins."""

from __future__ import annotations

from devkit_core.cli.grammar import Group, command, pass_session
from devkit_core.cli.output import Styled, Table
from devkit_core.cli.session import Session
from devkit_core.hooks.extensions import ExtensionRecord

__all__ = ["loader"]

loader = Group(
    name="loader",
    joins="loader",
    help="The loaders, which run one kind of plugin each.",
    examples=("devkit loader list",),
)


@command("list", examples=("devkit loader list", "devkit loader list --format json"))
@pass_session
def list_(session: Session) -> None:
    """Show the installed loaders in the order in which they are asked.

    Where several loaders could run a plugin, `loader_order` of the settings decides, then how sure each
    is, then its name.
    """
    ranks = {name: rank for rank, name in enumerate(session.settings.config.loader_order)}
    found = sorted(
        session.extensions.loaders(), key=lambda each: (ranks.get(each.name, len(ranks)), each.name)
    )
    rows = [
        {
            "name": each.name,
            "extensions": sorted(each.extensions),
            "languages": sorted(each.templates),
            "confinement": each.confinement,
            "order": "loader_order" if each.name in ranks else "name",
        }
        for each in found
    ]
    session.output.data(
        "loader-list/1",
        {"loaders": rows, "broken": [_broken(each) for each in session.extensions.broken]},
        lambda: [
            Table(
                ("NAME", "EXTENSIONS", "TEMPLATES", "CONFINED BY"),
                [
                    (
                        Styled(each.name, "accent"),
                        " ".join(sorted(each.extensions)) or "-",
                        " ".join(sorted(each.templates)) or "-",
                        each.confinement,
                    )
                    for each in found
                ],
            )
        ],
    )
    for record in session.extensions.broken:
        session.output.warn(f"{record.name} of {record.distribution}: {record.error}", hint="devkit doctor")
    if not found:
        session.output.warn(
            "no loader is installed, so no plugin can run", hint="pip install devkit-loader-python"
        )


def _broken(record: ExtensionRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "error": record.error and record.error.as_dict(),
    }


loader.add_command(list_)
