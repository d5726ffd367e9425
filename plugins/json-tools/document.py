"""Reads and writes JSON without changing a value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

MAX_DEPTH = 200


class JsonError(ValueError):
    """What is wrong with a document, and where, as far as it is known."""


class Number(Decimal):
    """A number that isn't a plain integer: exact, and written as it was read."""

    text: str

    def __new__(cls, text: str) -> Number:
        try:
            number = super().__new__(cls, text)
        except InvalidOperation:
            raise JsonError(f"the number {text[:40]} is out of range") from None
        number.text = text
        return number


def read(text: str) -> Any:
    """Return a document's value; numbers are int or Number. Raises JsonError, with line and column."""
    try:
        value = json.loads(
            text.removeprefix("\ufeff"),
            parse_int=integer,
            parse_float=Number,
            parse_constant=_refuse,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return value
    raise JsonError(f"nested deeper than {MAX_DEPTH} levels")


def integer(text: str) -> int | Number:
    """Return an integer's value."""
    # minus zero is a number of its own, and int() refuses more than 4300 digits
    return Number(text) if text == "-0" or len(text) > 4000 else int(text)


def write(value: Any, indent: int = 2, sort_keys: bool = False) -> str:
    """Return a value as JSON text; `indent` 0 writes it on one line, `sort_keys` orders members by name."""
    return "".join(_pieces(value, indent, sort_keys, "\n"))


def frozen(value: Any) -> Any:
    """Return a hashable form: two are equal where the JSON values are, so 1 equals 1.0 and isn't true."""
    if isinstance(value, dict):
        return ("object", frozenset((name, frozen(member)) for name, member in value.items()))
    if isinstance(value, list):
        return ("array", tuple(map(frozen, value)))
    return (kind(value), value)


def kind(value: Any) -> str:
    """Return the JSON type's name of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, Decimal)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def children(value: Any) -> list[Any]:
    """Return the members' or elements' values, none for anything else."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _pieces(value: Any, indent: int, sort_keys: bool, line: str) -> Iterator[str]:
    if not isinstance(value, (dict, list)) or not value:
        yield _scalar(value)
        return
    inner = line + " " * indent
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    separator = opening + (inner if indent else "")
    if isinstance(value, dict):
        for name, member in sorted(value.items()) if sort_keys else value.items():
            yield f"{separator}{_scalar(name)}: "
            yield from _pieces(member, indent, sort_keys, inner)
            separator = "," + (inner if indent else " ")
    else:
        for element in value:
            yield separator
            yield from _pieces(element, indent, sort_keys, inner)
            separator = "," + (inner if indent else " ")
    yield (line if indent else "") + closing


def _scalar(value: Any) -> str:
    if isinstance(value, Number):
        return value.text
    text = json.dumps(value, ensure_ascii=False)
    # half a surrogate pair is legal in JSON and can't be written as UTF-8, so it stays an escape
    return text if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text) else json.dumps(value)


def _refuse(text: str) -> NoReturn:
    raise JsonError(f"not JSON: {text} is no number of JSON's")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"an object has the name {json.dumps(twice)} twice; one of its values would be lost")
    return members
