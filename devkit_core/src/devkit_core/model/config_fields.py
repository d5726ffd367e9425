"""The schema of a plugin's own settings, and values checked by it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from devkit_core.model.patterns import MAX_PATTERN, MAX_TEXT, PatternError, compile_pattern
from devkit_core.model.rules import nearest

__all__ = [
    "NAMES",
    "TYPES",
    "ConfigField",
    "Fault",
    "Key",
    "Path",
    "check_values",
    "missing",
    "plain",
    "same",
    "schema_faults",
]

TYPES: Final = ("string", "integer", "number", "boolean", "array", "table")
_MAX_DEPTH: Final = 32
_INTEGERS: Final = range(-(2**63), 2**63)
NAMES: Final = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "table": "a table",
}

Key = Annotated[str, Meta(pattern="^[a-z](?:_?[a-z0-9])*$", max_length=64)]
Length = Annotated[int, Meta(ge=0, le=1_000_000)]
#: what a value is reached by: keys of tables, positions in arrays
Path = tuple[str | int, ...]


class ConfigField(Struct, frozen=True, kw_only=True):
    """One setting of the plugin: its type, what it may be, and its value where nobody sets it."""

    type: Annotated[
        str, Meta(max_length=16, description="What it is.", extra_json_schema={"enum": list(TYPES)})
    ]
    description: Annotated[str, Meta(max_length=1000, description="What it means.")] = ""
    default: Annotated[Any, Meta(description="Its value where nobody sets it.")] = None
    required: Annotated[bool, Meta(description="Refuse to load without it.")] = False
    min: Annotated[float | None, Meta(description="The least number.")] = None
    max: Annotated[float | None, Meta(description="The greatest number.")] = None
    min_length: Annotated[Length | None, Meta(description="The fewest characters, or entries.")] = None
    max_length: Annotated[Length | None, Meta(description="The most characters, or entries.")] = None
    pattern: Annotated[
        Annotated[str, Meta(max_length=MAX_PATTERN)] | None,
        Meta(description="What the whole text has to match."),
    ] = None
    allowed_values: Annotated[
        tuple[Any, ...], Meta(max_length=200, description="The only values that it may have.")
    ] = ()
    items: Annotated[ConfigField | None, Meta(description="What each entry of an array is.")] = None
    fields: Annotated[Mapping[Key, ConfigField], Meta(max_length=100, description="The keys of a table.")] = (
        field(default_factory=dict)
    )
    secret: Annotated[bool, Meta(description="Kept apart, and never shown.")] = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one value; never says what the value is, which may be a secret."""

    path: Path
    message: str
    hint: str | None = None
    code: str = "plugin-config-invalid"


def plain(value: Any) -> Any:
    """Return a value as JSON-ready data: dictionaries and lists, all the way down."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def check_values(fields: Mapping[str, ConfigField], values: Mapping[str, Any], at: Path = ()) -> list[Fault]:
    """Return all that is wrong with the values that are given; those that are missing are no fault here."""
    return list(_table(fields, values, at))


def _table(fields: Mapping[str, ConfigField], values: Mapping[str, Any], at: Path) -> Iterator[Fault]:
    for name, value in values.items():
        if not isinstance(name, str) or name not in fields:
            near = nearest(str(name), fields)
            hint = f"did you mean `{near}`?" if near else f"there are: {', '.join(sorted(fields)) or 'none'}"
            yield Fault(
                (*at, str(name)[:64]), "is no setting of the plugin", hint, "plugin-config-unknown-key"
            )
        else:
            yield from _value(fields[name], value, (*at, name))


def _value(wanted: ConfigField, value: Any, at: Path) -> Iterator[Fault]:
    if not _is(wanted.type, value):
        yield Fault(at, f"must be {NAMES.get(wanted.type, wanted.type)}, not {_kind(value)}")
        return
    if not _readable(value):
        yield Fault(at, "holds what neither TOML nor JSON has, or is too deep", "use plain data")
        return
    if wanted.allowed_values and not any(same(plain(value), plain(a)) for a in wanted.allowed_values):
        allowed = ", ".join(json.dumps(plain(a), ensure_ascii=False)[:60] for a in wanted.allowed_values[:20])
        yield Fault(at, "is none of the values that it may have", f"it may be: {allowed}")
    if isinstance(value, int | float):
        if wanted.min is not None and value < wanted.min:
            yield Fault(at, f"is less than {wanted.min:g}")
        if wanted.max is not None and value > wanted.max:
            yield Fault(at, f"is greater than {wanted.max:g}")
    if isinstance(value, str | list | tuple):
        parts = "characters" if isinstance(value, str) else "entries"
        if wanted.min_length is not None and len(value) < wanted.min_length:
            yield Fault(at, f"has fewer than {wanted.min_length:,} {parts}")
        if wanted.max_length is not None and len(value) > wanted.max_length:
            yield Fault(at, f"has more than {wanted.max_length:,} {parts}")
    if isinstance(value, str) and wanted.pattern is not None:
        yield from _matched(wanted.pattern, value, at)
    if isinstance(value, list | tuple) and wanted.items is not None:
        for number, item in enumerate(value):
            yield from _value(wanted.items, item, (*at, number))
            if wanted.items.type == "table":
                yield from missing(wanted.items.fields, item, (*at, number))
    if isinstance(value, Mapping) and wanted.fields:
        yield from _table(wanted.fields, value, at)


def _matched(pattern: str, value: str, at: Path) -> Iterator[Fault]:
    if len(value) > MAX_TEXT:
        yield Fault(at, f"has more than {MAX_TEXT:,} characters, so no pattern is matched")
    elif not compile_pattern(pattern).matches(value):
        yield Fault(at, "doesn't match the pattern that it has to", f"the pattern: {pattern}")


def missing(fields: Mapping[str, ConfigField], values: Any, at: Path = ()) -> Iterator[Fault]:
    """Return the required settings that aren't there, in tables that are there too."""
    if not isinstance(values, Mapping):
        return
    for name, wanted in fields.items():
        if name not in values:
            if wanted.required:
                yield Fault((*at, name), "is missing", None, "plugin-config-missing")
        elif wanted.type == "table":
            yield from missing(wanted.fields, values[name], (*at, name))


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return type(value) is int and value in _INTEGERS
        case "number":
            finite = isinstance(value, float) and math.isfinite(value)
            return finite or (type(value) is int and value in _INTEGERS)
        case "array":
            return isinstance(value, list | tuple)
        case "table":
            return isinstance(value, Mapping)
    return False


def _kind(value: Any) -> str:
    if type(value) is int and value not in _INTEGERS:
        return "one of more than 64 bits"
    for kind, name in NAMES.items():
        if _is(kind, value):
            return name if kind != "boolean" else "a boolean"
    return f"a {type(value).__name__}"


def _readable(value: Any, depth: int = 0) -> bool:
    """Say whether a value is plain data, all of it Unicode and finite."""
    if isinstance(value, str):
        return value.isprintable() or not any(0xD800 <= ord(c) < 0xE000 for c in value)
    if depth > _MAX_DEPTH:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _readable(k) and _readable(v, depth + 1) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(_readable(item, depth + 1) for item in value)
    return any(_is(kind, value) for kind in ("number", "boolean"))


def same(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    return json.dumps(plain(one), sort_keys=True) == json.dumps(plain(other), sort_keys=True)


def schema_faults(fields: Mapping[str, ConfigField], at: Path = ()) -> Iterator[Fault]:
    """Return what contradicts itself in a manifest's `[config]`."""
    for name, each in fields.items():
        yield from _field_faults(each, (*at, name), top=not at)


def _field_faults(each: ConfigField, at: Path, *, top: bool, item: bool = False) -> Iterator[Fault]:
    kind = each.type
    bounds = (("min", "max", ("integer", "number")), ("min_length", "max_length", ("string", "array")))
    for low, high, kinds in bounds:
        least, most = getattr(each, low), getattr(each, high)
        for name, value in ((low, least), (high, most)):
            if value is not None and kind not in kinds:
                yield Fault((*at, name), f"has no meaning for {NAMES[kind]}", "take it out")
        if least is not None and most is not None and least > most:
            yield Fault((*at, low), f"is greater than `{high}`")
    for name, given, wanted in (
        ("pattern", each.pattern is not None, "string"),
        ("items", each.items is not None, "array"),
        ("fields", bool(each.fields), "table"),
    ):
        if given and kind != wanted:
            yield Fault((*at, name), f"has no meaning for {NAMES[kind]}", "take it out")
    if each.secret and not top:
        yield Fault((*at, "secret"), "is for whole settings only", "make it a setting of its own")
    if each.secret and each.default is not None:
        yield Fault((*at, "default"), "would be a secret that everybody can read", "take it out")
    if item:
        for name, given in (("default", each.default is not None), ("required", each.required)):
            if given:
                yield Fault((*at, name), "has no meaning for the entries of an array", "take it out")
    if each.required and each.default is not None and not item:
        yield Fault((*at, "required"), "has no effect beside a default", "keep one of them")
    broken = _pattern_fault(each, at)
    if broken is not None:
        yield broken
        return  # no value can be matched with it
    bare = ConfigField(type=kind)
    for number, value in enumerate(each.allowed_values):
        yield from _value(bare, value, (*at, "allowed_values", number))
    inner = [*schema_faults(each.fields, (*at, "fields"))]
    if each.items is not None:
        inner += _field_faults(each.items, (*at, "items"), top=False, item=True)
    yield from inner
    if each.default is not None and not inner and not item:
        yield from _value(each, each.default, (*at, "default"))


def _pattern_fault(each: ConfigField, at: Path) -> Fault | None:
    if each.pattern is None:
        return None
    try:
        compile_pattern(each.pattern)
    except PatternError as error:
        return Fault((*at, "pattern"), str(error))
    return None
