"""Every environment variable that DevKit reads, with its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from devkit_core.config.schema import settings

__all__ = [
    "DEBUG",
    "HOME",
    "NO_INPUT",
    "PLUGIN_PATH",
    "Variable",
    "field_variable",
    "flag",
    "is_plugin_variable",
    "plugin_variable",
    "variables",
]

DEBUG = "DEVKIT_DEBUG"
HOME = "DEVKIT_HOME"
PLUGIN_PATH = "DEVKIT_PLUGIN_PATH"
NO_INPUT = "DEVKIT_NO_INPUT"

_OF_PLUGINS = "DEVKIT_PLUGIN_"
_FALSE = frozenset({"", "0", "false", "no", "off"})


class Variable(NamedTuple):
    """One variable; `setting` is the setting that it sets, where it sets one."""

    name: str
    doc: str
    setting: str | None = None


_PLAIN = (
    Variable(
        HOME,
        "One folder for all of DevKit's own files: `config`, `data`, `state`, `cache`, `runtime` in it.",
    ),
    Variable(
        PLUGIN_PATH,
        "Folders that contain plugins, separated as in PATH. They come after the project's and before the "
        "user's own.",
    ),
    Variable(DEBUG, "Show the traceback of an error that is DevKit's own."),
    Variable(NO_INPUT, "Never ask; a command that would have to ask fails and says what to run instead."),
)


def field_variable(name: str) -> str:
    """Return the variable of a setting: `DEVKIT_` and its name in capitals."""
    return f"DEVKIT_{name.upper()}"


def plugin_variable(plugin: str, key: str) -> str:
    """Return the variable of a plugin's own setting: `DEVKIT_PLUGIN_` ID `__` KEY, in capitals, `-` as `_`.

    Two underscores part the id from the key, so that no plugin is given the value of another's setting:
    an id ends with a letter or digit, and no key has two underscores in a row.
    """
    return f"{_OF_PLUGINS}{plugin.replace('-', '_')}__{key}".upper()


def is_plugin_variable(name: str) -> bool:
    """Tell whether a variable may be that of a plugin's own setting; none of DevKit's own looks like one."""
    return name.startswith(_OF_PLUGINS) and "__" in name


def variables() -> tuple[Variable, ...]:
    """Return every variable: those of their own, then one a setting."""
    ours = tuple(Variable(field_variable(each.name), each.doc, each.name) for each in settings())
    return _PLAIN + ours


def flag(environ: Mapping[str, str], name: str) -> bool:
    """Tell whether a variable is set to anything but nothing, 0, false, no or off."""
    return environ.get(name, "").strip().lower() not in _FALSE
