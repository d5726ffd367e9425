"""Reads what the formatter is asked: Python source, or an object with options."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import black

TARGETS = tuple(each.name.lower() for each in black.TargetVersion)
_KEYS = {"code", "line_length", "targets", "stub", "keep_quotes", "lines", "check", "diff"}


class Request(NamedTuple):
    """One thing to format; `plain` where the input was source alone. Lines count from 1, both ends in."""

    code: str
    plain: bool = False
    line_length: int = black.DEFAULT_LINE_LENGTH
    targets: tuple[str, ...] = ()
    stub: bool = False
    keep_quotes: bool = False
    lines: tuple[tuple[int, int], ...] = ()
    check: bool = False
    diff: bool = False


def read_request(text: str) -> Request:
    """Return the request; an object without "code" is Python source like any other. Raises ValueError."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or "code" not in given:
        return Request(text, plain=True)
    unknown = sorted(set(given) - _KEYS)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no option; there are {', '.join(sorted(_KEYS))}")
    if not isinstance(given["code"], str):
        raise ValueError('"code" is a string')
    length = given.get("line_length", black.DEFAULT_LINE_LENGTH)
    if type(length) is not int or not 1 <= length <= 1000:
        raise ValueError('"line_length" is a whole number from 1 to 1000')
    for name in ("stub", "keep_quotes", "check", "diff"):
        if not isinstance(given.get(name, False), bool):
            raise ValueError(f'"{name}" is true or false')
    return Request(
        given["code"],
        line_length=length,
        targets=_targets(given.get("targets", [])),
        stub=given.get("stub", False),
        keep_quotes=given.get("keep_quotes", False),
        lines=_lines(given.get("lines", [])),
        check=given.get("check", False),
        diff=given.get("diff", False),
    )


def _targets(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(each in TARGETS for each in given):
        raise ValueError(f'"targets" is a list of {", ".join(TARGETS)}')
    return tuple(given)


def _lines(given: Any) -> tuple[tuple[int, int], ...]:
    pairs = given if isinstance(given, list) else [None]
    for pair in pairs:
        numbers = pair if isinstance(pair, list) else []
        if (
            len(numbers) != 2
            or any(type(each) is not int for each in numbers)
            or not 1 <= numbers[0] <= numbers[1]
        ):
            raise ValueError('"lines" is a list of [first, last], counted from 1')
    return tuple((first, last) for first, last in pairs)
