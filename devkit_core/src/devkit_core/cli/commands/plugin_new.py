"""devkit plugin new: a folder that loads as it stands."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import click

from devkit_core.catalog.scaffold import render, write
from devkit_core.cli.grammar import command, dry_run, pass_session
from devkit_core.cli.session import Session
from devkit_core.cli.suggestions import did_you_mean
from devkit_core.config.environment import PLUGIN_PATH
from devkit_core.errors import LoaderMissing, ManifestError, NotFound, UsageError

__all__ = ["new"]

_SCHEMA = "https://raw.githubusercontent.com/infer-no-dev/devkit/main/schemas/plugin.schema.json"


def _languages(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    loaders = context.ensure_object(Session).extensions.loaders()
    return sorted({name for each in loaders for name in each.templates if name.startswith(incomplete)})


@command(
    "new",
    examples=(
        "devkit plugin new my-plugin",
        "devkit plugin new my-plugin --dir ~/work/plugins",
        "devkit plugin new my-plugin --dry-run",
    ),
)
@click.argument("plugin", metavar="ID")
@click.option("--lang", default="python", show_default=True, shell_complete=_languages, help="Language.")
@click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the new folder goes (the project's folder of plugins).",
)
@dry_run
@pass_session
def new(session: Session, plugin: str, lang: str, parent: Path | None, dry_run: bool) -> None:
    """Scaffold a plugin: manifest, code, test, README and .gitignore.

    The folder has the plugin's id as its name. One that exists is never touched.
    """
    template = _template(session, lang)
    if parent is None:
        parent = session.places.plugin_dir(session.settings.config.plugin_dir)
    folder = parent.expanduser() / plugin
    files = render(template, _values(plugin))
    _validate(files["plugin.toml"])
    if not dry_run:
        write(folder, files)
    session.output.data(
        "plugin-new/1",
        {"id": plugin, "folder": str(folder), "files": sorted(files), "dry_run": dry_run},
        lambda: [str(folder / name) for name in sorted(files)],
    )
    if dry_run:
        session.output.say(f"would make {folder}")
    else:
        build = f"make -C {shlex.quote(str(folder))} && " if "Makefile" in files else ""
        look = "" if _is_looked_in(session, parent) else f"{PLUGIN_PATH}={shlex.quote(str(parent))} "
        session.output.say(f'made {folder}; try: {build}{look}devkit plugin run {plugin} "hello"')


def _is_looked_in(session: Session, parent: Path) -> bool:
    """Say whether plugins of this folder are found as things are."""
    places = session.places
    usual = places.plugin_dir(session.settings.config.plugin_dir), places.data / "plugins"
    return parent.expanduser().resolve() in {each.resolve() for each in (*usual, *places.plugin_path)}


def _template(session: Session, lang: str) -> Path:
    found = {name: path for each in session.extensions.loaders() for name, path in each.templates.items()}
    if lang in found:
        return found[lang]
    if not found and lang == "python":
        raise LoaderMissing("no loader with templates is installed", hint="pip install devkit-loader-python")
    known = f"there are templates for: {', '.join(sorted(found)) or 'nothing'}"
    raise NotFound(
        f"no template for {lang!r}", code="language-unknown", hint=did_you_mean(lang, found) or known
    )


def _values(plugin: str) -> dict[str, str]:
    name = plugin.replace("-", " ").title()
    return {
        "id": plugin,
        "name": name,
        "author": json.dumps(_author(), ensure_ascii=False)[1:-1],  # TOML's basic strings escape as JSON's
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "schema": _SCHEMA,
    }


def _author() -> str:
    """Return the author that git knows, else the user's login name."""
    import getpass

    try:
        done = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, timeout=5, check=False
        )
        found = done.stdout
    except (OSError, subprocess.SubprocessError, ValueError):
        found = ""
    text = "".join(character for character in found.strip() if character.isprintable())[:100]
    if text:
        return text
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _validate(manifest: str) -> None:
    """Hold the new manifest against its rules, the id among them, before anything is written."""
    from devkit_core.model.manifest import parse

    try:
        parse(manifest.encode())
    except ManifestError as error:
        first = error.problems[0]
        raise UsageError(first.message, code=first.code, hint=first.hint) from error
