"""JSON Schemas, compiled once, that check values in bounded time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from devkit_core.model.config_fields import plain
from devkit_core.model.locate import KeyPath
from devkit_core.model.rules import nearest
from devkit_core.model.schema_keywords import never, typed, whole
from devkit_core.model.schema_misses import (
    MISSING,
    NAMES,
    TYPES,
    Check,
    Miss,
    Steps,
    TooMuchWork,
    expectation,
)
from devkit_core.model.schema_reading import KEYWORDS, KNOWN, Refused, Site

__all__ = ["MISSING", "Miss", "Schema", "SchemaFault", "TooMuchWork", "faults", "json_path"]

_MAX_SCHEMAS: Final = 2000  # schemas inside one
_MAX_DEPTH: Final = 32  # of a schema's own nesting
_BASE_STEPS: Final = 100_000  # of one check; those that a value's size brings come on top
_NOT_HERE: Final[Mapping[str, str]] = {
    "$anchor": "write `#/$defs/NAME` in `$ref`",
    "$dynamicAnchor": "write `#/$defs/NAME` in `$ref`",
    "$dynamicRef": "write `$ref`",
    "$id": "take it out: each schema stands alone",
    "$recursiveRef": "write `$ref`",
    "additionalItems": "write `prefixItems` for the first entries and `items` for the rest",
    "dependencies": "write `dependentRequired` or `dependentSchemas`",
    "nullable": 'write `type = ["string", "null"]`',
    "unevaluatedItems": "write `items`",
    "unevaluatedProperties": "write `additionalProperties`",
}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DIALECTS: Final = (_DIALECT, _DIALECT + "#")


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """What is wrong with a schema at `path` inside it; the message goes on from the key."""

    path: KeyPath
    message: str
    hint: str | None = None
    warning: bool = False


class Schema:
    """A schema that values are checked by; made for one that `faults` finds no error in.

    A stranger may have written it: the work of one check is bounded by the size of the value, patterns
    take linear time, and nothing is fetched.
    """

    def __init__(self, data: Any) -> None:
        self._check = Compiler(data).whole()

    def check(self, value: Any, size: int) -> Miss | None:
        """Return where a decoded JSON value breaks the schema first, or None.

        `size` is that of its text in bytes. Raises TooMuchWork where a check would take too long.
        """
        try:
            return self._check(value, Steps(_BASE_STEPS + 2 * size)) if self._check is not None else None
        except RecursionError:
            raise TooMuchWork("it is nested too deep") from None


def json_path(path: KeyPath) -> str:
    """Return a place in a value as a JSONPath: `$.of[2]`; keys that no name looks like are quoted."""
    text = "$"
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier() and part.isascii() and len(part) <= 60:
            text += f".{part}"
        else:
            text += f"[{json.dumps(part if len(part) <= 60 else part[:60] + '…')}]"
    return text


def faults(data: Any) -> list[SchemaFault]:
    """Return all that is wrong or doubtful in a schema, errors and warnings, in the order of its keys."""
    compiler = Compiler(data)
    compiler.whole()
    return compiler.faults


class Cell:
    """The check of one schema, which may be asked for while it is being made."""

    __slots__ = ("made", "whole")

    def __init__(self) -> None:
        self.made: Check | None = None
        self.whole = False

    def check(self) -> Check | None:
        """Return the check, None where it demands nothing; before it is whole, what will call it."""
        return self.made if self.whole else self._later

    def _later(self, value: Any, steps: Steps) -> Miss | None:
        return self.made(value, steps) if self.made is not None else None


class Compiler:
    """Goes through a schema once, notes its faults and makes one function of it."""

    def __init__(self, data: Any) -> None:
        self.data = plain(data)
        self.faults: list[SchemaFault] = []
        self._made: dict[KeyPath, Cell] = {}
        self._beside: dict[KeyPath, list[KeyPath]] = {}  # schemas that look at the same value
        self._count = 0

    def whole(self) -> Check | None:
        """Return the check of the whole schema; `faults` then holds what is wrong with it."""
        check = self.schema((), self.data).check()
        for start in list(self._beside):
            self._follow(start)
        return check

    def schema(self, path: KeyPath, data: Any) -> Cell:
        """Return the cell of the schema at a path; made once."""
        if path in self._made:
            return self._made[path]
        cell = self._made[path] = Cell()
        self._count += 1
        if self._count > _MAX_SCHEMAS:
            self._fault((), f"holds more than {_MAX_SCHEMAS:,} schemas")
        elif len(path) > 2 * _MAX_DEPTH:
            self._fault(path, "is nested too deep", "move the inner part to `$defs`")
        elif data is False:
            cell.made = never
        elif isinstance(data, dict):
            cell.made = self._table(path, data)
        elif data is not True:
            self._fault(path, "must be a schema: a table, true or false")
        cell.whole = True
        return cell

    def _table(self, path: KeyPath, data: dict[str, Any]) -> Check | None:
        self._look_over(path, data)
        types = self._types(path, data)
        found: list[tuple[str | None, Check]] = []
        for names, kind, make in KEYWORDS:
            if names.isdisjoint(data):
                continue
            try:
                check = make(Site(self, path, data))
            except Refused:
                continue
            if check is not None:
                found.append((kind, check))
        expected = expectation({"type": data["type"]}) if types is not None else ""
        table: dict[type, tuple[Check, ...]] = {}
        for kind_of, name in TYPES.items():
            group = "number" if name == "integer" else name
            checks = [check for kind, check in found if kind is None or kind == group]
            if types is None or name in types or group in types:
                pass
            elif name == "number" and "integer" in types:
                checks.insert(0, whole(expected))
            else:
                checks = [typed(expected)]
            table[kind_of] = tuple(checks)
        return _by_type(table) if any(table.values()) else None

    def _look_over(self, path: KeyPath, data: dict[str, Any]) -> None:
        """Note keywords that mean nothing here, and go through the schemas that are only referred to."""
        for name, value in data.items():
            if name in _NOT_HERE:
                self._fault((*path, name), "isn't supported here", _NOT_HERE[name])
            elif name == "$schema" and value not in _DIALECTS:
                self._fault((*path, name), "names another dialect", f'write "{_DIALECT}", or leave it out')
            elif name not in KNOWN and not name.startswith("x-"):
                near = nearest(name, sorted(KNOWN))
                hint = f"did you mean `{near}`?" if near else "it has no effect"
                self._fault((*path, name), "is no keyword of JSON Schema", hint, warning=True)
        for name in ("$defs", "definitions"):
            if name in data and not isinstance(data[name], dict):
                self._fault((*path, name), "must be a table of schemas")
            elif name in data:
                for key, value in data[name].items():
                    self.schema((*path, name, key), value)

    def _types(self, path: KeyPath, data: dict[str, Any]) -> list[str] | None:
        if "type" not in data:
            return None
        given = data["type"]
        types = given if isinstance(given, list) else [given]
        for each in types:
            if not isinstance(each, str) or each not in NAMES:
                near = nearest(each, NAMES) if isinstance(each, str) else None
                hint = f"did you mean `{near}`?" if near else f"write one of {', '.join(NAMES)}"
                self._fault((*path, "type"), "is no type of JSON", hint)
                return None
        if not types:
            self._fault((*path, "type"), "allows nothing", "name a type, or write `false` for the schema")
            return None
        return types

    def beside(self, path: KeyPath, other: KeyPath) -> None:
        """Note that two schemas look at the same value."""
        self._beside.setdefault(path, []).append(other)

    def target(self, reference: str) -> tuple[KeyPath, Any]:
        """Return the path and the schema that a `$ref` leads to; raises LookupError."""
        path: KeyPath = ()
        value = self.data
        for part in reference.removeprefix("#").split("/")[1:]:
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            key: str | int = int(name) if isinstance(value, list) and name.isdecimal() else name
            value = value[key]
            path += (key,)
        return path, value

    def _follow(self, start: KeyPath) -> None:
        """Note a schema that comes back to itself without going into the value: it would never end."""
        seen: set[KeyPath] = set()
        stack = list(self._beside[start])
        while stack:
            path = stack.pop()
            if path == start:
                self._fault(
                    start, "refers to itself for the same value", "refer from `properties` or `items`"
                )
                return
            if path not in seen:
                seen.add(path)
                stack.extend(self._beside.get(path, ()))

    def _fault(self, path: KeyPath, message: str, hint: str | None = None, *, warning: bool = False) -> None:
        fault = SchemaFault(path, message, hint, warning)
        if fault not in self.faults and len(self.faults) < 100:
            self.faults.append(fault)

    def refuse(self, path: KeyPath, message: str, hint: str | None = None) -> NoReturn:
        """Note a fault and give its keyword up."""
        self._fault(path, message, hint)
        raise Refused


def _by_type(table: dict[type, tuple[Check, ...]]) -> Check:
    def check(value: Any, steps: Steps) -> Miss | None:
        steps.left -= 1
        if steps.left < 0:
            steps.spend(0)
        for each in table[type(value)]:
            if (miss := each(value, steps)) is not None:
                return miss
        return None

    return check
