"""devkit config: settings, where each came from, and the folders in use."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

import click

from devkit_core.cli.errors import render_problem
from devkit_core.cli.exit_codes import Exit
from devkit_core.cli.grammar import Group, command, dry_run, pass_session
from devkit_core.cli.output import Facts, Styled, Table
from devkit_core.cli.session import Session
from devkit_core.config.editing import config_get, config_set, config_unset
from devkit_core.config.schema import settings
from devkit_core.config.sources import Origin, read

__all__ = ["config"]

config = Group(
    name="config",
    joins="config",
    help="Show and change settings: defaults < user file < project file < DEVKIT_ variables.",
    examples=("devkit config show", "devkit config get execution_timeout", "devkit config paths"),
)


def _keys(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [each.name for each in settings() if each.name.startswith(incomplete)]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (bool, int, float)) else str(value)


def _origin(origin: Origin) -> dict[str, Any]:
    place = origin.place
    return {
        "scope": origin.scope,
        "path": place and place.path,
        "line": place and place.line,
        "variable": origin.variable,
    }


@command("show", examples=("devkit config show", "devkit config show --format json"))
@click.pass_context
@pass_session
def show(session: Session, context: click.Context) -> None:
    """Show every setting, its value, and the file and line or variable it came from.

    A value that can't be used is left out and named on stderr; the exit code is then 2.
    """
    loaded = read(session.places)
    values = {each.name: getattr(loaded.config, each.name) for each in settings()}
    described = {each.name: each.doc for each in settings()}
    session.output.data(
        "config/1",
        {
            "settings": [
                {
                    "name": name,
                    "value": _plain(value),
                    "origin": _origin(loaded.origins[name]),
                    "description": described[name],
                }
                for name, value in values.items()
            ],
            "problems": [asdict(problem) for problem in loaded.problems],
        },
        lambda: [
            Table(
                ("SETTING", "VALUE", "ORIGIN"),
                [
                    (name, _shown(value) or "(none)", _quiet(loaded.origins[name]))
                    for name, value in values.items()
                ],
            )
        ],
    )
    if session.format != "json":
        for problem in loaded.problems:
            session.output.error_text(render_problem(problem, colour=session.output.error_colour))
    if any(not problem.warning for problem in loaded.problems):
        context.exit(Exit.USAGE)


def _quiet(origin: Origin) -> str | Styled:
    return Styled(str(origin), "dim") if origin.scope == "default" else str(origin)


@command(
    "get", examples=("devkit config get execution_timeout", "devkit config get plugin_dir --format json")
)
@click.argument("key", shell_complete=_keys)
@pass_session
def get(session: Session, key: str) -> None:
    """Print one setting's value; lists by comma."""
    value, origin = config_get(session.settings, key)
    session.output.data(
        "config-value/1",
        {"name": key, "value": _plain(value), "origin": _origin(origin)},
        lambda: [_shown(value)],
    )


@command(
    "set",
    examples=(
        "devkit config set execution_timeout 60",
        "devkit config set --project plugin_dir tools/plugins",
        "devkit config set default_permissions filesystem:read,network:https --dry-run",
        "devkit config set --add disabled_extensions my-extension",
    ),
)
@click.argument("key", shell_complete=_keys)
@click.argument("value")
@click.option("--add", is_flag=True, help="Add to a list, and keep what it has.")
@click.option("--project", is_flag=True, help="Write to the project's devkit.toml, not to the user's file.")
@dry_run
@pass_session
def set_(session: Session, *, key: str, value: str, add: bool, project: bool, dry_run: bool) -> None:
    """Write one setting into the user's file, or the project's; comments in it stay."""
    scope: Literal["user", "project"] = "project" if project else "user"
    parsed, path = config_set(session.places, key, value, scope, add=add, dry_run=dry_run)
    session.output.say(f"{'would set' if dry_run else 'set'} {key} = {_shown(parsed)} in {path}")
    session.output.data(
        "config-set/1",
        {"name": key, "value": _plain(parsed), "path": str(path), "dry_run": dry_run},
        lambda: [],
    )


@command(
    "unset",
    examples=(
        "devkit config unset execution_timeout",
        "devkit config unset --project plugin_dir",
        "devkit config unset disabled_extensions --dry-run",
    ),
)
@click.argument("key", shell_complete=_keys)
@click.option("--project", is_flag=True, help="Take it out of the project's devkit.toml.")
@dry_run
@pass_session
def unset(session: Session, *, key: str, project: bool, dry_run: bool) -> None:
    """Take one setting out of the user's file, or the project's, so that the next origin counts."""
    changed, path = config_unset(session.places, key, "project" if project else "user", dry_run=dry_run)
    done = f"{'would unset' if dry_run else 'unset'} {key}" if changed else f"{key} is not set"
    session.output.say(f"{done} in {path}")
    session.output.data(
        "config-unset/1",
        {"name": key, "changed": changed, "path": str(path), "dry_run": dry_run},
        lambda: [],
    )


@command("paths", examples=("devkit config paths", "devkit config paths --format json"))
@pass_session
def paths(session: Session) -> None:
    """Print the folders and files in use; DEVKIT_HOME moves all but the project's."""
    places = session.places
    found = {
        "config": places.config,
        "data": places.data,
        "state": places.state,
        "cache": places.cache,
        "runtime": places.runtime,
        "user_file": places.user_file,
        "project": places.project,
        "project_file": places.project_file,
        "plugin_dir": places.plugin_dir(read(places).config.plugin_dir),
    }
    listed = [str(folder) for folder in places.plugin_path]
    session.output.data(
        "config-paths/1",
        {**{name: str(path) for name, path in found.items()}, "plugin_path": listed},
        lambda: [
            Facts(
                [
                    *((name, str(path)) for name, path in found.items()),
                    ("plugin_path", "\n".join(listed) or "(none)"),
                ]
            )
        ],
    )


for each in (show, get, set_, unset, paths):
    config.add_command(each)
