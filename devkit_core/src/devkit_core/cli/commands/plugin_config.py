"""devkit plugin config: one plugin's own settings, shown and changed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from devkit_core.cli.documents import as_line
from devkit_core.cli.exit_codes import Exit
from devkit_core.cli.grammar import command, dry_run, pass_session
from devkit_core.cli.output import Styled, Table
from devkit_core.cli.plugin_ids import complete_plugin
from devkit_core.cli.session import Session
from devkit_core.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from devkit_core.catalog.plugin_settings import PluginSettings
    from devkit_core.model.manifest import Manifest
    from devkit_core.model.plugin_config import Origin, PluginConfig

__all__ = ["config"]

_ACTIONS = {"show": 0, "get": 1, "set": 2, "unset": 1}  # how many words each takes
_MOST = 256 * 1024  # characters that are read from standard input


@command(
    "config",
    examples=(
        "devkit plugin config json-tools",
        "devkit plugin config my-plugin set line_length 100",
        "devkit plugin config my-plugin set server.port 8443 --dry-run",
        "pass show api-token | devkit plugin config my-plugin set token -",
        "devkit plugin config my-plugin get line_length --format json",
        "devkit plugin config my-plugin unset line_length",
    ),
)
@click.argument("plugin", metavar="ID", shell_complete=complete_plugin)
@click.argument("action", type=click.Choice(list(_ACTIONS)), default="show", metavar="[ACTION]")
@click.argument("words", nargs=-1, metavar="[KEY] [VALUE|-]")
@dry_run
@click.pass_context
@pass_session
def config(
    session: Session,
    context: click.Context,
    *,
    plugin: str,
    action: str,
    words: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Show and change a plugin's own settings, which its manifest describes.

    ACTION is show (all of them), get KEY, set KEY VALUE or unset KEY. KEY may lead into a table:
    `server.port`. `set` writes the user's file, secrets into one of their own; VALUE `-` reads standard
    input. Arrays and tables are JSON, or single values by comma. Secrets are shown as `***`. Every running
    host of yours that has the plugin loaded gives it the change at once, or reloads it for that.
    """
    from devkit_core.catalog.plugin_settings import PluginSettings

    if len(words) != _ACTIONS[action]:
        needs = {"show": "", "get": " KEY", "set": " KEY VALUE", "unset": " KEY"}[action]
        raise UsageError(
            f"`{action}` takes {_ACTIONS[action] or 'no'} words",
            hint=f"devkit plugin config {plugin} {action}{needs}",
        )
    if dry_run and action not in ("set", "unset"):
        raise UsageError(f"`{action}` changes nothing, so there is no --dry-run")
    _, manifest = session.usable(plugin)
    settings = PluginSettings(session.places)
    if action == "show":
        _show(session, settings, manifest)
    elif action == "get":
        _get(session, settings, manifest, words[0])
    else:
        if action == "set":
            ending = _set(session, settings, manifest, words[0], words[1], dry_run)
        else:
            ending = _unset(session, settings, manifest, words[0], dry_run)
        if ending:
            context.exit(ending)


def _show(session: Session, settings: PluginSettings, manifest: Manifest) -> None:
    from devkit_core.config.environment import plugin_variable

    config: PluginConfig | None = None
    wrong: ConfigError | None = None
    try:
        config = settings.read(manifest)
    except ConfigError as error:
        wrong = error  # what is there is listed all the same
    shown = config.shown() if config else {}
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "type": each.type,
            "value": shown.get(name),
            "secret": each.secret,
            "required": each.required,
            "description": each.description,
            "variable": plugin_variable(manifest.id, name),
            "origin": _origin(config.origins.get(name)) if config else None,
        }
        for name, each in manifest.config.items()
    ]
    session.output.data(
        "plugin-config/1",
        {
            "id": manifest.id,
            "file": str(settings.file(manifest.id)),
            "secrets_file": str(settings.file(manifest.id, secret=True)),
            "settings": rows,
        },
        lambda: (
            [
                Table(
                    ("SETTING", "TYPE", "VALUE", "ORIGIN", "DESCRIPTION"),
                    [
                        (
                            row["name"],
                            row["type"],
                            _text(row["value"]) if row["value"] is not None else Styled("(none)", "dim"),
                            str(config.origins[row["name"]])
                            if config and row["name"] in config.origins
                            else "",
                            " ".join(row["description"].split()),
                        )
                        for row in rows
                    ],
                )
            ]
            if rows
            else []
        ),
    )
    if not rows:
        session.output.say(f"{manifest.id} has no settings of its own")
    if wrong is not None:
        raise wrong


def _get(session: Session, settings: PluginSettings, manifest: Manifest, key: str) -> None:
    which, secret = settings.known(manifest, key)
    config = settings.read(manifest)
    value: Any = config.shown()
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    session.output.data(
        "plugin-config-value/1",
        {
            "id": manifest.id,
            "name": key,
            "type": which.type,
            "value": value,
            "secret": secret,
            "origin": _origin(config.origins.get(key.partition(".")[0])),
        },
        lambda: [] if value is None else [_text(value)],
    )
    if value is None:
        session.output.say(f"{key} has no value")


def _set(
    session: Session, settings: PluginSettings, manifest: Manifest, key: str, text: str, dry_run: bool
) -> Exit:
    from devkit_core.model.plugin_config import HIDDEN

    secret = settings.known(manifest, key)[1]
    if text == "-":
        text = _input()
    elif secret:
        session.output.warn(
            "the secret stands in your shell's history now",
            hint=f"devkit plugin config {manifest.id} set {key} - reads it from standard input",
        )
    value, path = settings.set(manifest, key, text, dry_run=dry_run)
    shown = HIDDEN if secret else value
    session.output.say(f"{'would set' if dry_run else 'set'} {key} = {_text(shown)} in {path}")
    answers, ending = _deliver(session, manifest.id, dry_run)
    session.output.data(
        "plugin-config-set/1",
        {
            "id": manifest.id,
            "name": key,
            "value": shown,
            "path": str(path),
            "hosts": answers,
            "dry_run": dry_run,
        },
        lambda: [],
    )
    return ending


def _unset(session: Session, settings: PluginSettings, manifest: Manifest, key: str, dry_run: bool) -> Exit:
    there, path = settings.unset(manifest, key, dry_run=dry_run)
    word = "would take out" if dry_run else "took out"
    session.output.say(f"{word} {key} of {path}" if there else f"{key} doesn't stand in {path}")
    answers, ending = _deliver(session, manifest.id, dry_run) if there else ([], Exit.DONE)
    session.output.data(
        "plugin-config-unset/1",
        {
            "id": manifest.id,
            "name": key,
            "changed": there,
            "path": str(path),
            "hosts": answers,
            "dry_run": dry_run,
        },
        lambda: [],
    )
    return ending


def _deliver(session: Session, plugin: str, dry_run: bool) -> tuple[list[dict[str, Any]], Exit]:
    """Tell the hosts that have the plugin; return what they answered, and how the command ends."""
    from devkit_core.cli.running_hosts import ask_hosts, tell_answers

    answers = ask_hosts(session, {"op": "configure", "id": plugin}, dry_run)
    done = "would be given the change" if dry_run else "has the settings"
    return answers, tell_answers(session, plugin, answers, done)


def _input() -> str:
    if sys.stdin is None:
        raise UsageError("the value is to be read from standard input, which is closed", code="input-closed")
    data = sys.stdin.buffer.read(_MOST + 1)
    if len(data) > _MOST:
        raise UsageError(f"the value has more than {_MOST:,} bytes")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UsageError("the value is not UTF-8") from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else as_line(value).rstrip("\n")


def _origin(origin: Origin | None) -> dict[str, Any] | None:
    if origin is None:
        return None
    place = origin.place
    return {
        "scope": origin.scope,
        "path": place and place.path,
        "line": place and place.line,
        "variable": origin.variable,
    }
