"""Settings from defaults, files, environment and arguments, each with its origin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from devkit_core.config.environment import Variable, field_variable, is_plugin_variable, variables
from devkit_core.config.files import read_bounded
from devkit_core.config.places import Places
from devkit_core.config.schema import (
    PluginSystemConfig,
    Setting,
    check,
    nearest,
    parse,
    setting,
    settings,
    summary,
)
from devkit_core.errors import ConfigError, ManifestError, Place, Problem

if TYPE_CHECKING:
    from devkit_core.model.parsing import Document

__all__ = ["TABLE", "Loaded", "Origin", "Scope", "load", "read", "refuse_loosening", "usable"]

#: the table of a settings file that holds the settings
TABLE = "plugins"
_LIMIT = 256 * 1024

Scope = Literal["default", "user", "project", "environment", "argument"]


class Origin(NamedTuple):
    """Where a value came from: a place in a file for `user` and `project`, a variable for `environment`."""

    scope: Scope
    place: Place | None = None
    variable: str | None = None

    def __str__(self) -> str:
        return str(self.place or self.variable or self.scope)


class Loaded(NamedTuple):
    """The settings in force, the origin of each by its name, and what was found wrong on the way."""

    config: PluginSystemConfig
    origins: Mapping[str, Origin]
    problems: tuple[Problem, ...] = ()


class _Given(NamedTuple):
    which: Setting
    value: Any
    origin: Origin


def load(
    places: Places, *, environ: Mapping[str, str] | None = None, arguments: Mapping[str, Any] | None = None
) -> Loaded:
    """Return the settings: defaults < user file < project file < environment < arguments.

    `arguments` holds settings by name; None stands for one that was not given, a text is read as in a
    variable. `problems` of the result are warnings. Raises ConfigError, with every problem, for values
    that can't be used.
    """
    return usable(read(places, environ=environ, arguments=arguments))


def usable(loaded: Loaded) -> Loaded:
    """Return what `read` returned; raises ConfigError, with every problem, for values that can't be used."""
    wrong = [each for each in loaded.problems if not each.warning]
    if wrong:
        raise summary(wrong)
    return loaded


def read(
    places: Places, *, environ: Mapping[str, str] | None = None, arguments: Mapping[str, Any] | None = None
) -> Loaded:
    """Return what `load` returns, leaving out each value that can't be used; for `doctor` and `config`."""
    environ = os.environ if environ is None else environ
    problems: list[Problem] = []
    values: dict[str, Any] = {each.name: each.default for each in settings()}
    origins = {name: Origin("default") for name in values}
    layers = (
        _from_file(places.user_file, "user", problems),
        _from_file(places.project_file, "project", problems),
        _from_environment(environ, problems),
        _from_arguments(arguments or {}, problems),
    )
    for layer in layers:
        for given in layer:
            which = given.which
            place = given.origin.place or Place(given.origin.variable or "argument", key=which.name)
            try:
                value = given.value
                textual = given.origin.scope in ("environment", "argument") and which.kind is not str
                value = parse(which, value) if textual and isinstance(value, str) else check(which, value)
                if given.origin.scope == "project":
                    refuse_loosening(which, value, values[which.name], places)
            except ConfigError as error:
                problems.append(Problem(error.code, error.message, place, error.hint))
                continue
            values[which.name] = value
            origins[which.name] = given.origin
    return Loaded(PluginSystemConfig(**values), origins, tuple(problems))


def refuse_loosening(which: Setting, value: Any, before: Any, places: Places) -> None:
    """Raise ConfigError, `config-untrusted`, for a project's value that gives more away than `before`.

    A project's file comes with a clone: whoever wrote the clone wrote it.
    """
    if which.name == "plugin_dir":
        root = places.project.resolve()
        if places.plugin_dir(value).resolve().is_relative_to(root):
            return
        message = f"a project's plugin_dir can't lead out of the project: {str(value)!r}"
    elif which.loosens is None or not which.loosens(value, before):
        return
    else:
        message = f"a project's file can't loosen {which.name}"
    raise ConfigError(
        message,
        code="config-untrusted",
        hint=f"If you want it, set it yourself: in {places.user_file}, "
        f"with {field_variable(which.name)}, or as an argument.",
    )


def _from_file(path: Path, scope: Literal["user", "project"], problems: list[Problem]) -> Iterator[_Given]:
    try:
        data = read_bounded(path, _LIMIT)[0]
    except (FileNotFoundError, NotADirectoryError):  # the home of a system's user may be /dev/null
        return
    except OSError as error:
        reason = error.strerror or str(error)
        problems.append(Problem("config-unreadable", f"settings can't be read: {reason}", Place(str(path))))
        return
    document = _document(path, data, problems)
    if document is None:
        return
    place_of = _places_in(document)
    table = document.data.get(TABLE, {})
    if not isinstance(table, dict):
        problems.append(Problem("config-invalid", f"{TABLE} must be a table", place_of(TABLE)))
        return
    for name in document.data:
        if name != TABLE:
            hint = f"Write it below [{TABLE}]." if setting(name) else None
            message = f"{name!r} is no table of settings; DevKit reads [{TABLE}]"
            problems.append(Problem("config-unknown-key", message, place_of(name), hint, warning=True))
    for name, value in table.items():
        place = place_of(TABLE, name)
        which = setting(name)
        if which is None:
            problems.append(_unknown(name, place))
        else:
            yield _Given(which, value, Origin(scope, place))


def _document(path: Path, data: bytes, problems: list[Problem]) -> Document | None:
    """Return a file's content, or note why it can't be read."""
    from devkit_core.model.parsing import read_toml

    try:
        return read_toml(data, str(path))
    except ManifestError as error:
        for each in error.problems:
            hint = each.hint if each.code == "manifest-syntax" else None
            problems.append(Problem("config-syntax", each.message, each.place, hint))
    return None


def _places_in(document: Document) -> Callable[..., Place]:
    """Return a function from a key's parts to its place in the document."""
    from devkit_core.model.locate import locate
    from devkit_core.model.parsing import place

    spots = locate(document.text)

    def find(*key: str) -> Place:
        name = ".".join(key)
        spot = spots.get(key)
        return place(document.path, document.text, spot.key, name) if spot else Place(document.path, key=name)

    return find


def _unknown(name: str, place: Place) -> Problem:
    near = nearest(name, (each.name for each in settings()))
    hint = f"Did you mean {near}?" if near else "`devkit config show` lists every setting."
    return Problem("config-unknown-key", f"there is no setting {name!r}", place, hint, warning=True)


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> Iterator[_Given]:
    known: dict[str, Variable] = {each.name: each for each in variables()}
    for name in sorted(environ):
        if not name.startswith("DEVKIT_") or is_plugin_variable(name):
            continue  # the latter is a plugin's own setting: catalog/plugin_settings.py reads it
        variable = known.get(name)
        if variable is None:
            # Others may have variables of that prefix; only a likely misspelling is worth a word.
            if near := nearest(name, known):
                message = f"{name} is none of DevKit's variables"
                hint = f"Did you mean {near}?"
                problems.append(Problem("config-unknown-key", message, Place(name), hint, warning=True))
        elif variable.setting and environ[name].strip():
            which = setting(variable.setting)
            assert which is not None
            yield _Given(which, environ[name], Origin("environment", variable=name))


def _from_arguments(arguments: Mapping[str, Any], problems: list[Problem]) -> Iterator[_Given]:
    for name, value in arguments.items():
        which = setting(name)
        if which is None:
            near = nearest(name, (each.name for each in settings()))
            hint = f"Did you mean {near}?" if near else None
            problems.append(Problem("config-unknown-key", f"there is no setting {name!r}", None, hint))
        elif value is not None:
            yield _Given(which, value, Origin("argument"))
