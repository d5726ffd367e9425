"""A plugin's own settings in force: layers of values over the defaults."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from devkit_core.errors import ConfigError, Place, Problem
from devkit_core.model.config_fields import (
    NAMES,
    ConfigField,
    Fault,
    Path,
    check_values,
    missing,
    plain,
    same,
)

__all__ = [
    "HIDDEN",
    "MAX_BYTES",
    "Layer",
    "Origin",
    "PluginConfig",
    "assemble",
    "dotted",
    "field_at",
    "from_text",
    "refused",
]

MAX_BYTES: Final = 512 * 1024  # of all values of one plugin, as JSON: they go in one frame
HIDDEN: Final = "***"  # stands for a secret wherever values are shown

Scope = Literal["default", "file", "secret", "environment", "command-line", "runtime"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: a file and line, or a variable, where it is one of those."""

    scope: Scope
    place: Place | None = None
    variable: str | None = None

    def __str__(self) -> str:
        return str(self.place or self.variable or self.scope)


@dataclass(frozen=True, slots=True)
class Layer:
    """Values of one origin, by key, and where each stands."""

    values: Mapping[str, Any]
    origin: Callable[[Path], Origin]


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """The settings of one plugin that are in force: `values` are real, `shown()` hides the secrets.

    `origins` says of each top-level key where its value came from; of a table, where the last part of it did.
    """

    plugin: str
    values: Mapping[str, Any] = field(repr=False)
    origins: Mapping[str, Origin]
    secrets: frozenset[str]

    def shown(self) -> dict[str, Any]:
        """Return the values with `***` in the place of each secret, as JSON-ready data."""
        return {name: HIDDEN if name in self.secrets else plain(v) for name, v in self.values.items()}

    def changed(self, before: PluginConfig) -> list[str]:
        """Return the top-level keys whose values differ from another state's, sorted."""
        names = {*self.values, *before.values}
        return sorted(name for name in names if not same(self.values.get(name), before.values.get(name)))


def field_at(fields: Mapping[str, ConfigField], key: str) -> ConfigField | None:
    """Return the setting that a dotted key names, as `server.port`, or None."""
    found: ConfigField | None = None
    for part in key.split("."):
        found = fields.get(part)
        if found is None:
            return None
        fields = found.fields
    return found


def from_text(wanted: ConfigField, text: str) -> Any:
    """Read a value from a variable or an argument; raises ValueError, which never shows the text.

    Numbers and booleans as in TOML; arrays and tables as JSON; an array of single values also by comma.
    """
    match wanted.type:
        case "string":
            return text
        case "boolean":
            value = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
            if value is None:
                raise ValueError("must be true or false")
            return value
        case "integer" | "number":
            return _number(wanted.type, text.strip())
    if wanted.type == "array" and not text.lstrip().startswith("["):
        items = wanted.items
        if items is None or items.type in ("array", "table"):
            raise ValueError("must be an array, written as JSON")
        return [from_text(items, part.strip()) for part in text.split(",")] if text.strip() else []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list if wanted.type == "array" else dict):
        raise ValueError(f"must be {NAMES[wanted.type]}, written as JSON") from None
    return value


def _number(kind: str, text: str) -> int | float:
    if len(text) <= 40:  # longer ones take int() quadratic time, and none is in range
        for read in (int, float):
            try:
                if kind == "number" or read is int:
                    return read(text)
            except ValueError:
                continue
    raise ValueError(f"must be {NAMES[kind]}")


def assemble(
    plugin: str, fields: Mapping[str, ConfigField], layers: Iterable[Layer], *, home: Place | None = None
) -> PluginConfig:
    """Lay values over the defaults, the last layer on top; tables are merged, all else is replaced.

    `home` is where a missing value is to be written, for the errors. Raises ConfigError with every
    problem: of each layer where it stands, then what is missing.
    """
    values = _defaults(fields)
    origins = {name: Origin("default") for name in values}
    problems: list[Problem] = []
    for layer in layers:
        faults = check_values(fields, layer.values)
        problems += (_problem(each, layer.origin(each.path)) for each in faults)
        wrong = {each.path[0] for each in faults}
        for name, value in layer.values.items():
            if name not in wrong:
                values[name] = _merged(fields[name], values.get(name), plain(value))
                origins[name] = layer.origin((name,))
    if not problems:
        values = {n: _filled(fields[n], v) for n, v in values.items()}
        for fault in missing(fields, values, ()):
            key = dotted(fault.path)
            place = Place(home.path, key=key) if home else None
            hint = f"devkit plugin config {plugin} set {key} VALUE"
            problems.append(Problem(fault.code, f"`{key}` of `{plugin}` {fault.message}", place, hint))
        size = len(json.dumps(values))
        if size > MAX_BYTES:
            message = f"the settings of `{plugin}` have {size:,} bytes; at most {MAX_BYTES:,} are allowed"
            problems.append(Problem("plugin-config-invalid", message, home))
    if problems:
        raise refused(plugin, problems)
    secrets = frozenset(name for name, each in fields.items() if each.secret)
    return PluginConfig(plugin, values, origins, secrets)


def refused(plugin: str, problems: list[Problem]) -> ConfigError:
    """Return one error of all problems, led by the first."""
    first = problems[0]
    message = first.message if len(problems) == 1 else f"{first.message} (and {len(problems) - 1} more)"
    return ConfigError(
        message, code=first.code, place=first.place, hint=first.hint, plugin=plugin, problems=problems
    )


def _problem(fault: Fault, origin: Origin) -> Problem:
    key = dotted(fault.path)
    place = origin.place or Place(origin.variable or origin.scope, key=key)
    return Problem(fault.code, f"`{key}` {fault.message}", place, fault.hint)


def dotted(path: Path) -> str:
    """Return a path as a reader of the file would write it: `server.ports[0]`."""
    text = ""
    for part in path:
        name = part if isinstance(part, int) or part.isprintable() else ascii(part)
        text += f"[{name}]" if isinstance(part, int) else f".{name}" if text else str(name)
    return text


def _defaults(fields: Mapping[str, ConfigField]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in fields.items():
        inner = _defaults(each.fields)
        if each.default is not None:
            found[name] = _filled(each, plain(each.default))
        elif inner and not any(missing(each.fields, inner)):
            found[name] = inner  # a table that nobody gives and that would lack something isn't there
    return found


def _filled(wanted: ConfigField, value: Any) -> Any:
    """Return a value with the defaults of its tables' keys that it leaves out."""
    if wanted.type == "table" and isinstance(value, dict) and wanted.fields:
        inner = {name: _filled(wanted.fields[name], item) for name, item in value.items()}
        return {**_defaults(wanted.fields), **inner}
    if wanted.type == "array" and isinstance(value, list) and wanted.items is not None:
        return [_filled(wanted.items, item) for item in value]
    return value


def _merged(wanted: ConfigField, under: Any, over: Any) -> Any:
    if wanted.type != "table" or not wanted.fields or not isinstance(under, dict):
        return over
    merged = dict(under)
    for name, value in over.items():
        merged[name] = _merged(wanted.fields[name], under.get(name), value)
    return merged
