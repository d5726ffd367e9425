"""Turns the keywords of a JSON Schema's table into checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from devkit_core.model import schema_keywords as keywords
from devkit_core.model.locate import KeyPath
from devkit_core.model.patterns import Pattern, PatternError, compile_search
from devkit_core.model.rules import shown
from devkit_core.model.schema_misses import TYPES, Check, expectation

if TYPE_CHECKING:
    from devkit_core.model.json_schema import Compiler

__all__ = ["KEYWORDS", "KNOWN", "SAYS_NOTHING", "Refused", "Site"]

#: keywords that describe and demand nothing, or only hold schemas that others refer to
SAYS_NOTHING: Final = frozenset(
    {
        "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format",
        "$comment", "contentMediaType", "contentEncoding", "contentSchema", "$defs", "definitions",
    }
)  # fmt: skip


class Refused(Exception):
    """A keyword whose value can't be used; its fault is noted."""


class Site:
    """One schema's table while a check is made of some of its keywords."""

    def __init__(self, compiler: Compiler, path: KeyPath, data: dict[str, Any]) -> None:
        self.data = data
        self._compiler = compiler
        self._path = path

    def refuse(self, message: str, *at: str | int, hint: str | None = None) -> NoReturn:
        """Note what is wrong at a keyword, and give it up."""
        self._compiler.refuse((*self._path, *at), message, hint)

    def sub(self, *at: str | int, same: bool = False) -> Check | None:
        """Return the check of a schema inside; `same` says that it looks at the same value."""
        value: Any = self.data
        for part in at:
            value = value[part]
        path = (*self._path, *at)
        if same:
            self._compiler.beside(self._path, path)
        return self._compiler.schema(path, value).check()

    def subs(self, name: str, *, same: bool = False) -> list[Check | None]:
        """Return the checks of an array of schemas."""
        value = self.data[name]
        if not isinstance(value, list) or not value:
            self.refuse("must be an array of schemas, with one at least", name)
        return [self.sub(name, number, same=same) for number in range(len(value))]

    def table(self, name: str) -> dict[str, Any]:
        """Return a keyword's table, empty where it isn't there."""
        value = self.data.get(name, {})
        if not isinstance(value, dict):
            self.refuse("must be a table", name)
        return value

    def words(self, *at: str) -> list[str]:
        """Return a keyword's array of strings."""
        value: Any = self.data
        for part in at:
            value = value[part]
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.refuse("must be an array of strings", *at)
        return value

    def count(self, name: str) -> int | None:
        """Return a keyword's whole number from 0, None where it isn't there."""
        value = self.data.get(name)
        if value is not None and (type(value) is not int or value < 0):
            self.refuse("must be an integer, 0 or more", name)
        return value

    def number(self, name: str) -> float:
        """Return a keyword's number."""
        value = self.data[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse("must be a number", name)
        return value

    def pattern(self, text: Any, *at: str) -> Pattern:
        """Return a pattern, compiled."""
        if not isinstance(text, str):
            self.refuse("must be a string", *at)
        try:
            return compile_search(text)
        except PatternError as error:
            message, _, hint = str(error).partition("; ")
            self.refuse(f"{message}, in its pattern", *at, hint=hint or None)

    def refer(self) -> Check | None:
        """Return what checks by the schema that `$ref` leads to."""
        reference = self.data["$ref"]
        if not isinstance(reference, str) or not re.fullmatch("#(/.*)?", reference):
            self.refuse("leads out of the schema", "$ref", hint="write `#/$defs/NAME`")
        try:
            path, value = self._compiler.target(reference)
        except (LookupError, TypeError, ValueError):
            self.refuse(f"leads nowhere: {shown(reference)}", "$ref")
        self._compiler.beside(self._path, path)
        return self._compiler.schema(path, value).check()


def _enumerated(site: Site) -> Check:
    values = site.data["enum"]
    if not isinstance(values, list) or not values:
        site.refuse("must be an array with one value at least", "enum")
    return keywords.one_value(values, expectation({"enum": values}))


def _constant(site: Site) -> Check:
    value = site.data["const"]
    return keywords.one_value([value], expectation({"const": value}))


def _sizes(least: str, most: str, noun: str) -> Callable[[Site], Check]:
    return lambda site: keywords.lengths(site.count(least), site.count(most), noun)


def _bounds(site: Site) -> Check:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return keywords.always(
        [keywords.bounds(site.number(name), sign) for name, sign in signs.items() if name in site.data]
    )


def _multiple(site: Site) -> Check:
    step = site.number("multipleOf")
    if step <= 0:
        site.refuse("must be more than 0", "multipleOf")
    return keywords.multiple_of(step)


def _required(site: Site) -> Check:
    properties = site.table("properties")
    expected = {name: expectation(each) for name, each in properties.items()}
    return keywords.present(site.words("required"), expected)


def _members(site: Site) -> Check:
    named = {name: site.sub("properties", name) for name in site.table("properties")}
    matching = [
        (site.pattern(text, "patternProperties", text), site.sub("patternProperties", text))
        for text in site.table("patternProperties")
    ]
    rest = site.sub("additionalProperties") if "additionalProperties" in site.data else None
    return keywords.members(named, matching, rest)


def _dependents(site: Site) -> Check:
    checks = []
    for name in site.table("dependentRequired"):
        needed = keywords.present(site.words("dependentRequired", name), {})
        checks.append(keywords.present_with(name, needed))
    for name in site.table("dependentSchemas"):
        if (check := site.sub("dependentSchemas", name, same=True)) is not None:
            checks.append(keywords.present_with(name, check))
    return keywords.always(checks)


def _names(site: Site) -> Check | None:
    check = site.sub("propertyNames")
    return keywords.names(check) if check is not None else None


def _entries(site: Site) -> Check:
    first = site.subs("prefixItems") if "prefixItems" in site.data else []
    rest = site.sub("items") if "items" in site.data else None
    return keywords.entries(first, rest, _plain_types(site.data.get("items")))


def _plain_types(schema: Any) -> frozenset[type] | None:
    """Return the types in Python of a schema that wants nothing but a type."""
    if not isinstance(schema, dict) or not schema.keys() <= SAYS_NOTHING | {"type"}:
        return None
    given = schema.get("type")
    wanted = given if isinstance(given, list) else [given]
    return frozenset(
        kind for kind, name in TYPES.items() if name in wanted or (kind is int and "number" in wanted)
    )


def _contains(site: Site) -> Check:
    least = site.count("minContains")
    expected = expectation(site.data["contains"])
    return keywords.contains(
        site.sub("contains"), 1 if least is None else least, site.count("maxContains"), expected
    )


def _unique(site: Site) -> Check | None:
    if not isinstance(site.data["uniqueItems"], bool):
        site.refuse("must be true or false", "uniqueItems")
    return keywords.unique if site.data["uniqueItems"] else None


def _all_of(site: Site) -> Check:
    return keywords.always([each for each in site.subs("allOf", same=True) if each is not None])


def _branches(site: Site) -> Check:
    then, otherwise = (site.sub(name, same=True) if name in site.data else None for name in ("then", "else"))
    return keywords.branches(site.sub("if", same=True), then, otherwise)


_Maker: TypeAlias = Callable[[Site], Check | None]
#: keywords that one check is made of, the type of values that they are for, and what makes it
KEYWORDS: Final[Sequence[tuple[frozenset[str], str | None, _Maker]]] = tuple(
    (frozenset(names.split()), kind, make)
    for names, kind, make in (
        ("enum", None, _enumerated),
        ("const", None, _constant),
        ("minLength maxLength", "string", _sizes("minLength", "maxLength", "characters")),
        (
            "pattern",
            "string",
            lambda s: keywords.matches(s.pattern(s.data["pattern"], "pattern"), s.data["pattern"]),
        ),
        ("minimum maximum exclusiveMinimum exclusiveMaximum", "number", _bounds),
        ("multipleOf", "number", _multiple),
        ("required", "object", _required),
        ("properties patternProperties additionalProperties", "object", _members),
        ("propertyNames", "object", _names),
        ("minProperties maxProperties", "object", _sizes("minProperties", "maxProperties", "keys")),
        ("dependentRequired dependentSchemas", "object", _dependents),
        ("minItems maxItems", "array", _sizes("minItems", "maxItems", "entries")),
        ("prefixItems items", "array", _entries),
        ("contains", "array", _contains),
        ("uniqueItems", "array", _unique),
        ("$ref", None, Site.refer),
        ("allOf", None, _all_of),
        ("anyOf", None, lambda s: keywords.any_of(s.subs("anyOf", same=True))),
        ("oneOf", None, lambda s: keywords.one_of(s.subs("oneOf", same=True))),
        (
            "not",
            None,
            lambda s: keywords.none_of(s.sub("not", same=True), expectation(s.data["not"])),
        ),
        ("if", None, _branches),
    )
)
KNOWN: Final = SAYS_NOTHING.union(
    *(names for names, _, _ in KEYWORDS), ("type", "$schema", "minContains", "maxContains", "then", "else")
)
