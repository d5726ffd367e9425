"""Finds where the keys and values of a TOML text stand."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

__all__ = ["KeyPath", "Spot", "line_and_column", "locate", "string_end"]

KeyPath: TypeAlias = tuple[str | int, ...]

# Nothing follows these repetitions, so they never go back; possessive ones match wrongly in Python 3.11.2.
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_SIMPLE: Final = re.compile(r"[^,\]}\n#]*")
_ESCAPED: Final = re.compile(r'(?:[^"\\\n]+|\\[^\n])*')
_ESCAPED_LINES: Final = re.compile(r'(?:[^"\\]+|\\.|"(?!""))*', re.DOTALL)


class Spot(NamedTuple):
    """Offsets of a key and of its value; of an array's item and of a table's header both are one."""

    key: int
    value: int


def locate(text: str) -> dict[KeyPath, Spot]:
    """Return where each table, key and array item of a document stands.

    Only for text that tomllib has read, its line breaks `\\n`, its nesting bounded: called when a
    problem is to be shown, as tomllib keeps no positions.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.spots


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return an offset's line and column, both from 1, in characters."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def string_end(text: str, at: int) -> int:
    """Return the offset after the string that opens at `at`, the text's end where it isn't closed."""
    quote = text[at]
    if not text.startswith(quote * 3, at):
        if quote == '"':
            found = _ESCAPED.match(text, at + 1)
            assert found
            return min(found.end() + 1, len(text))
        close = text.find(quote, at + 1)
        return len(text) if close < 0 else close + 1
    if quote == '"':
        found = _ESCAPED_LINES.match(text, at + 3)
        assert found
        close = found.end()
    else:
        close = text.find(quote * 3, at + 3)
        close = len(text) if close < 0 else close
    end = min(close + 3, len(text))
    while end < min(close + 5, len(text)) and text[end] == quote:  # one or two quotes may end the content
        end += 1
    return end


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.spots: dict[KeyPath, Spot] = {}
        self.lengths: dict[KeyPath, int] = {}  # of the arrays of tables

    def document(self) -> None:
        prefix: KeyPath = ()
        self.skip(_BLANK)
        while self.at < len(self.text):
            start = self.at
            if self.text.startswith("[[", start):
                prefix = self.header(2, start)
            elif self.text[start] == "[":
                prefix = self.header(1, start)
            else:
                self.pair(prefix)
            self.skip(_BLANK)

    def header(self, brackets: int, start: int) -> KeyPath:
        self.at += brackets
        parts = self.key()
        self.skip(_SPACE)
        self.at += brackets
        path: KeyPath = ()
        for index, (part, _) in enumerate(parts):
            path += (part,)
            last = index == len(parts) - 1
            if last and brackets == 1:
                # a table that only its children named before is shown where it is opened itself
                self.spots[path] = Spot(start, start)
            self.spots.setdefault(path, Spot(start, start))
            if last and brackets == 2:
                number = self.lengths.get(path, 0)
                self.lengths[path] = number + 1
                path += (number,)
                self.spots[path] = Spot(start, start)
            elif path in self.lengths:
                path += (self.lengths[path] - 1,)
        return path

    def pair(self, prefix: KeyPath) -> None:
        parts = self.key()
        self.skip(_SPACE)
        self.at += 1  # the equals sign
        self.skip(_SPACE)
        path = prefix
        for part, offset in parts:
            path += (part,)
            self.spots.setdefault(path, Spot(offset, self.at))
        self.value(path)

    def key(self) -> list[tuple[str, int]]:
        """Read a dotted key, and return its parts and where each begins."""
        parts: list[tuple[str, int]] = []
        while True:
            self.skip(_SPACE)
            start = self.at
            if self.text[start] in "\"'":
                self.at = string_end(self.text, start)
                parts.append((tomllib.loads(f"k={self.text[start : self.at]}")["k"], start))
            else:
                self.skip(_BARE_KEY)
                parts.append((self.text[start : self.at], start))
            self.skip(_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def value(self, path: KeyPath) -> None:
        opening = self.text[self.at]
        if opening in "\"'":
            self.at = string_end(self.text, self.at)
        elif opening == "[":
            for number in self.items("]"):
                item = (*path, number)
                self.spots[item] = Spot(self.at, self.at)
                self.value(item)
        elif opening == "{":
            for _ in self.items("}"):
                self.pair(path)
        else:
            self.skip(_SIMPLE)

    def items(self, closing: str) -> Iterator[int]:
        """Stop at each item of an array or inline table, and leave behind its closing bracket."""
        self.at += 1
        before = self.at - 1
        for number in itertools.count():
            self.skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
                self.skip(_BLANK)
            if self.text[self.at] == closing:
                self.at += 1
                return
            if self.at == before:
                return  # an item without text: better a place too few than no end
            before = self.at
            yield number

    def skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self.text, self.at)
        assert found
        self.at = found.end()
