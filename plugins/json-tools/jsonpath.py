"""Parses JSONPath (RFC 9535) into segments and selectors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

from document import Number, integer

MAX_NESTING = 50
LARGEST_INDEX = 2**53 - 1


class PathError(ValueError):
    """What is wrong with a path, and at which character, from 1."""

    def __init__(self, message: str, path: str, at: int) -> None:
        super().__init__(f"{message} at character {at + 1} of {path!r}")
        self.position = at + 1


class Name(NamedTuple):
    name: str


class Index(NamedTuple):
    position: int


class Slice(NamedTuple):
    start: int | None
    end: int | None
    step: int | None


class Wildcard(NamedTuple):
    pass


class Filter(NamedTuple):
    condition: Condition


Selector = Name | Index | Slice | Wildcard | Filter


class Segment(NamedTuple):
    """One step: `descendant` applies the selectors to each node below, too."""

    descendant: bool
    selectors: tuple[Selector, ...]


class Query(NamedTuple):
    """A path from the document's root, or from the node that a filter looks at."""

    absolute: bool
    segments: tuple[Segment, ...]

    @property
    def singular(self) -> bool:
        """Whether it selects one node at the most, by its form."""
        return all(
            not segment.descendant
            and len(segment.selectors) == 1
            and isinstance(segment.selectors[0], (Name, Index))
            for segment in self.segments
        )


class Literal(NamedTuple):
    value: Any


class Call(NamedTuple):
    """length, count or value of its argument."""

    function: str
    argument: Value


class Comparison(NamedTuple):
    left: Value
    operator: str
    right: Value


class Exists(NamedTuple):
    query: Query


class Not(NamedTuple):
    condition: Condition


class AllOf(NamedTuple):
    conditions: tuple[Condition, ...]


class AnyOf(NamedTuple):
    conditions: tuple[Condition, ...]


Value = Literal | Query | Call
Condition = Comparison | Exists | Not | AllOf | AnyOf
T = TypeVar("T")

_BLANK = re.compile(r"[ \t\n\r]*+")
_SHORTHAND = re.compile(r"[A-Za-z_\x80-\ud7ff\ue000-\U0010ffff][0-9A-Za-z_\x80-\ud7ff\ue000-\U0010ffff]*+")
_INTEGER = re.compile(r"0|-?[1-9][0-9]*+")
_NUMBER = re.compile(r"(?:-?0|-?[1-9][0-9]*+)(?P<rest>(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)")
_FUNCTION = re.compile(r"[a-z][a-z_0-9]*+(?=\()")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/", "\\": "\\"}
_HEX = re.compile(r"[0-9A-Fa-f]{4}")


def parse(path: str) -> Query:
    """Return a path's query; raises PathError with the position of what is wrong."""
    parser = _Parser(path)
    if not path.startswith("$"):
        parser.fail("a path starts with $", 0)
    parser.at = 1
    segments = parser.segments()
    if parser.at < len(path):
        parser.fail("unexpected text")
    return Query(True, segments)


class _Parser:
    """Reads one path from left to right; each method reads what it is named after."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.at = 0
        self.nesting = 0

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        raise PathError(message, self.path, self.at if at is None else at)

    def blank(self) -> None:
        self.at = _BLANK.match(self.path, self.at).end()  # type: ignore[union-attr]

    def next_is(self, text: str) -> bool:
        return self.path.startswith(text, self.at)

    def take(self, text: str) -> bool:
        if not self.next_is(text):
            return False
        self.at += len(text)
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.path, self.at)
        if match:
            self.at = match.end()
        return match

    def segments(self) -> tuple[Segment, ...]:
        found = []
        while True:
            before = self.at
            self.blank()
            if self.take("["):
                found.append(Segment(False, self.selectors()))
            elif self.take(".."):
                found.append(Segment(True, self.selectors() if self.take("[") else (self.shorthand(),)))
            elif self.take("."):
                found.append(Segment(False, (self.shorthand(),)))
            else:
                self.at = before  # blanks at the end belong to what follows
                return tuple(found)

    def shorthand(self) -> Selector:
        if self.take("*"):
            return Wildcard()
        name = self.match(_SHORTHAND)
        return Name(name.group()) if name else self.fail("a name or * is expected after the dot")

    def selectors(self) -> tuple[Selector, ...]:
        return self.list_of(self.selector, "]")

    def list_of(self, item: Callable[[], T], closing: str) -> tuple[T, ...]:
        found = []
        while True:
            self.blank()
            found.append(item())
            self.blank()
            if self.take(closing):
                return tuple(found)
            if not self.take(","):
                self.fail(f"a comma or {closing} is expected")

    def selector(self) -> Selector:
        if self.take("*"):
            return Wildcard()
        if self.take("?"):
            self.blank()
            return Filter(self.condition())
        if self.next_is("'") or self.next_is('"'):
            return Name(self.string())
        start = self.index()
        after = self.at
        self.blank()
        if not self.take(":"):
            self.at = after
            return (
                self.fail("a name in quotes, an index, *, : or ? is expected")
                if start is None
                else Index(start)
            )
        self.blank()
        end = self.index()
        after = self.at
        self.blank()
        step = None
        if self.take(":"):
            after = self.at
            self.blank()
            step = self.index()
            after = after if step is None else self.at
        self.at = after
        return Slice(start, end, step)

    def index(self) -> int | None:
        start = self.at
        match = self.match(_INTEGER)
        if match is None:
            return None
        if len(match.group()) > 17 or abs(int(match.group())) > LARGEST_INDEX:
            self.fail("an index is at most 2^53 - 1", start)
        return int(match.group())

    def string(self) -> str:
        quote, start = self.path[self.at], self.at
        self.at += 1
        characters: list[str] = []
        while self.at < len(self.path):
            character = self.path[self.at]
            self.at += 1
            if character == quote:
                return "".join(characters)
            if character < " " or "\ud800" <= character <= "\udfff":
                self.fail("a character that must be escaped", self.at - 1)
            characters.append(self.escape(quote) if character == "\\" else character)
        return self.fail("a string that isn't closed", start)

    def escape(self, quote: str) -> str:
        start = self.at - 1
        character = self.path[self.at : self.at + 1]
        self.at += 1
        if character == quote:
            return quote
        if character != "u":
            return _ESCAPES.get(character) or self.fail("an unknown escape", start)
        unit = self.unit(start)
        if 0xD800 <= unit < 0xDC00 and self.take("\\u"):
            low = self.unit(start)
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
        if 0xD800 <= unit < 0xE000:
            self.fail("half a surrogate pair", start)
        return chr(unit)

    def unit(self, start: int) -> int:
        digits = self.match(_HEX)
        return int(digits.group(), 16) if digits else self.fail("an escape of fewer than four digits", start)

    def condition(self) -> Condition:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self.fail(f"filters nested deeper than {MAX_NESTING}")
        either = [self.conjunction()]
        while self.operator("||"):
            either.append(self.conjunction())
        self.nesting -= 1
        return either[0] if len(either) == 1 else AnyOf(tuple(either))

    def conjunction(self) -> Condition:
        both = [self.term()]
        while self.operator("&&"):
            both.append(self.term())
        return both[0] if len(both) == 1 else AllOf(tuple(both))

    def operator(self, sign: str) -> bool:
        before = self.at
        self.blank()
        if self.take(sign):
            self.blank()
            return True
        self.at = before
        return False

    def term(self) -> Condition:
        if self.next_is("!"):
            self.at += 1
            self.blank()
            return Not(self.parenthesis() if self.next_is("(") else self.test(comparable=False))
        return self.parenthesis() if self.next_is("(") else self.test(comparable=True)

    def parenthesis(self) -> Condition:
        self.at += 1
        self.blank()
        condition = self.condition()
        self.blank()
        if not self.take(")"):
            self.fail(") is expected")
        return condition

    def test(self, comparable: bool) -> Condition:
        start = self.at
        left = self.value()
        before = self.at
        self.blank()
        operator = self.match(_OPERATOR) if comparable else None
        if operator:
            self.blank()
            right_start = self.at
            return Comparison(
                self.single(left, start), operator.group(), self.single(self.value(), right_start)
            )
        self.at = before
        if not isinstance(left, Query):
            self.fail("a literal or a function's result must be compared with something", start)
        return Exists(left)

    def single(self, value: Value, start: int) -> Value:
        if isinstance(value, Query) and not value.singular:
            self.fail("only a path to a single value can be compared", start)
        return value

    def value(self) -> Value:
        if self.next_is("@") or self.next_is("$"):
            absolute = self.next_is("$")
            self.at += 1
            return Query(absolute, self.segments())
        if self.next_is("'") or self.next_is('"'):
            return Literal(self.string())
        number = self.match(_NUMBER)
        if number:
            return Literal(Number(number.group()) if number["rest"] else integer(number.group()))
        start = self.at
        function = self.match(_FUNCTION)
        if function:
            return self.call(function.group(), start)
        for text, literal in (("true", True), ("false", False), ("null", None)):
            if self.take(text):
                return Literal(literal)
        return self.fail("a path with @ or $, a literal or a function is expected")

    def call(self, function: str, start: int) -> Call:
        if function in ("match", "search"):
            self.fail(f"{function} (regular expressions) isn't supported", start)
        if function not in ("length", "count", "value"):
            self.fail("an unknown function; there are length, count and value", start)
        self.at += 1
        self.blank()
        argument_start = self.at
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self.fail(f"functions nested deeper than {MAX_NESTING}")
        argument = self.value()
        self.nesting -= 1
        self.blank()
        if not self.take(")"):
            self.fail("one argument and ) are expected")
        if function == "length":
            return Call(function, self.single(argument, argument_start))
        if not isinstance(argument, Query):
            self.fail(f"{function} takes a path", argument_start)
        return Call(function, argument)
