"""devkit marketplace: show the catalogues, and make one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from devkit_core.api import (
    Child,
    DevKitError,
    Group,
    NotFound,
    Place,
    Session,
    Styled,
    Table,
    command,
    dry_run,
    pass_session,
)

__all__ = ["export", "list_", "marketplace"]

_HERE = "devkit_marketplace.commands"

marketplace = Group(
    name="marketplace",
    help="Show catalogues of plugins, and make one.",
    children={
        "list": Child(f"{_HERE}:list_", "Show the catalogues there are."),
        "export": Child(f"{_HERE}:export", "Make a catalogue from a folder of plugins."),
    },
    joins="marketplace",
    examples=("devkit marketplace list", "devkit marketplace export /srv/catalogue"),
)


@command("list", examples=("devkit marketplace list", "devkit marketplace list --format json"))
@pass_session
def list_(session: Session) -> None:
    """Show the catalogues that `search`, `info` and `install` ask, nearest first, and what is missing there.

    The settings' `registry_urls` come before the catalogue that DevKit brings.
    """
    from devkit_marketplace.source import Catalogue

    found = sorted((each for each in session.sources() if isinstance(each, Catalogue)), key=lambda c: c.rank)
    data = [_facts(each) for each in found]
    rows = [
        (
            Styled(each["name"], "accent"),
            "-" if each["error"] else str(each["plugins"]),
            Styled(f"error[{each['error']['code']}]", "bad") if each["error"] else each["folder"],
        )
        for each in data
    ]
    session.output.data(
        "marketplace-list/1",
        {"catalogues": data},
        lambda: [Table(("CATALOGUE", "PLUGINS", "WHERE"), rows), *_missing_table(data)],
    )
    for each in data:
        if each["error"]:
            session.output.warn(f"{each['name']}: {each['error']['message']}", hint=each["error"]["hint"])


@command(
    "export",
    examples=("devkit marketplace export /srv/catalogue", "devkit marketplace export out --plugins plugins"),
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--plugins",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="The folder whose plugins are taken (the project's plugin_dir).",
)
@dry_run
@pass_session
def export(session: Session, folder: Path, plugins: Path | None, dry_run: bool) -> None:
    """Pack every plugin of a folder, and write the index: a folder that `registry_urls` can name.

    An earlier export in DIR is replaced. A plugin whose tools aren't here is left out and named; one that is
    wrong ends the export, and DIR is as it was. A plugin with a `[build]` in its marketplace.toml is built,
    which runs that command.
    """
    from devkit_marketplace.export import export as write
    from devkit_marketplace.export import release_folders

    source = plugins or session.places.plugin_dir(session.settings.config.plugin_dir)
    if not source.is_dir():
        raise NotFound(f"there is no folder {source}", code="path-not-found", place=Place(str(source)))
    if dry_run:
        for _, release in release_folders(source):
            session.output.say(f"would pack {release}")
        return
    root = write(source.resolve(), folder.absolute())
    data: dict[str, Any] = {
        "folder": str(folder.absolute()),
        "plugins": [{"id": name, "version": each.listing.version} for name, each in root.plugins.items()],
        "not_built": [_missing(each) for each in root.not_built],
    }
    session.output.data(
        "marketplace-export/1",
        data,
        lambda: [
            Table(
                ("ID", "NEWEST"),
                [(Styled(each["id"], "accent"), each["version"]) for each in data["plugins"]],
            ),
            *_missing_table([data]),
        ],
    )
    count = len(root.plugins)
    session.output.say(f"{count} {'plugin' if count == 1 else 'plugins'} in {folder}")


def _facts(catalogue: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": catalogue.name, "folder": None, "plugins": None}
    try:
        root = catalogue.index.root
    except DevKitError as error:
        return {**facts, "not_built": [], "error": error.as_dict()}
    missing = [_missing(each) for each in root.not_built]
    folder = str(catalogue.index.folder)
    return {**facts, "folder": folder, "plugins": len(root.plugins), "not_built": missing, "error": None}


def _missing(each: Any) -> dict[str, str]:
    return {"id": each.id, "version": each.version, "reason": each.reason}


def _missing_table(catalogues: list[Any]) -> list[Table]:
    rows = [
        (each["id"], each["version"] or "-", each["reason"])
        for catalogue in catalogues
        for each in catalogue["not_built"]
    ]
    return [Table(("NOT BUILT HERE", "VERSION", "WHY"), rows)] if rows else []
