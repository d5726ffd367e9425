"""How a value misses its JSON Schema, and what looking may cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from devkit_core.model.locate import KeyPath

__all__ = [
    "MISSING",
    "NAMES",
    "TYPES",
    "Check",
    "Miss",
    "Steps",
    "TooMuchWork",
    "choice",
    "expectation",
    "got",
]

MISSING: Final = "nothing"  # what was got where a value has to be and isn't
NAMES: Final[Mapping[str, str]] = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "an array",
    "object": "an object",
}
TYPES: Final[Mapping[type, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}


class TooMuchWork(Exception):
    """A check that would take too long, and was given up; says why."""


class Steps:
    """How much work a check may still do, in steps of well under a microsecond."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        """Note work that is about to be done; raises TooMuchWork."""
        self.left -= steps
        if self.left < 0:
            raise TooMuchWork("its schema asks for more work than a value of its size may cause")


@dataclass(frozen=True, slots=True)
class Miss:
    """Where a value breaks its schema first: what was to be there, and what is, in words."""

    path: KeyPath
    expected: str
    got: str

    def under(self, part: str | int) -> Miss:
        """Return the same of a value that holds this one at a key or position."""
        return replace(self, path=(part, *self.path))


Check: TypeAlias = Callable[[Any, Steps], Miss | None]


def got(value: Any) -> str:
    """Say in a few words what a value is; the whole of it where that is short."""
    if isinstance(value, dict):
        keys = ", ".join(json.dumps(key[:30]) for key in list(value)[:4])
        return f"an object with {keys}{', …' if len(value) > 4 else ''}" if value else "an empty object"
    if isinstance(value, list):
        return f"an array of {len(value):,}" if value else "an empty array"
    if isinstance(value, str) and len(value) > 60:
        return f"{json.dumps(value[:60])}… of {len(value):,} characters"
    if type(value) is int and abs(value) >= 10**60:
        return "an integer of over 60 digits"
    return json.dumps(value)


def expectation(schema: Any) -> str:
    """Say in a few words what a schema wants, as far as its own keywords tell."""
    if not isinstance(schema, Mapping):
        return "nothing at all" if schema is False else "a value"
    if "const" in schema:
        return got(schema["const"])
    if isinstance(schema.get("enum"), Sequence):
        return choice([got(each) for each in schema["enum"]], "one of ")
    wanted = schema.get("type")
    if isinstance(wanted, str):
        return NAMES.get(wanted, "a value")
    if isinstance(wanted, Sequence):
        return choice([NAMES.get(str(each), "a value") for each in wanted])
    return "a value"


def choice(texts: Sequence[str], many: str = "") -> str:
    """Return several expectations as one, each once; `many` begins a list of values."""
    texts = list(dict.fromkeys(texts))
    if len(texts) < 2:
        return texts[0] if texts else "a value"
    shown = ", ".join(texts[:8]) + (", …" if len(texts) > 8 else "")
    return f"{many}{shown}" if many else " or ".join((", ".join(texts[:-1][:8]), texts[-1]))
