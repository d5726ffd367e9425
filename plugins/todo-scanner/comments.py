"""Finds the comments of a source text, by the rules of its language."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple


class Comment(NamedTuple):
    """One comment or one line of a block comment; line and column count from 1."""

    line: int
    column: int
    text: str


class SyntaxProblem(Exception):
    """The text can't be read as its language from `line` on; comments before it were given."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


# Each pattern lists what may hide a comment's sign (strings) and the comments; the first that matches wins.
# A string of one line that isn't closed ends with its line, so that one odd line can't hide the rest of the
# file. Repetitions are possessive: no text makes matching slow or big.
_DOUBLE = r'"(?:[^"\\\n]++|\\.)*+"?'
_SINGLE = r"'(?:[^'\\\n]++|\\.)*+'?"
_TRIPLE = r'"""(?:[^"\\]++|\\[\s\S]|"(?!""))*+(?:""")?'
_BLOCK = r"(?P<block>/\*(?:[^*]++|\*(?!/))*+(?:\*/)?)"
_SLASHES = r"(?P<line>//[^\n]*+)"
_HASH_AT_WORD = r"(?P<line>(?<![^\s;&|()])#[^\n]*+)"

_PATTERNS = {
    # ' is a quote around one character and not the start of a Rust lifetime; R"(…)" and r#"…"# are raw
    "c": (
        rf'R"\((?:[^)]++|\)(?!"))*+(?:\)")?|r#"(?:[^"]++|"(?!#))*+(?:"#)?|{_TRIPLE}|{_DOUBLE}'
        rf"|'(?:\\[^\n][^'\n]{{0,8}}|[^'\\\n])'|{_SLASHES}|{_BLOCK}"
    ),
    "go": rf"`[^`]*+`?|{_DOUBLE}|{_SINGLE}|{_SLASHES}|{_BLOCK}",
    "javascript": rf"`(?:[^`\\]++|\\[\s\S])*+`?|{_DOUBLE}|{_SINGLE}|{_SLASHES}|{_BLOCK}",
    "css": rf"{_DOUBLE}|{_SINGLE}|{_BLOCK}",
    "sql": rf"'[^']*+'?|\"[^\"\n]*+\"?|(?P<line>--[^\n]*+)|{_BLOCK}",
    "shell": rf"\\.|'[^']*+'?|\"(?:[^\"\\]++|\\[\s\S])*+\"?|{_HASH_AT_WORD}",
    # quotes inside a plain YAML value, as in `it's`, open nothing
    "yaml": rf"(?<![^\s,:\[{{])(?:{_DOUBLE}|'[^'\n]*+'?)|{_HASH_AT_WORD}",
    "toml": rf"{_TRIPLE}|'''(?:[^']++|'(?!''))*+(?:''')?|{_DOUBLE}|'[^'\n]*+'?|(?P<line>#[^\n]*+)",
}
_COMPILED = {language: re.compile(pattern) for language, pattern in _PATTERNS.items()}

_EXTENSIONS = {
    "python": "py pyi pyw",
    "c": "c h cc cpp cxx hh hpp hxx java rs cs kt kts swift",
    "go": "go",
    "javascript": "js mjs cjs jsx ts mts cts tsx",
    "css": "css",
    "sql": "sql",
    "shell": "sh bash zsh",
    "yaml": "yaml yml",
    "toml": "toml",
}
LANGUAGES = tuple(_EXTENSIONS)
_BY_EXTENSION = {"." + ext: language for language, exts in _EXTENSIONS.items() for ext in exts.split()}


def language_of(extension: str) -> str | None:
    """Return the language of a file's extension (with its dot), or None for one that isn't known."""
    return _BY_EXTENSION.get(extension.lower())


def comments(text: str, language: str) -> Iterator[Comment]:
    """Give the comments of a text in order; raises SyntaxProblem where Python's tokeniser gives up."""
    return _python(text) if language == "python" else _by_pattern(text, _COMPILED[language])


def _python(text: str) -> Iterator[Comment]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield Comment(token.start[0], token.start[1] + 1, token.string)
    except tokenize.TokenError as error:
        message, (line, _) = error.args
        raise SyntaxProblem(message, line) from None
    except SyntaxError as error:  # IndentationError among them
        raise SyntaxProblem(error.msg, error.lineno or 1) from None


def _by_pattern(text: str, pattern: re.Pattern[str]) -> Iterator[Comment]:
    line, line_start, counted = 1, 0, 0
    for match in pattern.finditer(text):
        if not match.lastgroup:
            continue
        breaks = text.count("\n", counted, match.start())
        if breaks:
            line += breaks
            line_start = text.rindex("\n", counted, match.start()) + 1
        counted = match.start()
        column = counted - line_start + 1
        for number, part in enumerate(match.group().split("\n")):
            yield Comment(line + number, 1 if number else column, part)
