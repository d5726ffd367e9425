"""Patterns that strangers write, matched in time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NoReturn

__all__ = ["MAX_PATTERN", "MAX_TEXT", "Pattern", "PatternError", "compile_pattern", "compile_search"]

MAX_PATTERN: Final = 200  # characters of a pattern
MAX_TEXT: Final = 1000  # characters of a text that is matched
_MAX_STATES: Final = 2000
_MAX_MOVES: Final = 5000  # remembered moves of one pattern
_REPEAT: Final = re.compile(r"\{(\d{1,4})(,(\d{0,4}))?\}")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\\[])*\]")
_SAFE_ESCAPES: Final = "dDwWsS"
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}


class PatternError(ValueError):
    """A pattern that isn't taken; the text goes on from its key: `config.name.pattern` + `has …`."""


@dataclass(slots=True)
class _State:
    """One state of the automaton: on a character that `one` matches go to `out`, else only `empty` moves."""

    one: re.Pattern[str] | None = None
    out: int = -1
    empty: list[int] = field(default_factory=list)


class Pattern:
    """A pattern that a whole text has to match; made by `compile_pattern` or `compile_search`.

    All states that a text can be in are followed at once, so no text takes exponential time, as it can
    with `re`: a manifest is a stranger's.
    """

    __slots__ = ("_accept", "_first", "_moves", "_states")

    def __init__(self, states: list[_State], start: int, accept: int) -> None:
        self._states = states
        self._accept = accept
        self._first = frozenset(self._closed((start,)))
        self._moves: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, text: str) -> bool:
        """Say whether the whole text matches; one of over MAX_TEXT characters never does."""
        return len(text) <= MAX_TEXT and self.follow(text, lambda states: None)

    def follow(self, text: str, spend: Callable[[int], None]) -> bool:
        """Say whether the whole text matches, however long; `spend` is told the work and may raise."""
        spend(len(text) // 4)
        current = self._first
        moves = self._moves
        for character in text:
            move = (current, character)
            following = moves.get(move)
            if following is None:
                spend(2 * len(current))
                following = self._after(current, character)
                if len(moves) >= _MAX_MOVES:
                    moves.clear()
                moves[move] = following
            current = following
            if not current:
                return False
        return self._accept in current

    def _after(self, current: frozenset[int], character: str) -> frozenset[int]:
        following = []
        for number in current:
            state = self._states[number]
            if state.one is not None and state.one.fullmatch(character):
                following.append(state.out)
        return frozenset(self._closed(following))

    def _closed(self, numbers: Iterable[int]) -> set[int]:
        found: set[int] = set()
        stack = list(numbers)
        while stack:
            number = stack.pop()
            if number not in found:
                found.add(number)
                stack.extend(self._states[number].empty)
        return found


def compile_pattern(text: str) -> Pattern:
    """Return the pattern that a text describes; raises PatternError.

    It knows literals, `.`, classes, the escapes `\\d \\w \\s` and their opposites, groups, `|` and
    `* + ? {m,n}`. `^` at the start and `$` at the end may stand there and change nothing.
    """
    if len(text) > MAX_PATTERN:
        raise PatternError(f"has {len(text)} characters; a pattern has at most {MAX_PATTERN}")
    return _Compiler(text).compile()


def compile_search(text: str) -> Pattern:
    """Return the pattern that a text describes, as JSON Schema means it; raises PatternError.

    It is looked for anywhere, but after a `^` at its start and before a `$` at its end.
    """
    if len(text) > MAX_PATTERN:
        raise PatternError(f"has {len(text)} characters; a pattern has at most {MAX_PATTERN}")
    begins, ends = text.startswith("^"), text.endswith("$") and not _escaped(text, len(text) - 1)
    body = text[begins : len(text) - ends]
    if (begins or ends) and "|" in _outermost(body):
        raise PatternError("has `^` or `$` beside `|`; put the alternatives in `(…)`")
    _Compiler(body).compile()  # or a lone bracket would close a group of ours
    return _Compiler(f"^{'' if begins else '.*'}({body}){'' if ends else '.*'}$").compile()


def _outermost(text: str) -> str:
    """Return a pattern without its groups, classes and escapes."""
    depth, kept = 0, ""
    for piece in re.findall(rf"\\.|{_CLASS.pattern}|.", text, re.DOTALL):
        depth += (piece == "(") - (piece == ")")
        kept += piece if not depth and len(piece) == 1 else ""
    return kept


#: a piece of the automaton: where it starts and where it ends
_Piece = tuple[int, int]


class _Compiler:
    """Reads a pattern once, left to right; repeats are read again from their text."""

    def __init__(self, text: str) -> None:
        text = text.removeprefix("^")
        if text.endswith("$") and not _escaped(text, len(text) - 1):
            text = text[:-1]
        self.text = text
        self.at = 0
        self.depth = 0
        self.states: list[_State] = []

    def compile(self) -> Pattern:
        start, accept = self._alternatives()
        if self.at < len(self.text):
            self._refuse("has a `)` without its `(`")
        return Pattern(self.states, start, accept)

    def _alternatives(self) -> _Piece:
        start, end = self._state(), self._state()
        while True:
            first, last = self._sequence()
            self.states[start].empty.append(first)
            self.states[last].empty.append(end)
            if not self._take("|"):
                return start, end

    def _sequence(self) -> _Piece:
        start = end = self._state()
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            first, last = self._repeated()
            self.states[end].empty.append(first)
            end = last
        return start, end

    def _repeated(self) -> _Piece:
        begin = self.at
        first = self._atom()
        least, most = self._quantifier()
        if (least, most) == (1, 1):
            return first
        after = self.at
        start = end = self._state()
        pieces = least if most is None else most
        for number in range(pieces):
            self.at = begin
            piece = self._atom()
            if number >= least:
                skip = self._state()
                self.states[skip].empty += [piece[0], piece[1]]
                piece = (skip, piece[1])
            self.states[end].empty.append(piece[0])
            end = piece[1]
        if most is None:
            self.at = begin
            loop = self._atom()
            enter, leave = self._state(), self._state()
            self.states[enter].empty += [loop[0], leave]
            self.states[loop[1]].empty += [loop[0], leave]
            self.states[end].empty.append(enter)
            end = leave
        self.at = after
        return start, end

    def _quantifier(self) -> tuple[int, int | None]:
        found: tuple[int, int | None] = (1, 1)
        if self._take("*"):
            found = (0, None)
        elif self._take("+"):
            found = (1, None)
        elif self._take("?"):
            found = (0, 1)
        elif self._peek() == "{":
            repeat = _REPEAT.match(self.text, self.at)
            if repeat is None:
                self._refuse("has a `{` that is no `{m}`, `{m,}` or `{m,n}`", "write `\\{` for the character")
            self.at = repeat.end()
            least = int(repeat[1])
            most = least if repeat[2] is None else (int(repeat[3]) if repeat[3] else None)
            if most is not None and most < least:
                self._refuse("repeats from more to fewer")
            found = (least, most)
        else:
            return found
        if self._peek() in ("*", "+", "?", "{"):
            self._refuse("has a quantifier after a quantifier", "put the first in `(…)`")
        return found

    def _atom(self) -> _Piece:
        character = self.text[self.at]
        if character == "(":
            return self._group()
        if character == "[":
            found = _CLASS.match(self.text, self.at)
            if found is None:
                self._refuse("has a `[` that no `]` ends", "write `\\[` for the character")
            if any(sign in found[0] for sign in ("--", "&&", "||", "~~")):
                self._refuse("has a doubled sign in a class", "write it once, a hyphen last")
            self.at = found.end()
            return self._one(found[0])
        self.at += 1
        if character == "\\":
            return self._escape()
        if character == ".":
            return self._one(".")
        if character in "*+?{":
            self._refuse(f"has a `{character}` with nothing before it")
        if character in "^$":
            self._refuse(f"has a `{character}` inside", "the whole text is matched anyway")
        return self._one(re.escape(character))

    def _group(self) -> _Piece:
        self.at += 1
        if self._peek() == "?":
            if not self.text.startswith("?:", self.at):
                self._refuse("looks around, names a group or sets a flag", "only `(…)` and `(?:…)` are known")
            self.at += 2
        self.depth += 1
        if self.depth > 20:
            self._refuse("has more than 20 groups inside each other")
        piece = self._alternatives()
        self.depth -= 1
        if not self._take(")"):
            self._refuse("has a `(` without its `)`")
        return piece

    def _escape(self) -> _Piece:
        character = self._peek()
        if not character:
            self._refuse("ends with a backslash")
        self.at += 1
        if character in _SAFE_ESCAPES:
            return self._one(f"\\{character}")
        if character in _CONTROLS:
            return self._one(re.escape(_CONTROLS[character]))
        if character.isalnum():
            self._refuse(f"has `\\{character}`, which isn't known here")
        return self._one(re.escape(character))

    def _one(self, text: str) -> _Piece:
        try:
            one = re.compile(text, re.DOTALL)
        except (re.error, OverflowError) as error:
            self._refuse(f"has a class that can't be used: {error}")
        start, end = self._state(), self._state()
        self.states[start].one, self.states[start].out = one, end
        return start, end

    def _state(self) -> int:
        if len(self.states) >= _MAX_STATES:
            self._refuse("repeats too much: it would take too long to match")
        self.states.append(_State())
        return len(self.states) - 1

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self, character: str) -> bool:
        if self._peek() != character:
            return False
        self.at += 1
        return True

    def _refuse(self, message: str, hint: str = "") -> NoReturn:
        raise PatternError(f"{message}; {hint}" if hint else message)


def _escaped(text: str, at: int) -> bool:
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1
