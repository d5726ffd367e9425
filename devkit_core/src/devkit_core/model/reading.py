"""Turns a manifest's tables into types, and collects all that is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import Struct, ValidationError

from devkit_core.model import rules
from devkit_core.model.config_fields import ConfigField
from devkit_core.model.keys import FORMER_NAMES, KEY_RULES, RULES, UNSUPPORTED
from devkit_core.model.locate import KeyPath
from devkit_core.model.rules import Fault, Rule, nearest, shown
from devkit_core.model.tables import Limits, Manifest, Security, Timeouts, frozen

__all__ = ["BAD", "Finding", "Reader", "dotted"]

# A misspelt limit would be no limit.
_NO_UNKNOWN_KEYS: Final = frozenset({ConfigField, Limits, Security, Timeouts})
BAD: Final = object()  # stands for a value that can't be used
_MOST_SHOWN: Final = 100  # findings of one severity; more would help nobody and cost time
_INT_RANGE: Final = range(-(2**63), 2**63)
_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "a boolean"),
    (str, "a string"),
    (int, "an integer"),
    (float, "a float"),
    (list, "an array"),
    (dict, "a table"),
    (datetime, "a date and time"),
    (date, "a date"),
    (time, "a time"),
)
_NAMES: Final[Mapping[str, str]] = {
    "str": "a string",
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "array": "an array",
    "object": "a table",
    "datetime": "a date and time",
}
_EXPECTED: Final = re.compile(r"Expected `(\w+)(?: \| null)?`(, got `\w+)?")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault and the value it is at; `on_key` where the key itself is meant."""

    path: KeyPath
    fault: Fault
    on_key: bool = False


def dotted(path: KeyPath) -> str:
    """Return a path as a reader of the file would write it: `dependencies[0].version`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part.isidentifier() and len(part) <= 60 else shown(part).replace("`", '"')
            text += f".{name}" if text else name
    return text


# resolving a type's annotations takes longer than reading a table by them
_fields = cache(msgspec.structs.fields)


class Reader:
    """Reads tables field by field, so that one fault hides no other; `findings` grows meanwhile."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._faulty: set[tuple[KeyPath, bool]] = set()
        self._room = {True: _MOST_SHOWN, False: _MOST_SHOWN}

    def add(self, path: KeyPath, fault: Fault | None, *, on_key: bool = False) -> bool:
        """Note a fault, unless its place has one; return whether the value can't be used."""
        if fault is None:
            return False
        if self._room[fault.warning] and (path, on_key) not in self._faulty:
            self._room[fault.warning] -= 1
            self._faulty.add((path, on_key))
            self.findings.append(Finding(path, fault, on_key))
        return not fault.warning

    def data(self, value: Any, path: KeyPath = ()) -> None:
        """Check every text, key and number of a document for what no manifest may hold."""
        if isinstance(value, str):
            self.add(path, rules.readable(value))
        elif isinstance(value, list):
            for number, item in enumerate(value):
                self.data(item, (*path, number))
        elif isinstance(value, dict):
            for key, item in value.items():
                self.add((*path, key), rules.readable(key), on_key=True)
                self.data(item, (*path, key))
        elif type(value) is int and value not in _INT_RANGE:
            self.add(path, Fault("is an integer of more than 64 bits"))

    def struct(
        self, kind: type[Struct], value: Any, path: KeyPath, known: frozenset[str] = frozenset()
    ) -> Any:
        """Read one table, or BAD; its keys that are neither the type's nor `known` are noted."""
        if not isinstance(value, dict):
            return self.wrong(path, "a table", value)
        table = self._renamed(kind, value, path)
        fields = _fields(kind)
        values: dict[str, Any] = {}
        whole = True
        for field in fields:
            name = field.name
            if name in table:
                source, item = table[name]
                read = self.value(kind, name, field.type, item, (*path, source))
                if read is BAD:
                    whole = False
                else:
                    values[name] = read
            elif field.required:
                self.add(
                    (*path, name), Fault("is missing", _needed(name), "manifest-missing-key"), on_key=True
                )
                whole = False
        names = {field.name for field in fields}
        for name in table:
            if name not in names and name not in known:
                self.unknown(kind, name, path, names | known)
        return kind(**values) if whole else BAD

    def unknown(self, kind: type, name: str, path: KeyPath, known: set[str] | frozenset[str]) -> None:
        """Note a key that means nothing, with the one that was probably meant."""
        fault = UNSUPPORTED.get((kind, name))
        if fault is None and not self._room[kind not in _NO_UNKNOWN_KEYS]:
            return
        if fault is None:
            near = nearest(name, sorted(known))
            hint = f"did you mean `{near}`?" if near else f"known here: {', '.join(sorted(known))}"
            fault = Fault("is no known key", hint, "manifest-unknown-key", kind not in _NO_UNKNOWN_KEYS)
        self.add((*path, name), fault, on_key=True)

    def value(self, kind: type, name: str, wanted: Any, value: Any, path: KeyPath) -> Any:
        """Read one value of the type that `kind` wants for `name`; `BAD` when it can't be used."""
        core, most = _core(wanted)
        origin = get_origin(core)
        if core is Any:
            return BAD if self._not_json(value, path) else frozen(value)
        if isinstance(core, type) and issubclass(core, Struct):
            return self.struct(core, value, path)
        if origin is tuple:
            if not isinstance(value, list):
                return self.wrong(path, "an array", value, _array_hint(path, value))
            if self.too_many(path, value, most):
                return BAD
            items = [
                self.value(kind, name, get_args(core)[0], item, (*path, number))
                for number, item in enumerate(value)
            ]
            return BAD if BAD in items else tuple(items)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping((kind, name), wanted, value, path)
        return self._scalar(wanted, RULES.get((kind, name), rules.line), value, path)

    def _mapping(self, key_of: tuple[type, str], wanted: Any, value: Any, path: KeyPath) -> Any:
        core, most = _core(wanted)
        kind, name = key_of
        if not isinstance(value, dict):
            return self.wrong(path, "a table", value)
        key_type, value_type = get_args(core)
        if value_type is Any:
            return self._plain(kind, value, path)
        if self.too_many(path, value, most):
            return BAD
        found = {}
        for key, item in value.items():
            at = (*path, key)
            key_rule = KEY_RULES.get(key_of, rules.line)
            good = self._scalar(key_type, key_rule, key, at, on_key=True) is not BAD
            read = self.value(kind, name, value_type, item, at)
            if good and read is not BAD:
                found[key] = read
        return frozen(found) if len(found) == len(value) else BAD

    def _plain(self, kind: type, value: dict[str, Any], path: KeyPath) -> Any:
        if kind is Manifest:
            fault = Fault(
                "has no effect", "DevKit runs no build or development commands", "manifest-unsupported", True
            )
            self.add(path, fault, on_key=True)
        elif self._not_json(value, path):
            return BAD
        return frozen(value)

    def _not_json(self, value: Any, path: KeyPath) -> bool:
        if isinstance(value, dict):
            bad = [self._not_json(item, (*path, key)) for key, item in value.items()]
            reference = value.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#"):
                hint = "write what it refers to into `$defs`, and `#/$defs/NAME` here"
                bad.append(self.add((*path, "$ref"), Fault("leads out of the schema", hint)))
            return any(bad)
        if isinstance(value, list):
            bad = [self._not_json(item, (*path, number)) for number, item in enumerate(value)]
            return any(bad)
        if isinstance(value, date | time):
            return self.add(path, Fault("is a date, which JSON doesn't have", "write it in quotes"))
        if isinstance(value, float) and not math.isfinite(value):
            return self.add(path, Fault("is a number that JSON doesn't have"))
        return False

    def _scalar(self, wanted: Any, rule: Rule, value: Any, path: KeyPath, *, on_key: bool = False) -> Any:
        if isinstance(value, str) and self.add(path, rule(value), on_key=on_key):
            return BAD
        if isinstance(value, float) and math.isnan(value):
            return self.wrong(path, "a number", value)
        try:
            return msgspec.convert(value, wanted)
        except ValidationError as error:
            self.add(path, _fault(str(error), value), on_key=on_key)
            return BAD

    def _renamed(self, kind: type, table: dict[str, Any], path: KeyPath) -> dict[str, tuple[str, Any]]:
        """Return each value under its present name, with the name it was found by."""
        found = {name: (name, value) for name, value in table.items()}
        for (of, former), name in FORMER_NAMES.items():
            if of is kind and former in table:
                moved = found.pop(former)
                if name in table:
                    fault = Fault(f"says the same as `{name}`", "keep one of them")
                else:
                    found[name] = moved
                    hint = f"write `{name}`"
                    fault = Fault("is a former name", hint, "manifest-former-spelling", warning=True)
                self.add((*path, former), fault, on_key=True)
        return found

    def too_many(self, path: KeyPath, value: Any, most: int | None) -> bool:
        if most is None or len(value) <= most:
            return False
        return self.add(path, Fault(f"has {len(value)} entries; at most {most} are allowed"), on_key=True)

    def wrong(self, path: KeyPath, expected: str, value: Any, hint: str | None = None) -> Any:
        self.add(path, Fault(f"must be {expected}, not {_kind(value)}", hint, "manifest-type"))
        return BAD


def _core(wanted: Any) -> tuple[Any, int | None]:
    """Return a type without its annotations and None, and the greatest length it allows."""
    most: int | None = None
    while True:
        if get_origin(wanted) is Annotated:
            wanted, *metas = get_args(wanted)
            most = next((meta.max_length for meta in metas if meta.max_length is not None), most)
        elif get_origin(wanted) is Union or type(wanted).__name__ == "UnionType":
            wanted = next(arg for arg in get_args(wanted) if arg is not type(None))
        else:
            return wanted, most


def _kind(value: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "something else")


def _fault(message: str, value: Any) -> Fault:
    """Say in words of TOML what msgspec found."""
    message = message.partition(" - at `$")[0]
    if "RFC3339" in message or "timezone" in message:
        return Fault("is no RFC 3339 date and time", "write it as `2024-01-31T12:00:00Z`")
    if "matching regex" in message:
        letters = "letters" if "A-Z" in message else "a-z"
        return Fault(f"may not be {shown(str(value))}", f"write {letters}, digits and `_`, a letter first")
    found = _EXPECTED.match(message)
    expected = _NAMES.get(found[1], found[1]) if found else ""
    if found and found[2]:
        return Fault(f"must be {expected}, not {_kind(value)}", code="manifest-type")
    if found:
        return Fault(f"must be {expected}{message[found.end() :]}")
    return Fault(f"can't be used: {message[:1].lower()}{message[1:]}")


def _needed(name: str) -> str:
    example = {"version": "1.0.0", "entry_point": "plugin.py", "id": "my-plugin"}.get(name, "…")
    return f'add `{name} = "{example}"`'


def _array_hint(path: KeyPath, value: Any) -> str | None:
    if isinstance(value, dict):
        return f"write `[[{dotted(path)}]]`, with two brackets"
    return (
        f"write `{path[-1]} = [{shown(value)[1:-1]!r}]`".replace("'", '"') if isinstance(value, str) else None
    )
