"""What single keywords of a JSON Schema demand of a value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devkit_core.model.patterns import Pattern
from devkit_core.model.schema_misses import MISSING, Check, Miss, Steps, choice, got

__all__ = [
    "always",
    "any_of",
    "bounds",
    "branches",
    "contains",
    "entries",
    "lengths",
    "matches",
    "members",
    "multiple_of",
    "names",
    "never",
    "none_of",
    "one_of",
    "one_value",
    "present",
    "present_with",
    "typed",
    "unique",
    "whole",
]


def typed(expected: str) -> Check:
    """Return what refuses each value, as one of the wrong type."""
    return lambda value, steps: Miss((), expected, got(value))


def always(checks: Sequence[Check]) -> Check:
    """Return what demands all of them, in order."""

    def check(value: Any, steps: Steps) -> Miss | None:
        for each in checks:
            if (miss := each(value, steps)) is not None:
                return miss
        return None

    return check


def never(value: Any, steps: Steps) -> Miss | None:
    """Refuse any value: the schema `false`."""
    return Miss((), MISSING, got(value))


def whole(expected: str) -> Check:
    """Return what refuses a float that is no integer, as 1.0 is."""
    return lambda value, steps: None if value.is_integer() else Miss((), expected, got(value))


def one_value(values: Sequence[Any], expected: str) -> Check:
    """Return what demands one of these values, as JSON compares them: 1 is 1.0, true is not 1."""
    unlimited = Steps(10_000_000)
    frozen = frozenset(_frozen(each, unlimited) for each in values)
    return lambda value, steps: None if _frozen(value, steps) in frozen else Miss((), expected, got(value))


def _frozen(value: Any, steps: Steps) -> Any:
    """Return what is equal for equal JSON values, and can be in a set."""
    kind = type(value)
    if kind is bool:
        return ("boolean", value)
    if kind is list:
        steps.spend(2 * len(value))
        return ("array", *[_frozen(each, steps) for each in value])
    if kind is dict:
        steps.spend(3 * len(value))
        return ("object", frozenset([(key, _frozen(each, steps)) for key, each in value.items()]))
    return value


# -- strings


def lengths(least: int | None, most: int | None, noun: str) -> Check:
    """Return what bounds the length of a string, array or object, both ends allowed."""

    def check(value: Any, steps: Steps) -> Miss | None:
        size = len(value)
        if least is not None and size < least:
            return Miss((), f"at least {least:,} {noun}", f"{size:,}")
        if most is not None and size > most:
            return Miss((), f"at most {most:,} {noun}", f"{size:,}")
        return None

    return check


def matches(pattern: Pattern, text: str) -> Check:
    """Return what demands that a string matches."""

    def check(value: str, steps: Steps) -> Miss | None:
        if pattern.follow(value, steps.spend):
            return None
        return Miss((), f"text that matches {json.dumps(text)}", got(value))

    return check


# -- numbers


def bounds(limit: float, sign: str) -> Check:
    """Return what bounds a number; `sign` is one of <, <=, >, >= and says how it has to stand."""
    good: dict[str, Callable[[Any], bool]] = {
        "<": lambda value: value < limit,
        "<=": lambda value: value <= limit,
        ">": lambda value: value > limit,
        ">=": lambda value: value >= limit,
    }
    words = {"<": "less than", "<=": "at most", ">": "more than", ">=": "at least"}[sign]
    test = good[sign]
    return lambda value, steps: None if test(value) else Miss((), f"{words} {limit!r}", got(value))


def multiple_of(step: float) -> Check:
    """Return what demands a multiple, reckoned in decimals: 0.3 is one of 0.1."""
    from fractions import Fraction

    exact = Fraction(repr(step))

    def check(value: float, steps: Steps) -> Miss | None:
        steps.spend(20)
        if Fraction(repr(value)) % exact == 0:
            return None
        return Miss((), f"a multiple of {step!r}", got(value))

    return check


# -- arrays


def entries(first: Sequence[Check | None], rest: Check | None, plain: frozenset[type] | None) -> Check:
    """Return what checks the entries of an array: the first ones each by its own, the others by `rest`.

    Where all that `rest` wants is a type, `plain` holds what it is in Python.
    """

    def check(value: list[Any], steps: Steps) -> Miss | None:
        steps.spend(len(value) // 8)
        for number, (item, each) in enumerate(zip(value, first, strict=False)):
            if each is not None and (miss := each(item, steps)) is not None:
                return miss.under(number)
        if rest is None or (plain is not None and not first and plain.issuperset(map(type, value))):
            return None
        for number in range(len(first), len(value)):
            if (miss := rest(value[number], steps)) is not None:
                return miss.under(number)
        return None

    return check


def contains(wanted: Check | None, least: int, most: int | None, expected: str) -> Check:
    """Return what counts the entries of an array that fit."""

    def check(value: list[Any], steps: Steps) -> Miss | None:
        fitting = 0
        for item in value:
            fitting += wanted is None or wanted(item, steps) is None
            if most is None and fitting >= least:
                return None
        if fitting < least:
            return Miss((), f"at least {least:,} entries that are {expected}", f"{fitting:,}")
        if most is not None and fitting > most:
            return Miss((), f"at most {most:,} entries that are {expected}", f"{fitting:,}")
        return None

    return check


def unique(value: list[Any], steps: Steps) -> Miss | None:
    """Demand that no two entries are equal."""
    steps.spend(len(value))
    seen: set[Any] = set()
    for number, item in enumerate(value):
        frozen = _frozen(item, steps)
        if frozen in seen:
            return Miss((number,), "an entry that isn't there before", got(item))
        seen.add(frozen)
    return None


# -- objects


def present(required: Sequence[str], expected: Mapping[str, str]) -> Check:
    """Return what demands keys of an object."""

    def check(value: dict[str, Any], steps: Steps) -> Miss | None:
        steps.spend(len(required) // 4)
        for name in required:
            if name not in value:
                return Miss((name,), expected.get(name, "a value"), MISSING)
        return None

    return check


def present_with(name: str, check: Check) -> Check:
    """Return what checks an object that has a key."""
    return lambda value, steps: check(value, steps) if name in value else None


def members(
    named: Mapping[str, Check | None], matching: Sequence[tuple[Pattern, Check | None]], rest: Check | None
) -> Check:
    """Return what checks the values of an object's keys; `rest` is for keys that nothing else names."""
    known = f"one of the keys {', '.join(list(named)[:12])}" if named else "no keys"

    def check(value: dict[str, Any], steps: Steps) -> Miss | None:
        steps.spend(len(value) // 2)
        for name, item in value.items():
            if name in named:
                each, other = named[name], False
                if each is not None and (miss := each(item, steps)) is not None:
                    return miss.under(name)
            else:
                other = True
            for pattern, fitting in matching:
                if pattern.follow(name, steps.spend):
                    other = False
                    if fitting is not None and (miss := fitting(item, steps)) is not None:
                        return miss.under(name)
            if other and rest is not None and (miss := rest(item, steps)) is not None:
                return Miss((name,), known, "another") if rest is never else miss.under(name)
        return None

    return check


def names(wanted: Check) -> Check:
    """Return what checks the keys of an object themselves."""

    def check(value: dict[str, Any], steps: Steps) -> Miss | None:
        for name in value:
            if (miss := wanted(name, steps)) is not None:
                return Miss((name,), f"a key that is {miss.expected}", miss.got)
        return None

    return check


# -- schemas beside each other


def any_of(checks: Sequence[Check | None]) -> Check:
    """Return what demands one of them at least; of the misses the one that goes deepest is told."""

    def check(value: Any, steps: Steps) -> Miss | None:
        misses: list[Miss] = []
        for each in checks:
            miss = each(value, steps) if each is not None else None
            if miss is None:
                return None
            misses.append(miss)
        return _nearest(misses, value)

    return check


def one_of(checks: Sequence[Check | None]) -> Check:
    """Return what demands exactly one of them."""

    def check(value: Any, steps: Steps) -> Miss | None:
        misses: list[Miss] = []
        fitting = 0
        for each in checks:
            miss = each(value, steps) if each is not None else None
            if miss is not None:
                misses.append(miss)
                continue
            fitting += 1
            if fitting > 1:
                return Miss((), "what fits one of the allowed forms alone", f"{got(value)}, which fits two")
        return None if fitting else _nearest(misses, value)

    return check


def _nearest(misses: Sequence[Miss], value: Any) -> Miss:
    deepest = max(len(miss.path) for miss in misses)
    there = [miss for miss in misses if len(miss.path) == deepest]
    if len({miss.path for miss in there}) == 1:
        expected = choice([miss.expected for miss in there])
        return Miss(there[0].path, expected, there[0].got)
    return Miss((), "one of several forms, and fits none", got(value))


def none_of(check: Check | None, expected: str) -> Check:
    """Return what demands that a value doesn't fit."""

    def refuse(value: Any, steps: Steps) -> Miss | None:
        if check is not None and check(value, steps) is not None:
            return None
        return Miss((), f"anything but {expected}", got(value))

    return refuse


def branches(test: Check | None, then: Check | None, otherwise: Check | None) -> Check:
    """Return what checks a value by one of two schemas, as a third one says."""

    def check(value: Any, steps: Steps) -> Miss | None:
        chosen = then if test is None or test(value, steps) is None else otherwise
        return chosen(value, steps) if chosen is not None else None

    return check
