"""A manifest's bytes to plain TOML data, sizes bounded first."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from devkit_core.errors import ManifestError, Place, Problem
from devkit_core.model.locate import line_and_column, string_end

__all__ = ["MAX_BYTES", "Document", "place", "read_toml"]

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32  # of tables and arrays inside each other, and of the parts of a dotted key
MAX_WORD: Final = 256  # characters outside quotes: numbers beyond take quadratic time
_MAX_SHOWN: Final = 500  # a longer source line isn't shown

_TOKEN: Final = re.compile(r"""["'#\[\]{}\n=,.]|[A-Za-z0-9_+:-]+""")
_HINTS: Final = (
    ("Invalid value", "write texts in quotes, and true or false in small letters"),
    ("Cannot overwrite a value", "each key may be given once"),
    ("twice", "each table may be opened once; `[[name]]` adds one to an array of tables"),
    ("Expected '=' after a key", "write `key = value`"),
    ("Expected newline or end of document", "write each key on a line of its own"),
    ("Illegal character", "take the character out, or write its escape, as `\\u0009`"),
    ("Unescaped '\\'", "write `\\\\`, or use single quotes"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest's text, its line breaks `\\n`, and what tomllib made of it."""

    path: str
    text: str
    data: dict[str, Any]


def read_toml(data: bytes, path: str) -> Document:
    """Read a manifest's bytes; ManifestError with one problem when they are no TOML or too much of it.

    At most 1 MiB, UTF-8 with or without its byte order mark, 32 levels deep.
    """
    if len(data) > MAX_BYTES:
        _refuse(
            "manifest-too-large",
            f"the file has {len(data):,} bytes; a manifest has at most {MAX_BYTES:,}",
            Place(path),
            "keep data in files of their own beside it",
        )
    text = _decoded(data, path)
    _check_bounds(text, path)
    try:
        parsed = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse_syntax(text, path, str(error))
    if _depth(parsed) > MAX_DEPTH:
        _refuse_complex(text, path, 0, f"tables and arrays are more than {MAX_DEPTH} levels deep")
    return Document(path, text, parsed)


def place(path: str, text: str, offset: int, key: str | None = None) -> Place:
    """Return the place of an offset, with its source line where that is short enough to show."""
    line, column = line_and_column(text, offset)
    start = offset - column + 1
    end = text.find("\n", start)
    source = text[start : end if end >= 0 else len(text)]
    if len(source) > _MAX_SHOWN:
        return Place(path, line, column, key)
    # what a terminal would obey is not shown; each character keeps its column
    source = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in source)
    return Place(path, line, column, key, source)


def _decoded(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        _refuse(
            "manifest-encoding",
            f"the file is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}",
            Place(path, before.count(b"\n") + 1, column),
            "save it as UTF-8",
        )


def _check_bounds(text: str, path: str) -> None:
    """Refuse what makes tomllib recurse too deeply or compute too long, in one pass over the tokens."""
    at = depth = dots = 0
    while found := _TOKEN.search(text, at):
        token, start, at = found[0], found.start(), found.end()
        match token:
            case '"' | "'":
                at = string_end(text, start)
            case "#":
                at = text.find("\n", at)
                if at < 0:
                    return
            case "[" | "{":
                depth, dots = depth + 1, 0
                if depth > MAX_DEPTH:
                    _refuse_complex(text, path, start, f"brackets are more than {MAX_DEPTH} levels deep")
            case "]" | "}":
                depth, dots = max(0, depth - 1), 0
            case "\n" | "=" | ",":
                dots = 0
            case ".":
                dots += 1
                if dots > MAX_DEPTH:
                    _refuse_complex(text, path, start, f"a key has more than {MAX_DEPTH} parts")
            case _ if len(token) > MAX_WORD:
                _refuse_complex(text, path, start, f"a word has more than {MAX_WORD} characters")


def _depth(data: dict[str, Any]) -> int:
    """Return how many levels a document has, without recursion."""
    level: list[Any] = [data]
    depth = 0
    while level:
        depth += 1
        items = (item for part in level for item in (part.values() if isinstance(part, dict) else part))
        level = [item for item in items if isinstance(item, dict | list)]
    return depth


def _refuse_complex(text: str, path: str, offset: int, message: str) -> NoReturn:
    _refuse("manifest-too-complex", message, place(path, text, offset), "a manifest is a plain list of facts")


def _refuse_syntax(text: str, path: str, message: str) -> NoReturn:
    what, _, where = message.rpartition(" (at ")
    numbers = re.fullmatch(r"line (\d+), column (\d+)\)", where)
    if numbers:
        # the column counts from 1, so its line begins that many characters before
        starts = text.split("\n", int(numbers[1]) - 1)[: int(numbers[1]) - 1]
        offset = sum(len(line) + 1 for line in starts) + int(numbers[2]) - 1
    else:
        offset = len(text.rstrip())
    what = what or message
    hint = next((hint for part, hint in _HINTS if part in what), None)
    if len(what) > 200:
        what = f"{what[:200]}…"
    _refuse(
        "manifest-syntax",
        f"the file is no TOML: {what[:1].lower()}{what[1:]}",
        place(path, text, offset),
        hint,
    )


def _refuse(code: str, message: str, where: Place, hint: str | None) -> NoReturn:
    raise ManifestError([Problem(code, message, where, hint)])
